"""The real broker process and confluent-kafka: groups as applications use them."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from support.processes import running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.processes import BrokerProcess

CONFIG = "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=4\n"
PARTITIONS = 4
_names = itertools.count(1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path_factory.mktemp("live") / "data", CONFIG) as process:
        yield process


@pytest.fixture
def topic(broker: BrokerProcess) -> str:
    """Create a topic with a name of its own; the group of a test has the same."""
    name = f"live-{next(_names)}"
    administer(broker, lambda admin: admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name])
    return name


@pytest.fixture
def member(broker: BrokerProcess, topic: str) -> Iterator[Callable[..., Consumer]]:
    made: list[Consumer] = []

    def make(**settings: Any) -> Consumer:
        defaults = {
            "bootstrap.servers": broker.bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 200,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
        consumer = Consumer(defaults | {key.replace("_", "."): value for key, value in settings.items()})
        consumer.subscribe([topic])
        made.append(consumer)
        return consumer

    yield make
    for consumer in made:
        with contextlib.suppress(RuntimeError):  # closed by the test
            consumer.close()


def administer(broker: BrokerProcess, ask: Callable[[AdminClient], Any]) -> Any:
    """Ask with a client of its own: librdkafka's cache of coordinators does not outlive a restart of the broker."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    return ask(client).result(20)


def produce(broker: BrokerProcess, topic: str, values: range) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, str(value).encode(), partition=value % PARTITIONS)
    assert producer.flush(30) == 0


def described(broker: BrokerProcess, group: str) -> Any:
    return administer(broker, lambda admin: admin.describe_consumer_groups([group], request_timeout=10)[group])


def listed(broker: BrokerProcess) -> set[str]:
    answer = administer(broker, lambda admin: admin.list_consumer_groups(request_timeout=10))
    return {group.group_id for group in answer.valid}


def poll(*members: Consumer) -> list[bytes]:
    """Poll each member once and return what came."""
    found = []
    for consumer in members:
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            found.append(message.value())
    return found


def share(*members: Consumer) -> None:
    """Poll until the members have all partitions between them, each one some."""

    def shared() -> bool:
        poll(*members)
        parts = [{each.partition for each in consumer.assignment()} for consumer in members]
        return all(parts) and sorted(itertools.chain(*parts)) == list(range(PARTITIONS))

    eventually(shared, what="all partitions to be assigned once", every=0)


def committed(consumer: Consumer, topic: str) -> dict[int, int]:
    wanted = [TopicPartition(topic, index) for index in range(PARTITIONS)]

    def ask() -> list[TopicPartition] | None:
        with contextlib.suppress(KafkaException):
            return consumer.committed(wanted, timeout=5)
        return None

    return {each.partition: each.offset for each in eventually(ask)}


def test_two_members_share_and_the_rest_takes_over_when_one_leaves(
    broker: BrokerProcess, topic: str, member: Any
) -> None:
    produce(broker, topic, range(100))
    one = member()
    share(one)
    other = member()
    share(one, other)
    assert len(described(broker, topic).members) == 2
    other.close()
    share(one)
    state = described(broker, topic)
    assert (state.state, len(state.members)) == (ConsumerGroupState.STABLE, 1)
    one.close()
    assert described(broker, topic).state is ConsumerGroupState.EMPTY


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_every_record_is_read_once_while_members_come_and_go(
    broker: BrokerProcess, topic: str, member: Any, strategy: str
) -> None:
    produce(broker, topic, range(400))
    read: list[int] = []
    uncommitted: set[int] = set()
    one = member(partition_assignment_strategy=strategy)

    def take(*members: Consumer) -> None:
        for consumer in members:
            message = consumer.poll(0.05)
            if message is None or message.error() is not None:
                continue
            read.append(int(message.value()))
            try:
                consumer.commit(message, asynchronous=False)
            except KafkaException:  # a rebalance came in between: whoever has the partition next reads it again
                uncommitted.add(read[-1])

    eventually(lambda: take(one) or len(read) >= 100, every=0)
    other = member(partition_assignment_strategy=strategy)
    eventually(lambda: take(one, other) or len(read) >= 250, every=0)
    other.close()
    eventually(lambda: take(one) or len(set(read)) == 400, every=0)
    twice = {value for value, count in Counter(read).items() if count > 1}
    assert twice <= uncommitted
    one.commit(offsets=[each for each in one.position(one.assignment()) if each.offset >= 0], asynchronous=False)
    assert committed(one, topic) == dict.fromkeys(range(PARTITIONS), 100)


def test_a_member_that_dies_loses_its_partitions_after_its_session(
    broker: BrokerProcess, topic: str, member: Any
) -> None:
    produce(broker, topic, range(100))
    one = member()
    other = member(max_poll_interval_ms=6_000)
    share(one, other)
    share(one)  # the other one is not polled any more, so it falls out


def test_a_static_member_comes_back_to_its_partitions(broker: BrokerProcess, topic: str, member: Any) -> None:
    produce(broker, topic, range(100))
    one = member(group_instance_id="one", session_timeout_ms=30_000)
    other = member(group_instance_id="other", session_timeout_ms=30_000)
    share(one, other)
    before = {each.partition for each in other.assignment()}
    kept = {each.partition for each in one.assignment()}
    other.close()  # a static member does not leave when it stops
    back = member(group_instance_id="other", session_timeout_ms=30_000)
    eventually(lambda: poll(one, back) is not None and bool(back.assignment()), every=0)
    assert {each.partition for each in back.assignment()} == before
    assert {each.partition for each in one.assignment()} == kept
    ids = {each.group_instance_id for each in described(broker, topic).members}
    assert ids == {"one", "other"}


def test_members_and_offsets_outlive_a_kill_of_the_broker(broker: BrokerProcess, topic: str, member: Any) -> None:
    one, other = member(session_timeout_ms=30_000), member(session_timeout_ms=30_000)
    share(one, other)
    produce(broker, topic, range(200))
    read: set[bytes] = set()
    eventually(lambda: read.update(poll(one, other)) or len(read) == 200, every=0)
    for consumer in (one, other):
        consumer.commit(asynchronous=False)
    before = {each.member_id for each in described(broker, topic).members}
    broker.kill()
    broker.start()
    assert committed(one, topic) == dict.fromkeys(range(PARTITIONS), 50)
    produce(broker, topic, range(200, 300))
    again: set[bytes] = set()
    eventually(lambda: again.update(poll(one, other)) or len(again) == 100, every=0)
    assert again == {str(value).encode() for value in range(200, 300)}
    state = described(broker, topic)
    assert (state.state, {each.member_id for each in state.members}) == (ConsumerGroupState.STABLE, before)


def test_offsets_and_groups_are_administered(broker: BrokerProcess, topic: str, member: Any) -> None:
    produce(broker, topic, range(40))
    one = member()
    share(one)
    one.commit(offsets=[TopicPartition(topic, 1, 7, metadata="seven")], asynchronous=False)
    assert committed(one, topic)[1] == 7
    with pytest.raises(KafkaException):
        administer(broker, lambda admin: admin.delete_consumer_groups([topic])[topic])
    one.close()
    assert topic in listed(broker)
    administer(broker, lambda admin: admin.delete_consumer_groups([topic])[topic])
    assert topic not in listed(broker)
