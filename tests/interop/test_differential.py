"""What Apache Kafka advertises, and how it takes malformed requests: the bundled broker does the same."""

from __future__ import annotations

import struct

import pytest

from kopfka_bench.protocol.raw import RawConnection, record_batch
from kopfka_wire.apis import KAFKA_VERSIONS

pytestmark = pytest.mark.java


def test_versions_are_those_apache_kafka_advertises(sides):
    ours, theirs = (
        {
            key["api_key"]: (key["min_version"], key["max_version"])
            for key in side.call("api_versions", 4, client_software_name="raw", client_software_version="1")["api_keys"]
        }
        for side in sides
    )
    assert ours == theirs
    assert ours == KAFKA_VERSIONS


@pytest.mark.parametrize(
    ("key", "version", "tail"),
    [
        pytest.param(18, 99, b"\0", id="ApiVersions of the future"),
        pytest.param(18, -1, b"", id="ApiVersions with a negative version"),
        pytest.param(999, 0, b"", id="an unknown API"),
        pytest.param(-3, 0, b"", id="a negative API"),
        pytest.param(4, 0, b"\0" * 32, id="a broker's own API (LeaderAndIsr)"),
        pytest.param(3, 99, b"\0" * 8, id="Metadata of the future"),
        pytest.param(1, 3, b"\0" * 32, id="Fetch of the past"),
        pytest.param(3, 1, b"", id="Metadata cut off"),
        pytest.param(3, 1, struct.pack(">i", 2**31 - 1), id="Metadata with a huge array"),
        pytest.param(3, 1, struct.pack(">i", 1) + struct.pack(">h", 32767), id="Metadata with a name beyond the end"),
        pytest.param(3, 1, struct.pack(">i", 0) + b"more", id="Metadata with more than belongs there"),
    ],
)
def test_malformed_requests_are_answered_or_closed_alike(sides, key, version, tail):
    frame = struct.pack(">hhih", key, version, 77, -1) + tail
    outcomes = []
    for side in sides:
        with RawConnection(side.bootstrap) as connection:
            outcomes.append(connection.exchange(frame))
    ours, theirs = outcomes
    if theirs is None:
        assert ours is None
    else:
        assert ours is not None
        # the correlation id, and ApiVersions' error code; what else an answer says is other tests' matter
        assert ours[:6] == theirs[:6]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_of_produce_that_are_only_advertised_say_so(sides, version):
    """Apache Kafka closes the connection; we answer, so that a client of old learns why."""
    batch = record_batch([b"x"], magic=1)
    topic = struct.pack(">h12s", 12, b"differential") + struct.pack(">iii", 1, 0, len(batch)) + batch
    frame = struct.pack(">hhih", 0, version, 77, -1) + struct.pack(">hii", 1, 1000, 1) + topic
    outcomes = []
    for side in sides:
        with RawConnection(side.bootstrap) as connection:
            outcomes.append(connection.exchange(frame))
    answer = struct.pack(">ii", 77, 1) + topic[:14] + struct.pack(">iih", 1, 0, 35)
    assert outcomes[0][: len(answer)] == answer
    assert outcomes[1] is None


@pytest.mark.parametrize("size", [-1, 0, 2**31 - 1, 104857601])
def test_impossible_frame_lengths_close_the_connection(sides, size):
    outcomes = []
    for side in sides:
        with RawConnection(side.bootstrap) as connection:
            connection.send(struct.pack(">i", size))
            outcomes.append(connection.read(4))
    assert outcomes == [None, None]


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4])
def test_features_are_those_of_apache_kafka(sides, version):
    ours, theirs = (
        side.call("api_versions", version, client_software_name="raw", client_software_version="1") for side in sides
    )
    assert ours.keys() == theirs.keys()
    for field in ("supported_features", "finalized_features"):
        by_name = [{each["name"]: each for each in answer.get(field, ())} for answer in (ours, theirs)]
        assert by_name[0] == by_name[1]
    assert ours.get("finalized_features_epoch", 0) >= 0
