"""Any interleaving of heartbeats, silences and restarts keeps what a streams group promises: one owner a task."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kio.schema.errors import ErrorCode
from kio.schema.streams_group_heartbeat.v0.request import Subtopology, TaskIds, Topology

from broker.groups.harness import Coordination, TrimmedLog
from kopfka_wire.apis import ApiKey

ROLES = ("active_tasks", "standby_tasks", "warmup_tasks")
TOPOLOGY = Topology(
    epoch=0,
    subtopologies=(
        Subtopology(
            subtopology_id="0", source_topics=("orders", "bills"), source_topic_regex=(), state_changelog_topics=(),
            repartition_sink_topics=(), repartition_source_topics=(), copartition_groups=(),
        ),
    ),
)  # fmt: skip
TASKS = {("0", number) for number in range(4)}
members = st.integers(0, 3)


@dataclass
class Thread:
    """One stream thread: what it was told, and what it works on."""

    member_id: str
    process_id: str
    epoch: int = 0
    told: dict[str, set[tuple[str, int]]] = field(default_factory=lambda: {role: set() for role in ROLES})
    owned: dict[str, set[tuple[str, int]]] = field(default_factory=lambda: {role: set() for role in ROLES})

    async def beat(self, it: Coordination) -> Any:
        joins = self.epoch == 0
        tasks = {
            role: tuple(TaskIds(subtopology_id=name, partitions=(number,)) for name, number in sorted(self.owned[role]))
            for role in ROLES
        }
        answer = await it.call(
            ApiKey.STREAMS_GROUP_HEARTBEAT, 0, group_id="g", member_id=self.member_id, member_epoch=self.epoch,
            endpoint_information_epoch=-1, instance_id=None, rack_id=None, rebalance_timeout=30_000 if joins else -1,
            topology=TOPOLOGY if joins else None, process_id=self.process_id if joins else None, user_endpoint=None,
            client_tags=() if joins else None, task_offsets=None, task_end_offsets=None, shutdown_application=False,
            **tasks,
        )  # fmt: skip
        if answer.error_code in (ErrorCode.fenced_member_epoch, ErrorCode.unknown_member_id):
            self.forget()
        if answer.error_code is ErrorCode.none:
            self.epoch = answer.member_epoch
            if answer.active_tasks is not None:
                for role in ROLES:
                    parts = getattr(answer, role)
                    self.told[role] = {(part.subtopology_id, number) for part in parts for number in part.partitions}
        return answer

    def forget(self) -> None:
        self.epoch = 0
        for role in ROLES:
            self.told[role], self.owned[role] = set(), set()

    def obey(self) -> None:
        self.owned = {role: set(tasks) for role, tasks in self.told.items()}


class Heartbeats(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.threads = [Thread(f"m{number}", f"p{number // 2}") for number in range(4)]

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize(delay=st.sampled_from([0, 3_000]))
    def start(self, delay: int) -> None:
        self.it = self.run(Coordination.started(TrimmedLog()))
        self.it.core.compaction.least = 5
        self.configs = {("g", "streams.initial.rebalance.delay.ms"): delay}
        self.it.cluster.group_configs = self.configs

    def teardown(self) -> None:
        if hasattr(self, "it"):
            for _ in range(30):
                for thread in self.threads:
                    self.run(thread.beat(self.it))
                    thread.obey()
                self.run(self.it.pass_time(3_001))
                self.no_task_is_worked_on_twice()
            assert self.it.core.modern.groups["g"].state == "Stable"
            assert sorted(task for each in self.threads for task in each.owned["active_tasks"]) == sorted(TASKS)
        self.loop.close()

    @rule(number=members)
    def beat(self, number: int) -> None:
        self.run(self.threads[number].beat(self.it))

    @rule(number=members)
    def obey(self, number: int) -> None:
        self.threads[number].obey()

    @rule(milliseconds=st.sampled_from([500, 3_001, 20_000, 45_001]))
    def pass_time(self, milliseconds: int) -> None:
        self.run(self.it.pass_time(milliseconds))

    @rule(replicas=st.integers(0, 1))
    def want_standbys(self, replicas: int) -> None:
        self.configs["g", "streams.num.standby.replicas"] = replicas

    @rule()
    def restart(self) -> None:
        self.it = self.run(self.it.restarted())
        self.it.core.compaction.least = 5
        self.it.cluster.group_configs = self.configs

    @invariant()
    def no_task_is_worked_on_twice(self) -> None:
        group = self.it.core.modern.groups.get("g") if hasattr(self, "it") else None
        alive = [each for each in self.threads if group and each.epoch > 0 and each.member_id in group.members]
        for one, other in combinations(alive, 2):
            assert not one.owned["active_tasks"] & other.owned["active_tasks"]

    @invariant()
    def the_log_says_what_memory_says(self) -> None:
        if hasattr(self, "it"):
            again = self.run(self.it.restarted())
            ours, theirs = self.it.core.modern.groups.get("g"), again.core.modern.groups.get("g")
            for name in ("epoch", "assignment_epoch", "members", "targets", "topology", "assignment_configs"):
                assert getattr(ours, name, None) == getattr(theirs, name, None), name


Heartbeats.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyStreamsHeartbeats = Heartbeats.TestCase
