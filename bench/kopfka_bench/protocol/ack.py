"""When a broker is ready: it acknowledged a record with acks=all.

Over a plain socket, tried every two milliseconds, so that no client library's own back-off is measured.
"""

from __future__ import annotations

from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import RefusedError
from kopfka_bench.protocol.raw import CLOSED, RawConnection, prepare, record_batch

_CALLS = {"create_topics": 5, "produce": 9}
_RETRIED = {"not_leader_or_follower", "unknown_topic_or_partition", "leader_not_available", "not_controller"}
_SECONDS = 180


def prepare_ack() -> None:
    """Load what `wait_for_ack` needs, so that none of it is in what it measures."""
    for api, version in _CALLS.items():
        prepare(api, version)


def wait_for_ack(bootstrap: str, topic: str, *, create: bool) -> None:
    """Return when a record was acknowledged with acks=all.

    Raises:
        RefusedError: the broker answered with an error that waiting does not mend.
        NotInTimeError: it took longer than three minutes.
    """
    created = not create

    def acknowledged() -> bool:
        nonlocal created
        try:
            with RawConnection(bootstrap, seconds=30) as connection:
                if not created:
                    created = _create(connection, topic)
                return created and _produce(connection, topic)
        except OSError:
            return False

    eventually(acknowledged, seconds=_SECONDS, every=0.002, what=f"{bootstrap} to acknowledge a record")


def _create(connection: RawConnection, topic: str) -> bool:
    new = {"name": topic, "num_partitions": 1, "replication_factor": 1}
    answer = connection.call("create_topics", _CALLS["create_topics"], topics=[new], timeout=10_000)
    return answer is not CLOSED and answer["topics"][0]["error_code"] in ("none", "topic_already_exists")


def _produce(connection: RawConnection, topic: str) -> bool:
    data = {"name": topic, "partition_data": [{"index": 0, "records": record_batch([b"x" * 1000])}]}
    answer = connection.call("produce", _CALLS["produce"], acks=-1, timeout=10_000, topic_data=[data])
    if answer is CLOSED:
        return False
    code = answer["responses"][0]["partition_responses"][0]["error_code"]
    if code not in {"none", *_RETRIED}:
        raise RefusedError(f"a record was refused: {code}")
    return bool(code == "none")
