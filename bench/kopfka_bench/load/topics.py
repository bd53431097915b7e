"""Topics for a load, made and removed over the protocol, and waited for."""

from __future__ import annotations

from kopfka_bench.brokers.waiting import eventually
from kopfka_bench.errors import RefusedError
from kopfka_bench.protocol.raw import CLOSED, RawConnection

_AT_ONCE = 1000  # partitions of one request: Apache Kafka refuses more than its metadata log takes in one batch


def create_topic(bootstrap: str, name: str, partitions: int = 1, configs: dict[str, str] | None = None) -> None:
    """Create a topic and return when its partitions have a leader that works as one.

    Raises:
        RefusedError: the broker refuses it.
    """
    with RawConnection(bootstrap, seconds=120) as connection:
        given = [{"name": key, "value": value} for key, value in (configs or {}).items()]
        new = {"name": name, "num_partitions": partitions, "replication_factor": 1, "configs": given}
        answer = connection.call("create_topics", 5, topics=[new], timeout=100_000)
        if answer is CLOSED or answer["topics"][0]["error_code"] != "none":
            raise RefusedError(f"topic {name} with {partitions} partitions was refused: {answer}")
        eventually(lambda: _led(connection, name, partitions), seconds=60, every=0.01, what=f"topic {name}")


def create_partitions(bootstrap: str, prefix: str, count: int) -> None:
    """Create so many partitions, a thousand to a topic."""
    for name, partitions in partitioned(prefix, count):
        create_topic(bootstrap, name, partitions)


def partitioned(prefix: str, count: int) -> list[tuple[str, int]]:
    """Return the topics of so many partitions: their names, and how many each has."""
    return [(f"{prefix}-{number}", min(_AT_ONCE, count - number)) for number in range(0, count, _AT_ONCE)]


def delete_topics(bootstrap: str, *names: str) -> None:
    """Remove topics; what is not there is passed over."""
    with RawConnection(bootstrap, seconds=60) as connection:
        connection.call("delete_topics", 5, topic_names=list(names), timeout=50_000)


def _led(connection: RawConnection, name: str, partitions: int) -> bool:
    answer = connection.call("metadata", 8, topics=[{"name": name}], allow_auto_topic_creation=False)
    if answer is CLOSED:
        return False
    of = answer["topics"][0]
    led = sum(part["leader_id"] >= 0 for part in of["partitions"])
    if of["error_code"] != "none" or led != partitions:
        return False
    # Apache Kafka tells who leads a partition a moment before it does
    wanted = [{"partition_index": number, "timestamp": -1, "current_leader_epoch": -1} for number in range(partitions)]
    answer = connection.call("list_offsets", 4, replica_id=-1, topics=[{"name": name, "partitions": wanted}])
    return bool(answer is not CLOSED and all(one["error_code"] == "none" for one in answer["topics"][0]["partitions"]))
