"""The same raw requests to the bundled broker and to Apache Kafka, in every version: their answers must be the same.

A scenario is a function that sends requests to one broker and yields the answers that count. What must differ (ids,
ports) is masked by field name; everything else is compared, down to error messages and the bytes of fetched batches.
"""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import dataclass

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import NewTopic

from support.raw_protocol import CLOSED, RawConnection, known_versions, record_batch
from support.waiting import eventually

pytestmark = pytest.mark.java

BASE_TIME = 1_700_000_000_000
MASKED = {"cluster_id", "topic_id", "port", "member_id", "leader", "producer_id", "throttle_time", "session_id"}
MISSING_ID = "00000000-0000-0000-0000-0000000abcde"
BUILT = (
    "api_versions", "metadata", "produce", "fetch", "list_offsets", "create_topics", "delete_topics", "create_partitions",
    "describe_configs", "incremental_alter_configs", "describe_cluster", "find_coordinator", "join_group", "sync_group",
    "heartbeat", "leave_group", "offset_commit", "offset_fetch", "list_groups", "describe_groups", "delete_groups",
    "init_producer_id",
)  # fmt: skip
# ConsumerProtocolSubscription v0 of one topic: Apache Kafka's coordinator reads it, and hangs on some of what is not one
SUBSCRIPTION = struct.pack(">hih12si", 0, 1, 12, b"differential", -1)
_names = itertools.count(1)
SCENARIOS = []


def scenario(api, **extra):
    """Register a function as a scenario of all versions of `api`, or those in `versions`."""

    def register(function):
        for version in extra.get("versions", known_versions(api)):
            SCENARIOS.append(pytest.param(function, version, id=f"{function.__name__}-v{version}"))
        return function

    return register


@dataclass(slots=True)
class Side:
    """One broker as a scenario sees it: the fixture topic, a name of its own, and a connection that is kept open."""

    bootstrap: str
    topic: str
    topic_id: str
    own: str
    version: int
    connection: RawConnection | None = None
    last: str = ""

    def call(self, api, version=None, **fields):
        if self.connection is None:
            self.connection = RawConnection(self.bootstrap)
        version = self.version if version is None else version
        self.last = f"{api} v{version} {fields!r:.400}"
        answer = self.connection.call(api, version, **fields)
        if answer is CLOSED:
            self.close()
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.__exit__()
            self.connection = None

    def coordinates(self):
        """Tell whether it coordinates groups of every partition of __consumer_offsets, and gives out producer ids."""
        groups = [f"warm-{number}" for number in range(20)]
        self.call("find_coordinator", 4, key_type=0, coordinator_keys=groups)
        answers = [self.call("heartbeat", 4, group_id=group, generation_id=1, member_id="nobody") for group in groups]
        producer = self.call("init_producer_id", 4, transactional_id=None, transaction_timeout=60000)
        transactions = self.call("find_coordinator", 3, key="warm", key_type=1)
        return {answer["error_code"] for answer in (*answers, producer, transactions)} == {"unknown_member_id", "none"}

    def create(self, partitions=1, **configs):
        """Create the scenario's own topic, wait until it can be written to, and return its id."""
        configs = [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()]
        topic = {"name": self.own, "num_partitions": partitions, "replication_factor": 1, "configs": configs}
        answer = self.call("create_topics", 7, topics=[topic], timeout=10000)
        for partition in range(partitions):
            asked = {"name": self.own, "partitions": [{"partition_index": partition, "timestamp": -1}]}
            eventually(lambda asked=asked: self._leads(asked))
        return answer["topics"][0]["topic_id"]

    def _leads(self, asked):
        answer = self.call("list_offsets", 4, replica_id=-1, topics=[asked])
        return answer["topics"][0]["partitions"][0]["error_code"] == "none"

    def produce(self, batch, version=9, topic=None, topic_id=None, partition=0, acks=-1):
        topic = {"name": topic or self.topic, "topic_id": topic_id or self.topic_id}
        data = topic | {"partition_data": [{"index": partition, "records": batch}]}
        return self.call("produce", version, acks=acks, timeout=10000, topic_data=[data])

    def fetch(self, offset, partition=0, topic=None, topic_id=None, epoch=-1, **fields):
        part = {
            "partition": partition,
            "fetch_offset": offset,
            "partition_max_bytes": 1 << 20,
            "current_leader_epoch": epoch,
        }
        topic = {"topic": topic or self.topic, "topic_id": topic_id or self.topic_id, "partitions": [part]}
        defaults = {"max_wait": 100, "min_bytes": 1, "max_bytes": 1 << 20, "session_epoch": -1, "replica_id": -1}
        return self.call("fetch", **(defaults | fields), topics=[topic])


@pytest.fixture(scope="module")
def sides(kopfka, apache_kafka):
    """Both brokers, with the same topic of ten records in batches of their own."""
    made = []
    for peer in (kopfka, apache_kafka):
        topic = "differential"
        peer.admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "-1"})])[topic].result(timeout=30)
        described = peer.admin.describe_topics(TopicCollection([topic]))[topic].result(timeout=10)
        side = Side(peer.bootstrap, topic, _uuid(described.topic_id), "", 9)
        for number in range(10):
            answer = side.produce(record_batch([b"value %d" % number], timestamp=BASE_TIME + number * 1000))
            assert answer["responses"][0]["partition_responses"][0]["base_offset"] == number
        eventually(side.coordinates, what=f"{peer.kind} to coordinate groups")
        made.append(side)
    yield made
    for side in made:
        side.close()


def _uuid(topic_id):
    number = (topic_id.get_most_significant_bits() & (1 << 64) - 1) << 64 | topic_id.get_least_significant_bits() & (
        1 << 64
    ) - 1
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def masked(value, name=""):
    if isinstance(value, dict):
        return {key: masked(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    if name == "batch_index_error_message" and value:
        return re.sub(r"\[.*\]", "[<now>]", value)
    if name in MASKED and value not in (None, "", 0, -1):
        return f"<{name}>"
    return value


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    own = f"{run.__name__.replace('_', '-')}-{next(_names)}"
    transcripts = []
    for side in sides:
        side.own, side.version = own, version
        transcripts.append([(side.last, masked(answer)) for answer in run(side)])
    ours, theirs = transcripts
    assert len(ours) == len(theirs)
    different = []
    for number, ((request, mine), (_, real)) in enumerate(zip(ours, theirs, strict=True)):
        paths = list(differences(mine, real))
        if paths:
            different.append("\n    ".join((f"answer {number} to {request}", *paths)))
    if different:
        pytest.fail("\n".join(different), pytrace=False)


def differences(ours, theirs, path=""):
    """Yield a line for each place where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key, "absent"), theirs.get(key, "absent"), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (mine, real) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, real, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r:.300}, Apache Kafka: {theirs!r:.300}"


def test_versions_are_those_apache_kafka_advertises(sides):
    ours, theirs = (
        {
            key["api_key"]: (key["min_version"], key["max_version"])
            for key in side.call("api_versions", 4, client_software_name="raw", client_software_version="1")["api_keys"]
        }
        for side in sides
    )
    assert ours == {key: theirs.get(key) for key in ours}
    assert {_key(api) for api in BUILT} <= ours.keys()


def _key(api):
    from kio.index import load_entity_schema
    from kio.static.constants import EntityType

    return load_entity_schema(api, known_versions(api)[-1], EntityType.request).__api_key__


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
            outcomes.append(connection._read(4))
    assert outcomes == [None, None]


# --- Metadata, DescribeCluster, DescribeTopicPartitions ---------------------------------------------------------------


@scenario("metadata")
def metadata(side):
    yield side.call("metadata", topics=[{"name": side.topic}], allow_auto_topic_creation=False)
    if side.version >= 4:  # before, asking for a topic creates it: at once here, a moment later there
        yield side.call("metadata", topics=[{"name": f"{side.own}-missing"}], allow_auto_topic_creation=False)
    yield side.call("metadata", topics=[{"name": "not a name!"}], allow_auto_topic_creation=True)
    if side.version >= 1:
        yield side.call("metadata", topics=[])
    if side.version >= 8:
        yield side.call("metadata", topics=[{"name": side.topic}], include_topic_authorized_operations=True)


@scenario("metadata", versions=(12, 13))
def metadata_by_id(side):
    yield side.call("metadata", topics=[{"name": None, "topic_id": side.topic_id}])
    yield side.call("metadata", topics=[{"name": None, "topic_id": MISSING_ID}])


@scenario("describe_cluster")
def describe_cluster(side):
    yield side.call("describe_cluster")
    yield side.call("describe_cluster", include_cluster_authorized_operations=True)
    yield side.call("describe_cluster", endpoint_type=2)
    yield side.call("describe_cluster", endpoint_type=7)


@scenario("describe_topic_partitions")
def describe_topic_partitions(side):
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], response_partition_limit=10)
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], response_partition_limit=1)
    yield side.call("describe_topic_partitions", topics=[{"name": f"{side.own}-missing"}])
    cursor = {"topic_name": side.topic, "partition_index": 1}
    yield side.call("describe_topic_partitions", topics=[{"name": side.topic}], cursor=cursor)


# --- Produce, Fetch, ListOffsets --------------------------------------------------------------------------------------


@scenario("produce")
def produce(side):
    topic_id = side.create(max_message_bytes="300", partitions=2)
    if side.version < 3:
        yield "below what a client may send"
        return

    def send(batch, **at):
        return side.produce(batch, **({"version": side.version, "topic": side.own, "topic_id": topic_id} | at))

    yield send(record_batch([b"a", b"b"]))
    yield send(record_batch([b"c"]), acks=1)
    yield send(record_batch([b"d"]), partition=7)
    yield send(record_batch([b"d"]), topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield send(record_batch([b"d"]), acks=2)
    yield send(record_batch([b"large" * 100]))
    good = record_batch([b"flipped"])
    yield send(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
    yield send(record_batch([b"old format"], magic=1))
    yield send(record_batch([b"two"]) + record_batch([b"batches"]))
    yield send(good[:-5])
    yield send(b"")
    yield send(record_batch([b"future"], timestamp=4_102_444_800_000))
    yield send(record_batch([b"transactional"], attributes=0x10, producer_id=5, producer_epoch=0, sequence=0))
    yield send(record_batch([b"control"], attributes=0x20))
    # not compared: codec 6, an UNKNOWN_SERVER_ERROR there and UNSUPPORTED_COMPRESSION_TYPE here
    yield side.call(
        "list_offsets",
        4,
        replica_id=-1,
        topics=[{"name": side.own, "partitions": [{"partition_index": 0, "timestamp": -1}]}],
    )


@scenario("produce", versions=(3, 8, 9, 13))
def produce_idempotent(side):
    topic_id = side.create()
    producer = side.call("init_producer_id", 4, transactional_id=None, transaction_timeout=60000)["producer_id"]

    def send(sequence, epoch=0, values=(b"x",), who=producer):
        batch = record_batch(values, producer_id=who, producer_epoch=epoch, sequence=sequence)
        return side.produce(batch, version=side.version, topic=side.own, topic_id=topic_id)

    yield send(0, values=(b"a", b"b"))
    yield send(2)
    yield send(2)  # a duplicate: the offsets of the first
    yield send(0, values=(b"a", b"b"))
    yield send(5)  # a gap
    for sequence in range(3, 10):
        yield send(sequence)
    yield send(2)  # older than the five batches that are remembered
    yield send(0, epoch=1)
    yield send(1, epoch=0)  # an epoch that is over
    yield send(7, epoch=2)  # a new epoch starts at 0
    yield send(3, who=producer + 1000)  # a producer no one knows


@scenario("init_producer_id")
def init_producer_id(side):
    yield side.call("init_producer_id", transactional_id=None, transaction_timeout=60000)
    yield side.call("init_producer_id", transactional_id="", transaction_timeout=60000)


@scenario("fetch")
def fetch(side):
    yield side.fetch(0)
    yield side.fetch(7)
    yield side.fetch(10)
    yield side.fetch(11)
    yield side.fetch(-1)
    yield side.fetch(0, partition=1)
    yield side.fetch(0, partition=7)
    yield side.fetch(0, topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield side.fetch(0, max_bytes=1)
    yield side.fetch(4, epoch=0)
    yield side.fetch(4, epoch=5)
    yield side.fetch(0, isolation_level=1)


@scenario("fetch", versions=(7, 12, 13, 18))
def fetch_session(side):
    opened = side.fetch(8, session_id=0, session_epoch=0)
    yield opened
    session = opened["session_id"]
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session, session_epoch=1, replica_id=-1
    )
    side.produce(record_batch([b"more"]), partition=1)
    moved = {"partition": 1, "fetch_offset": 0, "partition_max_bytes": 1 << 20, "current_leader_epoch": -1}
    topic = {"topic": side.topic, "topic_id": side.topic_id, "partitions": [moved]}
    yield side.call(
        "fetch",
        max_wait=100,
        min_bytes=1,
        max_bytes=1 << 20,
        session_id=session,
        session_epoch=2,
        topics=[topic],
        replica_id=-1,
    )
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session, session_epoch=9, replica_id=-1
    )
    yield side.call(
        "fetch", max_wait=100, min_bytes=1, max_bytes=1 << 20, session_id=session + 1, session_epoch=1, replica_id=-1
    )


@scenario("list_offsets")
def list_offsets(side):
    def ask(timestamp, partition=0, topic=side.topic, epoch=-1):
        part = {"partition_index": partition, "timestamp": timestamp, "current_leader_epoch": epoch}
        return side.call("list_offsets", replica_id=-1, topics=[{"name": topic, "partitions": [part]}])

    for timestamp in (-1, -2, 0, BASE_TIME, BASE_TIME + 2500, BASE_TIME + 9000, BASE_TIME + 9001):
        yield ask(timestamp)
    for timestamp in (-3, -4, -5, -6, -9):
        yield ask(timestamp)
    yield ask(-1, partition=7)
    yield ask(-1, topic=f"{side.own}-missing")
    yield ask(-1, epoch=0)
    yield ask(-1, epoch=9)


@scenario("offset_for_leader_epoch")
def offset_for_leader_epoch(side):
    for partition, current, epoch in ((0, -1, 0), (0, 0, 0), (0, 0, 3), (0, 9, 0), (7, -1, 0), (0, -1, -1)):
        part = {"partition": partition, "current_leader_epoch": current, "leader_epoch": epoch}
        yield side.call("offset_for_leader_epoch", replica_id=-1, topics=[{"topic": side.topic, "partitions": [part]}])


# --- topics and configs -----------------------------------------------------------------------------------------------


@scenario("create_topics")
def create_topics(side):
    def create(name=side.own, partitions=1, factor=1, configs=(), assignments=(), **request):
        topic = {"name": name, "num_partitions": partitions, "replication_factor": factor, "assignments": assignments,
                 "configs": [{"name": key, "value": value} for key, value in configs]}  # fmt: skip
        return side.call("create_topics", topics=[topic], timeout=10000, **request)

    yield create(validate_only=True)
    yield create(configs=[("segment.bytes", "2097152"), ("cleanup.policy", "compact")])
    yield create()
    yield create("")
    yield create("not a name!")
    yield create("..")
    yield create("x" * 250)
    yield create(f"{side.own}-zero", partitions=0)
    yield create(f"{side.own}-factor", factor=3)
    yield create(f"{side.own}-defaults", partitions=-1, factor=-1)
    yield create(f"{side.own}-unknown", configs=[("retention.msec", "1")])
    yield create(f"{side.own}-bad", configs=[("retention.ms", "soon")])
    yield create(f"{side.own}-low", configs=[("segment.bytes", "1")])
    yield create(f"{side.own}-null", configs=[("retention.ms", None)])
    yield create(f"{side.own}-assigned", -1, -1, assignments=[{"partition_index": 0, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned2", -1, -1, assignments=[{"partition_index": 1, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned3", 1, 1, assignments=[{"partition_index": 0, "broker_ids": [1]}])
    yield create(f"{side.own}-assigned4", -1, -1, assignments=[{"partition_index": 0, "broker_ids": [9]}])
    same = {"name": f"{side.own}-twice", "num_partitions": 1, "replication_factor": 1}
    yield side.call("create_topics", topics=[same, same], timeout=10000)
    yield side.call("metadata", 12, topics=[{"name": side.own}], allow_auto_topic_creation=False)


@scenario("delete_topics")
def delete_topics(side):
    topic_id = side.create()
    if side.version >= 6:
        yield side.call("delete_topics", topics=[{"name": None, "topic_id": MISSING_ID}], timeout=10000)
        yield side.call("delete_topics", topics=[{"name": side.own, "topic_id": topic_id}], timeout=10000)
        yield side.call("delete_topics", topics=[{"name": None, "topic_id": topic_id}], timeout=10000)
    names = {"topics": [{"name": side.own}]} if side.version >= 6 else {"topic_names": [side.own]}
    yield side.call("delete_topics", **names, timeout=10000)
    yield side.call("delete_topics", **names, timeout=10000)


@scenario("create_partitions")
def create_partitions(side):
    side.create(partitions=2)

    def grow(count, name=side.own, assignments=None, **request):
        return side.call(
            "create_partitions",
            topics=[{"name": name, "count": count, "assignments": assignments}],
            timeout=10000,
            **request,
        )

    yield grow(3, validate_only=True)
    yield grow(1)
    yield grow(2)
    yield grow(0)
    yield grow(4)
    yield grow(5, assignments=[{"broker_ids": [1]}])
    yield grow(7, assignments=[{"broker_ids": [1]}])
    yield grow(6, assignments=[{"broker_ids": [9]}])
    yield grow(3, name=f"{side.own}-missing")
    yield side.call("metadata", 12, topics=[{"name": side.own}], allow_auto_topic_creation=False)


@scenario("describe_configs")
def describe_topic_configs(side):
    side.create(retention_ms="5000")

    def describe(name=side.own, keys=None, kind=2, **options):
        resource = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
        return _sorted_configs(side.call("describe_configs", resources=[resource], **options))

    yield describe()
    yield describe(include_synonyms=True)
    yield describe(include_documentation=True)
    yield describe(keys=["retention.ms", "nothing"])
    yield describe(name=f"{side.own}-missing")
    yield describe(name="")
    yield describe(name="not a name!")
    yield describe(name="9", kind=4)
    yield describe(name="x", kind=4)
    yield describe(name="x", kind=77)


@scenario("describe_configs", versions=(1, 4))
def describe_broker_configs(side):
    """The definitions of a broker's configs, and the values of those that both sides were given or left alone."""
    keys = ["log.retention.ms", "log.retention.hours", "num.partitions", "message.max.bytes", "offsets.topic.num.partitions",
            "group.initial.rebalance.delay.ms", "log.segment.bytes", "auto.create.topics.enable", "node.id", "compression.type",
            "log.cleanup.policy", "min.insync.replicas", "log.flush.interval.messages", "socket.request.max.bytes"]  # fmt: skip
    resource = {"resource_type": 4, "resource_name": "1", "configuration_keys": keys}
    yield _sorted_configs(
        side.call("describe_configs", resources=[resource], include_synonyms=True, include_documentation=True)
    )


def _sorted_configs(answer):
    for result in answer["results"]:
        result["configs"].sort(key=lambda config: config["name"])
    return answer


@scenario("incremental_alter_configs")
def incremental_alter_configs(side):
    side.create()

    def alter(*changes, name=side.own, kind=2, **options):
        configs = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in changes]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        return side.call("incremental_alter_configs", resources=[resource], **options)

    yield alter(("retention.ms", 0, "7000"), validate_only=True)
    yield alter(("retention.ms", 0, "8000"), ("segment.bytes", 0, "3145728"))
    yield alter(("cleanup.policy", 2, "compact"))
    yield alter(("cleanup.policy", 3, "delete"))
    yield alter(("segment.bytes", 1, None))
    yield alter(("segment.bytes", 1, None))
    yield alter(("retention.ms", 2, "1"))
    yield alter(("retention.ms", 0, "soon"))
    yield alter(("retention.ms", 0, None))
    yield alter(("retention.msec", 0, "1"))
    # not compared: operation 9, an UNKNOWN_SERVER_ERROR there and INVALID_REQUEST here
    yield alter(("retention.ms", 0, "1"), ("retention.ms", 0, "2"))
    yield alter(("retention.ms", 0, "1"), name=f"{side.own}-missing")
    yield alter(("retention.ms", 0, "1"), name="")
    yield alter(("retention.ms", 0, "1"), kind=77)
    resource = {
        "resource_type": 2,
        "resource_name": side.own,
        "configuration_keys": ["retention.ms", "segment.bytes", "cleanup.policy"],
    }
    yield _sorted_configs(side.call("describe_configs", 4, resources=[resource], include_synonyms=True))


# --- groups -----------------------------------------------------------------------------------------------------------


def join(side, member="", version=5, session=10000, group=None, protocols=("range",), instance=None, kind="consumer"):
    return side.call(
        "join_group", version, group_id=group if group is not None else side.own, session_timeout=session, rebalance_timeout=10000,
        member_id=member, group_instance_id=instance, protocol_type=kind,
        protocols=[{"name": name, "metadata": SUBSCRIPTION} for name in protocols],
    )  # fmt: skip


def stable(side, version=5):
    """Make a group of one member, and return its id; its generation is 1."""
    member = join(side)["member_id"]
    assert join(side, member)["generation_id"] == 1
    side.call(
        "sync_group",
        3,
        group_id=side.own,
        generation_id=1,
        member_id=member,
        assignments=[{"member_id": member, "assignment": b"all"}],
    )
    return member


@scenario("find_coordinator")
def find_coordinator(side):
    for kind in (0, 1, 2, 9):
        yield side.call("find_coordinator", key=side.own, key_type=kind, coordinator_keys=[side.own])
    yield side.call("find_coordinator", key="", key_type=0, coordinator_keys=[""])
    if side.version >= 4:
        yield side.call("find_coordinator", key_type=0, coordinator_keys=["a", "b"])


@scenario("join_group")
def join_group(side):
    first = join(side, version=side.version)
    yield first
    member = first["member_id"]
    if first["error_code"] == "member_id_required":
        first = join(side, member, side.version)
        yield first
    yield join(side, "nobody", side.version)
    yield join(side, member, side.version, kind="connect")
    yield join(side, member, side.version, group="")
    yield join(side, "", side.version, session=1)
    yield join(side, "", side.version, session=99_999_999)
    yield join(side, "", side.version, group=f"{side.own}-none", protocols=())
    yield join(side, "", side.version, group=f"{side.own}-nokind", kind="")


@scenario("join_group", versions=(5, 7, 9))
def join_group_static(side):
    first = join(side, version=side.version, instance="one")
    yield first
    side.call("sync_group", 3, group_id=side.own, generation_id=1, member_id=first["member_id"], group_instance_id="one",
              assignments=[{"member_id": first["member_id"], "assignment": b"all"}])  # fmt: skip
    second = join(side, version=side.version, instance="one")
    yield second
    yield side.call(
        "heartbeat", 4, group_id=side.own, generation_id=1, member_id=first["member_id"], group_instance_id="one"
    )
    yield side.call(
        "heartbeat", 4, group_id=side.own, generation_id=1, member_id=second["member_id"], group_instance_id="one"
    )
    yield side.call("heartbeat", 4, group_id=side.own, generation_id=1, member_id="", group_instance_id="two")


@scenario("sync_group")
def sync_group(side):
    member = join(side)["member_id"]
    join(side, member)

    def sync(generation=1, who=member, group=side.own, protocol="range", kind="consumer"):
        return side.call("sync_group", group_id=group, generation_id=generation, member_id=who, protocol_type=kind,
                         protocol_name=protocol, assignments=[{"member_id": member, "assignment": b"all"}])  # fmt: skip

    yield sync(generation=2)
    yield sync(who="nobody")
    yield sync(protocol="roundrobin")
    yield sync(kind="connect")
    yield sync(group=f"{side.own}-missing")
    yield sync(group="")
    yield sync()
    yield sync()


@scenario("heartbeat")
def heartbeat(side):
    member = stable(side)
    for group, generation, who in (
        (side.own, 1, member), (side.own, 2, member), (side.own, 1, "nobody"), (f"{side.own}-missing", 1, member), ("", 1, member),
    ):  # fmt: skip
        yield side.call("heartbeat", group_id=group, generation_id=generation, member_id=who)


@scenario("leave_group")
def leave_group(side):
    member = stable(side)
    for group, who in (
        (side.own, "nobody"),
        (f"{side.own}-missing", member),
        ("", member),
        (side.own, member),
        (side.own, member),
    ):
        yield side.call("leave_group", group_id=group, member_id=who, members=[{"member_id": who}])


@scenario("offset_commit")
def offset_commit(side):
    member = stable(side)

    def commit(
        offset=3,
        generation=1,
        who=member,
        group=side.own,
        partition=0,
        topic=side.topic,
        topic_id=side.topic_id,
        text="note",
    ):
        part = {
            "partition_index": partition,
            "committed_offset": offset,
            "committed_metadata": text,
            "committed_leader_epoch": -1,
        }
        return side.call("offset_commit", group_id=group, generation_id_or_member_epoch=generation, member_id=who, retention_time=-1,
                         topics=[{"name": topic, "topic_id": topic_id, "partitions": [part]}])  # fmt: skip

    yield commit()
    yield commit(generation=2)
    yield commit(who="nobody")
    yield commit(partition=7)
    yield commit(topic=f"{side.own}-missing", topic_id=MISSING_ID)
    yield commit(text="x" * 5000)
    yield commit(text=None)
    yield commit(group="")
    yield commit(group=f"{side.own}-simple", generation=-1, who="")
    yield commit(group=f"{side.own}-other", generation=4, who="nobody")
    yield side.call("offset_fetch", 5, group_id=side.own, topics=None)


@scenario("offset_fetch")
def offset_fetch(side):
    stored = {
        "name": side.topic,
        "partitions": [
            {"partition_index": 0, "committed_offset": 4, "committed_metadata": "m", "committed_leader_epoch": 0}
        ],
    }
    side.call("offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, member_id="", topics=[stored])

    def ask(group=side.own, topics=((side.topic, side.topic_id, (0, 1, 7)),)):
        asked = (
            [{"name": name, "topic_id": topic_id, "partition_indexes": numbers} for name, topic_id, numbers in topics]
            if topics is not None
            else None
        )
        return side.call(
            "offset_fetch",
            group_id=group,
            topics=asked,
            groups=[{"group_id": group, "topics": asked, "member_epoch": -1}],
        )

    yield ask()
    yield ask(topics=((f"{side.own}-missing", MISSING_ID, (0,)),))
    yield ask(group=f"{side.own}-missing")
    yield ask(group="")
    if side.version >= 2:
        yield ask(topics=None)
        yield ask(group=f"{side.own}-missing", topics=None)


@scenario("list_groups")
def list_groups(side):
    stable(side)

    def listed(**filters):
        answer = side.call("list_groups", **filters)
        answer["groups"] = [group for group in answer["groups"] if group["group_id"] == side.own]
        return answer

    yield listed()
    if side.version >= 4:
        yield listed(states_filter=["Stable"])
        yield listed(states_filter=["stable"])
        yield listed(states_filter=["Empty"])
        yield listed(states_filter=["Nonsense"])
    if side.version >= 5:
        yield listed(types_filter=["classic"])
        yield listed(types_filter=["consumer"])
        yield listed(types_filter=["Nonsense"])


@scenario("describe_groups")
def describe_groups(side):
    member = join(side)["member_id"]
    join(side, member)
    yield side.call("describe_groups", groups=[side.own])
    side.call(
        "sync_group",
        3,
        group_id=side.own,
        generation_id=1,
        member_id=member,
        assignments=[{"member_id": member, "assignment": b"all"}],
    )
    yield side.call("describe_groups", groups=[side.own])
    for group in (f"{side.own}-missing", ""):
        yield side.call("describe_groups", groups=[group])
    if side.version >= 3:
        yield side.call("describe_groups", groups=[side.own], include_authorized_operations=True)
    side.call("leave_group", 2, group_id=side.own, member_id=member)
    yield side.call("describe_groups", groups=[side.own])


@scenario("delete_groups")
def delete_groups(side):
    member = stable(side)
    for group in (side.own, f"{side.own}-missing", ""):
        yield side.call("delete_groups", groups_names=[group])
    side.call("leave_group", 2, group_id=side.own, member_id=member)
    yield side.call("delete_groups", groups_names=[side.own])
    yield side.call("delete_groups", groups_names=[side.own])


@scenario("offset_delete")
def offset_delete(side):
    stored = {
        "name": side.topic,
        "partitions": [
            {"partition_index": 0, "committed_offset": 4, "committed_leader_epoch": 0, "committed_metadata": ""}
        ],
    }
    side.call("offset_commit", 8, group_id=side.own, generation_id_or_member_epoch=-1, member_id="", topics=[stored])
    for group, partition in ((f"{side.own}-missing", 0), ("", 0), (side.own, 7), (side.own, 0)):
        topic = {"name": side.topic, "partitions": [{"partition_index": partition}]}
        yield side.call("offset_delete", group_id=group, topics=[topic])
    yield side.call("offset_fetch", 5, group_id=side.own, topics=None)
