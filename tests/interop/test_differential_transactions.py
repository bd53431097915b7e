"""Transactional producers by hand: the same answers as Apache Kafka's (see `support.differential`)."""

from __future__ import annotations

from typing import Any

import pytest

from kopfka_bench.protocol.raw import record_batch
from support.differential import Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
TRANSACTIONAL = 0x10
_PASSING = {
    "coordinator_not_available", "coordinator_load_in_progress", "not_coordinator", "concurrent_transactions",
    "not_enough_replicas",
}  # fmt: skip
"""Errors that go away: of a topic that is being made, of a transaction that is being brought to its end."""


class Producer:
    """A transactional producer, request by request; its epoch and id are what the broker last said."""

    def __init__(self, side: Any, name: str | None = None, timeout: int = 60000) -> None:
        self.side = side
        self.name = name or side.own
        self.timeout = timeout
        self.id = self.epoch = -1
        self.sequence = 0

    def init(self, version: int = 4, *, given: bool = False, wait: bool = True, **fields: Any) -> Any:
        """Send InitProducerId, again while it only says to ask again."""
        known = {"producer_id": self.id, "producer_epoch": self.epoch} if given else {}
        asked = {"transactional_id": self.name, "transaction_timeout": self.timeout} | known | fields
        asked = {"producer_id": -1, "producer_epoch": -1} | asked
        answer = self.side.call("init_producer_id", version, **asked)

        def settled() -> bool:
            nonlocal answer
            if answer["error_code"] in _PASSING:
                answer = self.side.call("init_producer_id", version, **asked)
            return answer["error_code"] not in _PASSING

        if wait:
            eventually(settled, what="InitProducerId")
        if answer["error_code"] == "none":
            self.id, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], 0
        return answer

    def _who(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"transactional_id": self.name, "producer_id": self.id, "producer_epoch": self.epoch} | fields

    def add(self, version: int = 3, topics: Any = None, verify_only: bool = False, **fields: Any) -> Any:
        """Send AddPartitionsToTxn for partition 0 of the topic both have, or others."""
        topics = topics if topics is not None else [{"name": self.side.topic, "partitions": [0]}]
        who = self._who(fields)
        if version >= 4:
            one = who | {"topics": topics, "verify_only": verify_only}
            return self.side.call("add_partitions_to_txn", version, transactions=[one])
        asked = {f"v3_and_below_{key}": value for key, value in (who | {"topics": topics}).items()}
        answer = self.side.call("add_partitions_to_txn", version, **asked)
        for topic in answer["results_by_topic_v3_and_below"]:  # in no order: Kafka goes through hash maps
            topic["results_by_partition"].sort(key=lambda each: each["partition_index"])
        answer["results_by_topic_v3_and_below"].sort(key=lambda each: each["name"])
        return answer

    def added(self) -> None:
        """Have partition 0 of the topic both have in the transaction."""

        def added() -> bool:
            answer = self.add()["results_by_topic_v3_and_below"][0]["results_by_partition"][0]
            assert answer["partition_error_code"] in _PASSING | {"none"}, answer
            return answer["partition_error_code"] == "none"

        eventually(added, what="the partition to be added")

    def produce(self, version: int = 9, **fields: Any) -> Any:
        """Write a record to partition 0 of the topic both have."""
        who = {"producer_id": self.id, "producer_epoch": self.epoch, "sequence": self.sequence} | fields
        batch = record_batch([b"in a transaction"], attributes=TRANSACTIONAL, **who)
        data = {
            "name": self.side.topic,
            "topic_id": self.side.topic_id,
            "partition_data": [{"index": 0, "records": batch}],
        }
        answer = self.side.call(
            "produce", version, transactional_id=self.name, acks=-1, timeout=10000, topic_data=[data]
        )
        part = answer["responses"][0]["partition_responses"][0]
        if part["error_code"] == "none":
            self.sequence += 1
        return {key: part.get(key) for key in ("error_code", "error_message")}

    def add_offsets(self, version: int = 3, group: str | None = None, **fields: Any) -> Any:
        """Send AddOffsetsToTxn."""
        return self.side.call(
            "add_offsets_to_txn", version, **self._who(fields), group_id=self.side.own if group is None else group
        )

    def commit_offset(self, version: int = 3, offset: int = 5, topics: Any = None, **fields: Any) -> Any:
        """Send TxnOffsetCommit for partition 0 of the topic both have."""
        part = {
            "partition_index": 0,
            "committed_offset": offset,
            "committed_leader_epoch": -1,
            "committed_metadata": "",
        }
        topics = topics if topics is not None else [{"name": self.side.topic, "partitions": [part]}]
        asked = {"group_id": self.side.own, "generation_id": -1, "member_id": "", "group_instance_id": None}
        return self.side.call("txn_offset_commit", version, topics=topics, **self._who(asked | fields))

    def end(self, commit: bool, version: int = 4, **fields: Any) -> Any:
        """Send EndTxn."""
        answer = self.side.call("end_txn", version, committed=commit, **self._who(fields))
        if version >= 5 and answer["error_code"] == "none":
            self.id, self.epoch, self.sequence = answer["producer_id"], answer["producer_epoch"], 0
        return answer

    def describe(self) -> Any:
        """Return what DescribeTransactions says, but for the time."""
        [state] = self.side.call("describe_transactions", 0, transactional_ids=[self.name])["transaction_states"]
        return {key: value for key, value in state.items() if key != "transaction_start_time"}

    def completed(self) -> Any:
        """Wait until the last transaction is at its end; return its description."""
        eventually(lambda: not self.describe()["transaction_state"].startswith("Prepare"), what="the end")
        return self.describe()


def fetched_offset(side: Any, stable: bool) -> Any:
    topics = [{"name": side.topic, "partition_indexes": [0]}]
    group = {"group_id": side.own, "topics": topics, "member_id": None, "member_epoch": -1}
    return side.call("offset_fetch", 8, groups=[group], require_stable=stable)


@SCENARIOS.of("init_producer_id", 0, 1, 2, 3, 4, 5)
def init_producer_id(side):
    producer = Producer(side)
    yield producer.init(side.version)
    yield producer.init(side.version)
    yield producer.init(side.version, timeout=1, transaction_timeout=0)
    yield producer.init(side.version, transaction_timeout=-1)
    yield producer.init(side.version, transaction_timeout=900_001)
    yield producer.init(side.version, transactional_id="")
    yield producer.init(side.version, transactional_id=None)
    yield producer.describe()


@SCENARIOS.of("init_producer_id", 3, 4, 5)
def init_producer_id_that_goes_on(side):
    producer = Producer(side)
    yield producer.init(side.version)
    first = {"producer_id": producer.id, "producer_epoch": producer.epoch}
    yield producer.init(side.version, given=True)
    yield producer.init(side.version, **first)  # again, by who did not hear the answer
    yield producer.init(side.version, given=True)
    yield producer.init(side.version, **first)
    yield producer.init(side.version, given=True, producer_epoch=producer.epoch + 1)
    yield producer.init(side.version, given=True, producer_id=producer.id + 100_000)
    yield producer.init(side.version, producer_id=5)
    yield producer.init(side.version, producer_epoch=5)
    yield producer.init(side.version)
    yield producer.init(side.version, **first)
    fresh = Producer(side, f"{side.own}-fresh")
    yield fresh.init(side.version, producer_id=987_654, producer_epoch=7)


@SCENARIOS.of("add_partitions_to_txn", 0, 1, 2, 3)
def add_partitions(side):
    producer = Producer(side)
    version = side.version
    producer.init()
    yield producer.add(version)
    yield producer.add(version)
    yield producer.add(version, [{"name": side.topic, "partitions": [0, 1]}])
    yield producer.describe()
    yield producer.add(version, producer_epoch=producer.epoch + 1)
    yield producer.add(version, producer_epoch=producer.epoch - 1)
    yield producer.add(version, producer_id=producer.id + 100_000)
    yield producer.add(version, transactional_id=f"{side.own}-unknown")
    yield producer.add(version, transactional_id="")
    yield producer.add(version, [{"name": side.topic, "partitions": [0, 77]}, {"name": "missing", "partitions": [0]}])
    yield producer.add(version, [{"name": "__consumer_offsets", "partitions": [0]}])
    yield producer.describe()


@SCENARIOS.of("add_partitions_to_txn", 4, 5)
def add_partitions_from_brokers(side):
    producer = Producer(side)
    version = side.version
    producer.init()
    yield producer.add(version, verify_only=True)
    yield producer.add(version)
    yield producer.add(version, verify_only=True)
    yield producer.add(version, [{"name": side.topic, "partitions": [0, 1]}], verify_only=True)
    yield producer.describe()
    for wrong in (
        {"producer_epoch": producer.epoch + 1}, {"producer_id": producer.id + 100_000},
        {"transactional_id": f"{side.own}-unknown"}, {"transactional_id": ""},
    ):  # fmt: skip
        yield producer.add(version, **wrong)
        yield producer.add(version, verify_only=True, **wrong)
    yield producer.add(version, [{"name": "missing", "partitions": [0]}])
    yield producer.end(True)
    producer.completed()
    yield producer.add(version, verify_only=True)


@SCENARIOS.of("end_txn", 0, 1, 2, 3, 4)
def end_classic(side):
    producer = Producer(side)
    version = side.version
    producer.init()
    for commit in (True, False):
        yield producer.end(commit, version)  # nothing is open
    for commit in (True, False):
        producer.added()
        yield producer.end(commit, version, producer_epoch=producer.epoch + 1)
        yield producer.end(commit, version, producer_epoch=producer.epoch - 1)
        yield producer.end(commit, version, producer_id=producer.id + 100_000)
        yield producer.end(commit, version, transactional_id=f"{side.own}-unknown")
        yield producer.end(commit, version, transactional_id="")
        yield producer.end(commit, version)
        yield producer.completed()
        yield producer.end(commit, version)  # again, by who did not hear the answer
        yield producer.end(not commit, version)


@SCENARIOS.of("end_txn", 5)
def end_with_a_new_epoch(side):
    producer = Producer(side)
    producer.init(5)
    yield producer.end(True, 5)
    yield producer.end(False, 5)  # an abort of nothing
    yield producer.completed()
    for commit in (True, False):
        producer.added()
        before = {"producer_id": producer.id, "producer_epoch": producer.epoch}
        yield producer.end(commit, 5, producer_epoch=producer.epoch + 1)
        yield producer.end(commit, 5, producer_epoch=producer.epoch - 1)
        yield producer.end(commit, 5, producer_id=producer.id + 100_000)
        yield producer.end(commit, 5, transactional_id=f"{side.own}-unknown")
        yield producer.end(commit, 5)
        yield producer.completed()
        yield producer.end(commit, 5, **before)
        yield producer.end(not commit, 5, **before)
        yield producer.end(True, 5)
        yield producer.end(False, 5)
        yield producer.completed()
        yield producer.end(commit, 4)
        yield producer.end(not commit, 4)


@SCENARIOS.of("add_offsets_to_txn", 0, 1, 2, 3, 4)
def add_offsets(side):
    producer = Producer(side)
    producer.init()
    yield producer.add_offsets(side.version)
    yield producer.add_offsets(side.version)
    yield producer.add_offsets(side.version, producer_epoch=producer.epoch + 1)
    yield producer.add_offsets(side.version, producer_id=producer.id + 100_000)
    yield producer.add_offsets(side.version, transactional_id=f"{side.own}-unknown")
    yield producer.add_offsets(side.version, transactional_id="")
    yield producer.describe()["transaction_state"]


@SCENARIOS.of("txn_offset_commit", 0, 1, 2, 3, 4)
def commit_offsets(side):
    producer = Producer(side)
    version = side.version
    producer.init()
    yield producer.commit_offset(version)  # its partition is not in the transaction
    producer.add_offsets()
    for commit, offset in ((True, 5), (False, 7)):
        producer.add_offsets()
        yield producer.commit_offset(version, offset)
        yield fetched_offset(side, stable=True)
        yield fetched_offset(side, stable=False)
        assert producer.end(commit)["error_code"] == "none"
        producer.completed()
        yield fetched_offset(side, stable=True)
    producer.add_offsets()
    yield producer.commit_offset(version, producer_epoch=producer.epoch + 1)
    yield producer.commit_offset(version, producer_id=producer.id + 100_000)
    yield producer.commit_offset(version, transactional_id=f"{side.own}-unknown")
    yield producer.commit_offset(version, group_id="")
    if version >= 3:
        yield producer.commit_offset(version, generation_id=3)
        yield producer.commit_offset(version, member_id="nobody", generation_id=3)
    part = {"partition_index": 77, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": None}
    long = part | {"partition_index": 1, "committed_metadata": "x" * 5000}
    yield producer.commit_offset(
        version,
        topics=[{"name": side.topic, "partitions": [part, long]}, {"name": "missing", "partitions": [part]}],
    )
    yield fetched_offset(side, stable=True)


@SCENARIOS.of("txn_offset_commit", 5)
def commit_offsets_that_join_by_themselves(side):
    producer = Producer(side)
    producer.init(5)
    for commit, offset in ((True, 5), (False, 7), (True, 9)):
        yield producer.commit_offset(5, offset)
        yield producer.describe()["transaction_state"]
        yield fetched_offset(side, stable=True)
        yield producer.end(commit, 5)
        producer.completed()
        yield fetched_offset(side, stable=True)
    yield producer.commit_offset(5, producer_epoch=producer.epoch + 1)
    yield producer.commit_offset(5, producer_epoch=producer.epoch - 1)
    yield producer.commit_offset(5, producer_id=producer.id + 100_000)
    yield producer.commit_offset(5, transactional_id=f"{side.own}-unknown")
    yield producer.commit_offset(5, transactional_id="")


@SCENARIOS.of("txn_offset_commit", 3, 5)
def a_later_commit_outside_of_the_transaction_counts(side):
    producer = Producer(side)
    producer.init(5)
    if side.version < 5:
        producer.add_offsets()
    yield producer.commit_offset(side.version, 5)
    part = {"partition_index": 0, "committed_offset": 8, "committed_leader_epoch": -1, "committed_metadata": ""}
    topics = [{"name": side.topic, "partitions": [part]}]
    yield side.call(
        "offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, member_id="", topics=topics
    )
    yield fetched_offset(side, stable=False)
    assert producer.end(True, 5 if side.version >= 5 else 4)["error_code"] == "none"
    producer.completed()
    yield fetched_offset(side, stable=True)


@SCENARIOS.of("delete_groups", 2)
def groups_with_offsets_in_wait(side):
    producer = Producer(side)
    producer.init(5)
    yield producer.commit_offset(5, 5)
    part = [{"partition_index": 0}]
    yield side.call("offset_delete", 0, group_id=side.own, topics=[{"name": side.topic, "partitions": part}])
    yield fetched_offset(side, stable=True)
    yield side.call("delete_groups", 2, groups_names=[side.own])
    yield fetched_offset(side, stable=True)
    yield producer.end(True, 5)
    producer.completed()
    yield fetched_offset(side, stable=True)


@SCENARIOS.of("produce", 3, 7, 9, 10, 11, 12, 13)
def produce_in_a_transaction(side):
    producer = Producer(side)
    version = side.version
    producer.init()
    yield producer.produce(version)  # from version 12 on it joins by itself
    if version < 12:
        producer.added()
    yield producer.produce(version)
    yield producer.produce(version, producer_epoch=producer.epoch + 1)
    yield producer.produce(version, producer_id=producer.id + 100_000)
    yield producer.describe()
    assert producer.end(True)["error_code"] == "none"
    producer.completed()
    producer.init()
    yield producer.produce(version, producer_epoch=producer.epoch - 1, sequence=1)


@SCENARIOS.of("init_producer_id", 2, 4, 5)
def a_new_producer_fences_the_old_one(side):
    old, new = Producer(side), Producer(side)
    old.init(side.version)
    old.added()
    yield old.produce()
    yield new.init(side.version, wait=False)
    yield new.init(side.version)
    yield new.describe()
    yield old.produce()
    yield old.add()
    yield old.end(True)
    yield old.end(True, 5)
    if side.version >= 3:
        yield old.init(side.version, given=True)
    new.added()
    yield new.produce()
    yield new.end(True)
    yield new.completed()


@SCENARIOS.of("end_txn", 4, 5)
def a_transaction_whose_time_is_over(side):
    producer = Producer(side, timeout=100)
    producer.init()
    producer.added()
    yield producer.produce()
    eventually(lambda: producer.describe()["transaction_state"] == "CompleteAbort", seconds=30, what="the abort")
    yield producer.describe()
    yield producer.produce()
    yield producer.add()
    yield producer.end(True, side.version)
    yield producer.init()


@SCENARIOS.of("list_transactions", 0, 1, 2)
def list_transactions(side):
    producer = Producer(side)
    producer.init()
    producer.added()
    for filters in (
        {"state_filters": ["Ongoing"]}, {"state_filters": ["ongoing"]}, {"state_filters": ["Empty", "Nonsense"]},
        {"state_filters": []}, {"producer_id_filters": [987_654_321]}, {"duration_filter": 10_000_000},
        {"duration_filter": 0}, {"transactional_id_pattern": f"{side.own}.*"}, {"transactional_id_pattern": "none-.*"},
        {"transactional_id_pattern": side.own[:-1]}, {"transactional_id_pattern": "*"},
    ):  # fmt: skip
        asked = {"state_filters": [], "producer_id_filters": [producer.id], "duration_filter": -1} | filters
        yield side.call("list_transactions", **asked)


@SCENARIOS.of("describe_transactions", 0)
def describe_transactions(side):
    producer = Producer(side)
    producer.init()
    yield producer.describe()
    yield side.call("describe_transactions", transactional_ids=["", f"{side.own}-unknown"])
    yield side.call("describe_transactions", transactional_ids=[])


@SCENARIOS.of("write_txn_markers", 1, 2)
def write_markers(side):
    producer = Producer(side)
    for _ in range(2):
        producer.init()

    def markers(*topics: tuple[str, int], epoch: int | None = None, version: int = 0) -> Any:
        marker = {
            "producer_id": producer.id,
            "producer_epoch": producer.epoch if epoch is None else epoch,
            "transaction_result": False,
            "coordinator_epoch": 0,
            "transaction_version": version,
            "topics": [{"name": name, "partition_indexes": [index]} for name, index in topics],
        }
        return side.call("write_txn_markers", markers=[marker])

    yield markers((side.topic, 0))
    producer.added()
    yield producer.produce()
    yield markers((side.topic, 77))
    yield markers(("missing", 0))
    yield markers((side.topic, 0), epoch=producer.epoch - 1)
    yield markers((side.topic, 0))
    yield producer.produce()
    yield side.call("write_txn_markers", markers=[])


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_those_of_apache_kafka(sides, run, version):
    compare(sides, run, version)
