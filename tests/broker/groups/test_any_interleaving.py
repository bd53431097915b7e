"""Any interleaving of requests, timeouts, failing disks and restarts keeps what a group promises its members.

A few processes join, sync, commit, fall silent and come back in whatever order hypothesis thinks of. The model
remembers only what they were told; what the coordinator may never do follows from that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kio.schema.errors import ErrorCode

from broker.groups.harness import OK, Coordination, TrimmedLog, errors, storage_error
from kopfka_broker.groups.group import State

GROUP = "g"
INSTANCES = (None, None, None, "s1", "s2")
PARTITIONS = [("orders", 0), ("bills", 1)]
processes = st.integers(0, len(INSTANCES) - 1)


@dataclass
class Process:
    """A client as it sees itself."""

    instance: str | None
    member_id: str = ""
    protocols: tuple[tuple[str, bytes], ...] = (("range", b"0"),)
    joined: Any = None
    join: asyncio.Task[Any] | None = None
    sync: asyncio.Task[Any] | None = None


@dataclass
class Commit:
    """A commit as who sent it knows of it."""

    offset: int
    task: asyncio.Task[Any]
    acknowledged: bool = False
    refused: bool = False


@dataclass
class Told:
    """What members of one life of the coordinator were told."""

    newest: int = 0
    assigners: dict[int, set[int]] = field(default_factory=dict)


class Interleaving(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.processes = [Process(instance) for instance in INSTANCES]
        self.commits: dict[tuple[str, int], list[Commit]] = {key: [] for key in PARTITIONS}
        self.tokens: dict[int, str] = {}
        self.told = Told()
        self.abandoned: list[asyncio.Task[Any]] = []
        self.counter = 0

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize(size=st.sampled_from([2, 100]))
    def start(self, size: int) -> None:
        self.it = self.run(Coordination.started(TrimmedLog(), max_size=size, initial_rebalance_delay_ms=1_000))
        self.it.core.compaction.least = 2

    def teardown(self) -> None:
        if hasattr(self, "it"):
            self.it.log.broken = None
            self.release(fails=False)
            self.run(self.it.pass_time(700_000))
            self.release(fails=False)
            self.run(self.it.pass_time(700_000))
            for process in self.processes:
                for task in (process.join, process.sync):
                    assert task is None or task.done(), "a request was never answered"
            assert all(task.done() for task in self.abandoned), "a request given up was never answered"
        self.loop.close()

    # ---- members

    @rule(
        number=processes, again=st.booleans(), protocols=st.sampled_from([("range",), ("range", "rr"), ("rr", "range")])
    )
    def join(self, number: int, again: bool, protocols: tuple[str, ...]) -> None:
        process = self.processes[number]
        if process.join is not None:
            if not again:
                return
            self.abandoned.append(process.join)  # it gave up waiting, and asks again
        process.protocols = tuple((name, b"m") for name in protocols)
        process.join = self._begin(
            self.it.join,
            process.member_id,
            protocols=process.protocols,
            group_instance_id=process.instance,
            rebalance_timeout=4_000,  # shorter than a session: a static member may miss a generation and stay a member
        )
        self._harvest()

    @rule(number=processes)
    def restart_process(self, number: int) -> None:
        process = self.processes[number]
        self.abandoned += [task for task in (process.join, process.sync) if task is not None]
        self.processes[number] = Process(process.instance)

    @rule(number=processes)
    def sync(self, number: int) -> None:
        process = self.processes[number]
        if process.joined is None or process.sync is not None:
            return
        joined, assignment = process.joined, {}
        if joined.leader == joined.member_id and not joined.skip_assignment:
            self.counter += 1
            token = f"{joined.generation_id}/{self.counter}"
            assignment = {member.member_id: f"{token}/{member.member_id}".encode() for member in joined.members}
        process.sync = self._begin(self.it.sync, joined, assignment, group_instance_id=process.instance)
        self._harvest()

    @rule(number=processes)
    def heartbeat(self, number: int) -> None:
        process = self.processes[number]
        if process.joined is not None:
            error = self.run(self.it.heartbeat(process.joined, group_instance_id=process.instance))
            if self._outdated(process):
                assert error is not OK, "a member of a past generation may not go on"
            if error in (ErrorCode.unknown_member_id, ErrorCode.fenced_instance_id):
                process.member_id, process.joined = "", None

    @rule(number=processes)
    def leave(self, number: int) -> None:
        process = self.processes[number]
        if process.member_id:
            self.run(self.it.leave((process.member_id, process.instance)))
            self._harvest()

    @precondition(lambda self: not self.it.log.held and not self.it.log.broken)
    @rule(numbers=st.sets(processes, min_size=1, max_size=3))
    def some_do_all_they_are_asked(self, numbers: set[int]) -> None:
        for _ in range(3):
            for number in numbers:
                self.heartbeat(number)
                if self.processes[number].joined is None or self.run(self._asked_to_join(number)):
                    self.join(number, again=False, protocols=("range",))
            self.time_passes(1_000)
            for number in numbers:
                self.sync(number)

    async def _asked_to_join(self, number: int) -> bool:
        process = self.processes[number]
        error = await self.it.heartbeat(process.joined, group_instance_id=process.instance)
        return error is not OK

    # ---- offsets

    @rule(number=processes, key=st.sampled_from(PARTITIONS))
    def commit(self, number: int, key: tuple[str, int]) -> None:
        process = self.processes[number]
        if process.joined is not None:
            outdated = self._outdated(process)
            commit = self._commit(key, joined=process.joined, group_instance_id=process.instance)
            if outdated:
                assert commit.refused, "a member of a past generation committed"

    @rule(key=st.sampled_from(PARTITIONS))
    def commit_without_membership(self, key: tuple[str, int]) -> None:
        group = self.it.core.membership.groups.get(GROUP)
        members = group is not None and bool(group.members)
        commit = self._commit(key)
        assert commit.refused or not members, "a stranger committed while the group has members"

    @rule()
    def fetch(self) -> None:
        found = self.run(self.it.committed(GROUP))
        for key, commits in self.commits.items():
            last = max((i for i, commit in enumerate(commits) if commit.acknowledged), default=-1)
            possible = [commit.offset for commit in commits[max(last, 0) :]] if commits else []
            offset = found.get(key)
            if offset is None:
                assert last == -1, f"{key}: an acknowledged commit is gone"
                continue
            assert offset in possible, f"{key}: {offset} read, {possible} possible"
            for commit in commits:
                if commit.offset == offset:
                    commit.acknowledged = True  # who has seen it may rely on it

    # ---- the world around

    @rule(milliseconds=st.sampled_from([0, 1_000, 4_000, 10_000, 31_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.run(self.it.pass_time(milliseconds))
        self._harvest()

    @precondition(lambda self: not self.it.log.held)
    @rule()
    def disk_is_slow(self) -> None:
        self.it.log.held = True

    @precondition(lambda self: self.it.log.held)
    @rule(fails=st.booleans())
    def release(self, fails: bool) -> None:
        self.it.log.held = False
        self.it.log.sync(storage_error() if fails else None)
        self._harvest()

    @rule()
    def disk_breaks_or_is_mended(self) -> None:
        self.it.log.broken = None if self.it.log.broken else storage_error()

    @rule()
    def broker_is_killed(self) -> None:
        tasks = [task for process in self.processes for task in (process.join, process.sync) if task is not None]
        for task in (*tasks, *self.abandoned, *self.it.core._settling, *self.it.core.compaction._running.values()):
            task.cancel()
        for commits in self.commits.values():
            for commit in commits:
                commit.task.cancel()
        self.run(self.it.settle())
        for process in self.processes:
            process.join = process.sync = None
        self.abandoned.clear()
        self.it = self.run(self.it.restarted())
        self.it.core.compaction.least = 2
        self.told = Told()
        self.fetch()

    # ---- what may never be

    @invariant()
    def group_is_sound(self) -> None:
        group = self.it.core.membership.groups.get(GROUP) if hasattr(self, "it") else None
        if group is None:
            return
        event(f"{group.state.value} with {len(group.members)} members")
        members, timers = set(group.members), self.it.core.timers
        assert (group.leader in members) if members else group.leader is None
        assert set(group.static_members.values()) == {
            m.member_id for m in group.members.values() if m.group_instance_id
        }
        assert group.awaiting_join.keys() | group.awaiting_sync.keys() | group.pending_sync <= members
        assert not group.pending_members & members
        counted = Counter(name for member in group.members.values() for name, _ in member.protocols)
        assert +group._supporters == counted
        match group.state:
            case State.EMPTY:
                assert not members
            case State.PREPARING_REBALANCE:
                assert ("join", GROUP) in timers
                assert not group.awaiting_sync
            case State.COMPLETING_REBALANCE:
                assert not group.awaiting_join
            case State.STABLE:
                assert not group.awaiting_sync
        for member_id in members | group.pending_members:
            waits = member_id in group.awaiting_join or member_id in group.awaiting_sync
            assert waits or ("session", GROUP, member_id) in timers, "a member that nobody waits for"

    def _harvest(self) -> None:
        """Let things run, and take note of every answer that came."""
        self.run(self.it.settle())
        for number, process in enumerate(self.processes):
            if process.join is not None and process.join.done():
                answer, process.join = process.join.result(), None
                self._on_joined(number, process, answer)
            if process.sync is not None and process.sync.done():
                answer, process.sync = process.sync.result(), None
                self._on_synced(process, answer)
        for commits in self.commits.values():
            for commit in commits:
                if commit.task.done() and not commit.task.cancelled():
                    (error,) = errors(commit.task.result())
                    commit.acknowledged |= error is OK
                    commit.refused = error is not OK

    def _on_joined(self, number: int, process: Process, answer: Any) -> None:
        process.joined = None
        match answer.error_code:
            case ErrorCode.none:
                process.member_id, process.joined = answer.member_id, answer
                told = self.told
                assert answer.generation_id >= told.newest, "a generation came back"
                told.newest = answer.generation_id
                if answer.leader == answer.member_id and not answer.skip_assignment:
                    told.assigners.setdefault(answer.generation_id, set()).add(number)
                    assert len(told.assigners[answer.generation_id]) == 1, "two members were told to assign"
            case ErrorCode.member_id_required:
                process.member_id = answer.member_id
            case ErrorCode.unknown_member_id | ErrorCode.fenced_instance_id | ErrorCode.group_max_size_reached:
                process.member_id = ""

    def _on_synced(self, process: Process, answer: Any) -> None:
        if answer.error_code is OK and process.joined is not None and answer.assignment:
            token, _, member_id = answer.assignment.decode().rpartition("/")
            generation = int(token.partition("/")[0])
            assert self.tokens.setdefault(generation, token) == token, "two assignments in one generation"
            if process.instance is None:
                assert member_id == process.member_id, "a member got another one's part"

    def _outdated(self, process: Process) -> bool:
        return process.joined is not None and process.joined.generation_id < self.told.newest

    def _begin(self, send: Any, *args: Any, **fields: Any) -> asyncio.Task[Any]:
        async def begin() -> asyncio.Task[Any]:
            return send(*args, **fields)

        return self.run(begin())

    def _commit(self, key: tuple[str, int], **fields: Any) -> Commit:
        self.counter += 1
        commit = Commit(self.counter, self._begin(self.it.commit, {key: self.counter}, **fields))
        self.commits[key].append(commit)
        self._harvest()
        self.fetch()
        return commit


Interleaving.TestCase.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_interleaving = pytest.mark.filterwarnings("ignore::RuntimeWarning")(Interleaving.TestCase)
