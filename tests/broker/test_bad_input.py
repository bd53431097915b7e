"""Anything anyone can send to the port: the broker closes what makes no sense and serves everyone else as before."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.live import batch
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec
from support.messages import entities
from support.processes import BrokerProcess, running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
SERVED = list(KAFKA_VERSIONS)
quiet = {"log_level": 0, "socket.timeout.ms": 10_000}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """Return one broker that all of this is thrown at; it lives to the end, and its log has no traceback."""
    config = "num.partitions=1\noffsets.topic.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n"
    with running_broker(tmp_path_factory.mktemp("bad") / "data", config) as process:
        yield process
        serves_a_real_client(process)
        assert process.process is not None
        assert process.process.poll() is None
        assert "Traceback" not in process.log.read_text()


def serves_a_real_client(process: BrokerProcess) -> None:
    admin = AdminClient({"bootstrap.servers": process.bootstrap} | quiet)
    with contextlib.suppress(Exception):
        admin.create_topics([NewTopic("good", 1, 1)])["good"].result(10)
    producer = Producer({"bootstrap.servers": process.bootstrap} | quiet)
    delivered = []
    producer.produce("good", b"value", on_delivery=lambda error, message: delivered.append((error, message.offset())))
    assert producer.flush(20) == 0
    error, offset = delivered[0]
    assert error is None
    consumer = Consumer({"bootstrap.servers": process.bootstrap, "group.id": "good"} | quiet)
    consumer.assign([TopicPartition("good", 0, offset)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.value() == b"value"


def throw(process: BrokerProcess, data: bytes) -> None:
    """Send bytes on a connection of their own, and end it: a broker that hangs on them would not close its side."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while peer.recv(65536):
                pass


def frame(raw: bytes) -> bytes:
    return struct.pack(">i", len(raw)) + raw


@st.composite
def requests(draw) -> bytes:
    """Return a well-formed request of any API and version, with any values in it."""
    key = draw(st.sampled_from(SERVED))
    low, high = KAFKA_VERSIONS[key]
    form = codec(key, draw(st.integers(max(low, 3 if key is ApiKey.PRODUCE else 0), high)))
    return form.write_request(draw(entities(form.request)), 1, "fuzz")


@st.composite
def mutated(draw) -> bytes:
    """Return a request with some of its bytes replaced, removed or added."""
    raw = bytearray(draw(requests()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        piece = draw(st.binary(min_size=1, max_size=4))
        end = at if what == "add" else at + len(piece)
        raw[at:end] = b"" if what == "remove" else piece
    return bytes(raw)


@st.composite
def headed(draw) -> bytes:
    """Return a good header and anything after it."""
    key = draw(st.sampled_from(SERVED) | st.integers(-(2**15), 2**15 - 1))
    version = draw(st.integers(-1, 20) | st.integers(-(2**15), 2**15 - 1))
    return struct.pack(">hhih", key, version, 1, 0) + draw(st.binary(max_size=60))


@given(st.binary(max_size=300))
@FUZZ
def test_random_bytes(process, data):
    throw(process, data)


@given(st.lists(headed(), max_size=5))
@FUZZ
def test_garbage_after_a_valid_header(process, frames):
    throw(process, b"".join(map(frame, frames)))


@given(st.lists(requests(), max_size=4))
@FUZZ
def test_requests_of_any_values(process, frames):
    throw(process, b"".join(map(frame, frames)))


@given(st.lists(mutated(), max_size=4))
@FUZZ
def test_mutated_requests(process, frames):
    throw(process, b"".join(map(frame, frames)))


@given(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=40))
@FUZZ
def test_frames_of_any_announced_size(process, size, data):
    throw(process, struct.pack(">i", size) + data)


@given(st.data())
@FUZZ
def test_corrupt_batches(process, data):
    raw = bytearray(batch(b"one", b"two", b"three"))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    from kio.schema.produce.v8.request import PartitionProduceData, ProduceRequest, TopicProduceData

    part = PartitionProduceData(index=0, records=bytes(raw[:cut] if data.draw(st.booleans()) else raw))
    request = ProduceRequest(
        transactional_id=None,
        acks=1,
        timeout=_second(),
        topic_data=(TopicProduceData(name="good", partition_data=(part,)),),
    )
    throw(process, frame(codec(ApiKey.PRODUCE, 8).write_request(request, 1, None)))


def test_many_connections_that_announce_much_and_send_nothing(process):
    psutil = pytest.importorskip("psutil")
    held = []
    for _ in range(100):
        peer = socket.create_connection(("127.0.0.1", process.port), timeout=20)
        peer.sendall(struct.pack(">i", 100 * 1024 * 1024) + bytes(10))
        held.append(peer)
    serves_a_real_client(process)
    assert psutil.Process(process.process.pid).memory_info().rss < 300 * 1024 * 1024
    for peer in held:
        peer.close()


def _second():
    from datetime import timedelta

    return timedelta(seconds=1)
