"""The same raw requests to two brokers, and where their answers differ.

A scenario is a function that sends requests to one broker, a `Side`, and yields the answers that count. It runs against
both, in every version of the API it is for. What must differ (ids, ports) is masked by field name; everything else is
compared, down to error messages and the bytes of fetched batches.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_bench.protocol.raw import CLOSED, RawConnection, known_versions
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BASE_TIME = 1_700_000_000_000
"""The timestamp of the first record of the topic both have; each further one is a second later."""
TOPIC = "differential"
RECORDS = 10
MISSING_ID = "00000000-0000-0000-0000-0000000abcde"
_MASKED = {
    "cluster_id", "topic_id", "port", "member_id", "leader", "producer_id", "throttle_time", "session_id",
    "token_id", "hmac", "issue_timestamp", "expiry_timestamp", "max_timestamp",
}  # fmt: skip
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Requests to one broker, and which APIs they are there to show: `compare` looks whether each was called."""

    run: Callable[[Side], Iterator[Any]]
    apis: tuple[str, ...]

    @property
    def __name__(self) -> str:
        """What it is called in topics and groups."""
        return str(getattr(self.run, "__name__", "scenario"))

    def __call__(self, side: Side) -> Iterator[Any]:
        """Send the requests; yield the answers that count."""
        return self.run(side)

    def shows(self, version: int) -> set[tuple[str, int]]:
        """Return APIs and versions it shows: the first in that version, others in theirs if that is lower."""
        first, *others = self.apis
        return {(first, version), *((api, min(version, KAFKA_VERSIONS[ApiKey[api.upper()]].high)) for api in others)}


class Scenarios(list[Any]):
    """The scenarios of one test module, as parameters of its test."""

    def of(
        self, api: str, *versions: int, also: Sequence[str] = ()
    ) -> Callable[[Callable[[Side], Iterator[Any]]], Callable[[Side], Iterator[Any]]]:
        """Return a decorator that adds a scenario for all versions of an API, or those given.

        Args:
            api: what it shows.
            versions: all there are if left out.
            also: other APIs that it shows, in the same version or their highest, whichever is lower.
        """

        def register(run: Callable[[Side], Iterator[Any]]) -> Callable[[Side], Iterator[Any]]:
            scenario = Scenario(run, (api, *also))
            for version in versions or known_versions(api):
                self.append(pytest.param(scenario, version, id=f"{scenario.__name__}-v{version}"))
            return run

        return register

    def shown(self) -> set[tuple[str, int]]:
        """Return every API and version that one of the scenarios shows."""
        return {each for scenario, version in (param.values for param in self) for each in scenario.shows(version)}


@dataclass(slots=True)
class Side:
    """One broker as a scenario sees it: the fixture topic, a name of its own, and a connection that is kept open."""

    bootstrap: str
    topic: str
    topic_id: str
    own: str
    version: int
    connection: RawConnection | None = None
    last: str = ""  # the request sent last, for messages
    settled: int = 0  # topics made to wait for changes
    called: set[tuple[str, int]] = field(default_factory=set)
    """APIs and versions that the scenario has called so far."""

    def call(self, api: str, version: int | None = None, **fields: Any) -> Any:
        """Send a request, in the scenario's version unless told otherwise."""
        if self.connection is None:
            self.connection = RawConnection(self.bootstrap)
        version = self.noted(api, version)
        self.last = f"{api} v{version} {fields!r:.400}"
        answer = self.connection.call(api, version, **fields)
        if answer is CLOSED:
            self.close()
        return answer

    def noted(self, api: str, version: int | None) -> int:
        """Note that an API is called in a version, the scenario's where none is given; return it."""
        version = self.version if version is None else version
        self.called.add((api, version))
        return version

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self.connection is not None:
            self.connection.__exit__()
            self.connection = None

    def coordinates(self) -> bool:
        """Tell whether it coordinates groups of every partition of __consumer_offsets, and gives out producer ids."""
        groups = [f"warm-{number}" for number in range(20)]
        self.call("find_coordinator", 4, key_type=0, coordinator_keys=groups)
        answers = [self.call("heartbeat", 4, group_id=group, generation_id=1, member_id="nobody") for group in groups]
        producer = self.call("init_producer_id", 4, transactional_id=None, transaction_timeout=60000)
        transactions = self.call("find_coordinator", 3, key="warm", key_type=1)
        return {answer["error_code"] for answer in (*answers, producer, transactions)} == {"unknown_member_id", "none"}

    def create(self, partitions: int = 1, **configs: str) -> str:
        """Create the scenario's own topic, wait until it can be written to, and return its id."""
        settings = [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()]
        topic = {"name": self.own, "num_partitions": partitions, "replication_factor": 1, "configs": settings}
        answer = self.call("create_topics", 7, topics=[topic], timeout=10000)
        for partition in range(partitions):
            self.leads(partition)
        return str(answer["topics"][0]["topic_id"])

    def leads(self, partition: int) -> None:
        """Wait until a partition of the scenario's own topic can be used: Apache Kafka answers a change before."""
        asked = {"name": self.own, "partitions": [{"partition_index": partition, "timestamp": -1}]}

        def usable() -> bool:
            answer = self.call("list_offsets", 4, replica_id=-1, topics=[asked])
            return bool(answer["topics"][0]["partitions"][0]["error_code"] == "none")

        eventually(usable)

    def settle(self) -> None:
        """Wait until every change made so far can be seen.

        Changes are taken in order, several at a time, and a topic of such a lot can be used before all else of it is
        known. So what comes with the first topic, or before it, is seen for sure when the second can be used.
        """
        own = self.own
        for _ in range(2):
            self.settled += 1
            self.own = f"settled-{own}-{self.settled}"
            self.create()
        self.own = own

    def produce(
        self,
        batch: bytes,
        version: int = 9,
        topic: str | None = None,
        topic_id: str | None = None,
        partition: int = 0,
        acks: int = -1,
    ) -> Any:
        """Produce a batch to a partition of the topic both have, or of another one."""
        data = {
            "name": topic or self.topic,
            "topic_id": topic_id or self.topic_id,
            "partition_data": [{"index": partition, "records": batch}],
        }
        return self.call("produce", version, acks=acks, timeout=10000, topic_data=[data])

    def fetch(
        self,
        offset: int,
        partition: int = 0,
        topic: str | None = None,
        topic_id: str | None = None,
        epoch: int = -1,
        **fields: Any,
    ) -> Any:
        """Fetch from an offset of a partition of the topic both have, or of another one."""
        part = {
            "partition": partition,
            "fetch_offset": offset,
            "partition_max_bytes": 1 << 20,
            "current_leader_epoch": epoch,
        }
        asked = {"topic": topic or self.topic, "topic_id": topic_id or self.topic_id, "partitions": [part]}
        defaults = {"max_wait": 100, "min_bytes": 1, "max_bytes": 1 << 20, "session_epoch": -1, "replica_id": -1}
        return self.call("fetch", **(defaults | fields), topics=[asked])


def compare(sides: Sequence[Side], run: Callable[[Side], Iterator[Any]], version: int) -> None:
    """Run a scenario against ours and theirs, and fail with a line for each place where an answer differs."""
    own = f"{run.__name__.replace('_', '-')}-{next(_numbers)}"
    transcripts = []
    for side in sides:
        side.own, side.version = own, version
        side.called.clear()
        transcripts.append([(side.last, masked(answer)) for answer in run(side)])
    if isinstance(run, Scenario):
        missing = run.shows(version) - sides[0].called
        assert not missing, f"{run.__name__} says that it shows {missing}, and never called that"
    ours, theirs = transcripts
    assert len(ours) == len(theirs)
    different = []
    for number, ((request, mine), (_, real)) in enumerate(zip(ours, theirs, strict=True)):
        paths = list(differences(mine, real))
        if paths:
            different.append("\n    ".join((f"answer {number} to {request}", *paths)))
    if different:
        pytest.fail("\n".join(different), pytrace=False)


def masked(value: Any, name: str = "") -> Any:
    """Replace what must differ between two brokers, where it is set, by its field's name."""
    if isinstance(value, dict):
        return {key: masked(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    if name == "batch_index_error_message" and value:
        return re.sub(r"\[.*\]", "[<now>]", value)
    if name == "error_message" and value:
        return re.sub(r"Request\(.*\)", "Request(<itself>)", value)
    if name in _MASKED and value not in (None, "", 0, -1):
        return f"<{name}>"
    return value


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each place where two answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key, "absent"), theirs.get(key, "absent"), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (mine, real) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, real, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r:.300}, Apache Kafka: {theirs!r:.300}"
