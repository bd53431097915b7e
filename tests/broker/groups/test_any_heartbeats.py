"""Any interleaving of heartbeats, silences, growing topics and restarts keeps what a consumer group promises.

A few consumers join, give up, take over, leave, fall silent and come back in whatever order hypothesis thinks of, while
the coordinator is killed now and then with answers on their way. What must hold is said from the consumers' side.
"""

from __future__ import annotations

import asyncio
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kio.schema.errors import ErrorCode

from broker.groups.consumers import SUBSCRIPTIONS, Consumer
from broker.groups.harness import Coordination, TrimmedLog

NUMBER = 4
SESSION_MS = 45_000
consumers = st.integers(0, NUMBER - 1)


class Heartbeats(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.consumers = [Consumer(f"m{number}", "s" if number == 0 else None) for number in range(NUMBER)]
        self.lost: list[asyncio.Task[Any]] = []
        self.epoch = 0

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize(interval=st.sampled_from([0, 1_000]))
    def start(self, interval: int) -> None:
        self.it = self.run(Coordination.started(TrimmedLog()))
        self.it.core.compaction.least = 5
        self.interval = interval
        self._configure()

    def _configure(self) -> None:
        self.it.cluster.group_configs["g", "consumer.assignment.interval.ms"] = self.interval

    def teardown(self) -> None:
        if hasattr(self, "it"):
            self._settles()
        for task in self.lost:
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    # ---- what happens

    @rule(
        number=consumers, subscription=st.sampled_from(list(SUBSCRIPTIONS)), assignor=st.sampled_from(["range", None])
    )
    def subscribe(self, number: int, subscription: str, assignor: str | None) -> None:
        self.consumers[number].subscription, self.consumers[number].assignor = subscription, assignor

    @rule(number=consumers)
    def beat(self, number: int) -> None:
        consumer = self.consumers[number]
        if consumer.epoch == 0:
            consumer.owned.clear()
        self.run(consumer.beat(self.it))
        self.run(self.it.settle())

    @rule(number=consumers)
    def obey(self, number: int) -> None:
        self.consumers[number].obey()

    @rule(number=consumers)
    def leave(self, number: int) -> None:
        if self.consumers[number].epoch > 0:
            self.run(self.consumers[number].leave(self.it))

    @rule(member=st.sampled_from(["m0", "m0-again"]))
    def come_back_under_another_id(self, member: str) -> None:
        consumer = self.consumers[0]
        if consumer.epoch > 0 and consumer.member_id != member:
            self.run(consumer.leave(self.it, -2))
            consumer.member_id = member
            self.run(consumer.beat(self.it))

    @rule(milliseconds=st.sampled_from([500, 20_000, SESSION_MS + 1]))
    def pass_time(self, milliseconds: int) -> None:
        self.run(self.it.pass_time(milliseconds))

    @rule(topic=st.sampled_from(["orders", "bills"]))
    def grow(self, topic: str) -> None:
        if self.it.cluster.topics[topic] < 6:
            self.it.cluster.topics[topic] += 1
            self.it.coordinator.topics_changed([topic])

    @rule()
    def make_anew(self) -> None:
        self.it.cluster.versions["bills"] = self.it.cluster.versions.get("bills", 0) + 1
        self.it.coordinator.topics_changed(["bills"], created=True)

    @rule(numbers=st.sets(consumers))
    def restart(self, numbers: set[int]) -> None:
        """Kill the coordinator while heartbeats wait for the disk: their senders never hear of it."""
        self.it.log.held = True
        for number in sorted(numbers):
            consumer = self.consumers[number]
            if consumer.epoch > 0:
                self.lost.append(self.loop.create_task(Consumer(**vars(consumer) | {"epochs": []}).beat(self.it)))
        self.run(self.it.settle())
        versions, before = self.it.cluster.versions, self.it
        self.it = self.run(before.restarted())
        self.it.cluster.versions, self.it.core.compaction.least = versions, 5
        self._configure()
        group = self.it.core.modern.groups.get("g")
        self.epoch = group.epoch if group else 0
        event("restarted")

    # ---- what must hold

    def _members(self) -> list[Consumer]:
        """Return the consumers that are members for the coordinator too, in an epoch it would take."""
        group = self.it.core.modern.groups.get("g")
        members = group.members if group else {}
        return [each for each in self.consumers if each.epoch > 0 and each.member_id in members]

    @invariant()
    def no_partition_has_two_owners(self) -> None:
        if hasattr(self, "it"):
            for one, other in combinations(self._members(), 2):
                assert not one.owned & other.owned, f"{one} and {other}"

    @invariant()
    def epochs_only_grow(self) -> None:
        group = self.it.core.modern.groups.get("g") if hasattr(self, "it") else None
        if group is not None:
            assert group.epoch >= self.epoch
            assert group.assignment_epoch <= group.epoch
            self.epoch = group.epoch
        for consumer in self.consumers:
            assert consumer.epochs == sorted(consumer.epochs)

    @invariant()
    def the_log_says_what_memory_says(self) -> None:
        if not hasattr(self, "it"):
            return
        again = self.run(self.it.restarted())
        ours, theirs = self.it.core.modern.groups.get("g"), again.core.modern.groups.get("g")
        assert (ours is None) == (theirs is None)
        for name in ("epoch", "assignment_epoch", "members", "targets", "regexes", "static_members", "_owners"):
            assert getattr(ours, name, None) == getattr(theirs, name, None), name

    def _settles(self) -> None:
        """Everyone goes on sending heartbeats: soon every partition has one owner."""
        for _ in range(30):
            for consumer in self.consumers:
                answer = self.run(consumer.beat(self.it))
                if answer.error_code is ErrorCode.unreleased_instance_id:
                    self.run(self.it.pass_time(SESSION_MS + 1))
                consumer.obey()
            self.run(self.it.pass_time(1_001))
            self.no_partition_has_two_owners()
            self.epochs_only_grow()
        group = self.it.core.modern.groups["g"]
        assert group.state == "Stable", {one: (each.state, each.epoch) for one, each in group.members.items()}
        topics = group.subscribed_topics()
        wanted = {
            (self.it.cluster.id_of(name), number) for name in topics for number in range(self.it.cluster.topics[name])
        }
        owned = [key for consumer in self.consumers for key in consumer.owned]
        assert sorted(owned) == sorted(wanted)


Heartbeats.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyHeartbeats = Heartbeats.TestCase
