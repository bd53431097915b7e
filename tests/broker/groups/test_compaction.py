"""A partition that holds mostly what no longer counts is written anew, and nothing is lost by that."""

from __future__ import annotations

import pytest

from broker.groups.harness import OK, Coordination, Log, TrimmedLog, errors, storage_error
from kopfka_broker.groups import OffsetsRecord


async def busy(log: Log, commits: int) -> Coordination:
    """Return a coordinator with a member that committed often."""
    it = await Coordination.started(log)
    (joined,) = await it.stable(session_timeout=60_000)
    await it.commit({("bills", 1): (42, "kept")}, joined=joined)
    for number in range(commits):
        assert errors(await it.commit({("orders", 0): number}, joined=joined)) == [OK]
    await it.settle()
    return it


async def test_a_restart_reads_little_after_many_commits() -> None:
    log = TrimmedLog()
    it = await busy(log, 5_000)
    partition = it.core.partition("g")
    assert len(log.partitions[partition]) > 5_000
    assert len(list(log.read_all(partition))) < 1_100
    after = await it.restarted()
    assert await after.committed() == {("bills", 1): 42, ("orders", 0): 4_999}
    (member,) = after.core.membership.groups["g"].members.values()
    assert member.assignment == b"part of " + member.member_id.encode()


async def test_what_is_written_again_costs_a_part_of_what_is_written() -> None:
    log = TrimmedLog()
    it = await Coordination.started(log)
    it.cluster.topics["wide"] = 500
    for number in range(40):
        await it.commit({("wide", index): number for index in range(500)})
    await it.settle()
    written = len(log.partitions[it.core.partition("g")])
    assert 20_000 < written <= 20_000 * 5 / 4 + 500


async def test_a_log_that_cannot_be_trimmed_is_left_alone() -> None:
    log = Log()
    it = await busy(log, 2_000)
    assert len(list(log.read_all(it.core.partition("g")))) == 2_000 + 3


async def test_nothing_is_trimmed_before_what_stands_for_it_is_durable() -> None:
    log = TrimmedLog()
    it = await busy(log, 900)
    partition = it.core.partition("g")
    it.core.compaction.least = 10
    assert errors(await it.commit({("orders", 0): 900})) != [OK]  # refused: nothing is written, nothing happens
    log.held = True
    commit = it.commit({("orders", 1): 1}, group="h")
    await it.settle()
    log.sync()
    await commit
    await it.settle()
    log.held = False
    joined = next(iter(it.core.membership.groups["g"].members))
    log.held = True
    commit = it.commit({("orders", 0): 901}, member_id=joined, generation_id_or_member_epoch=1)
    await it.settle()
    log.sync()
    assert errors(await commit) == [OK]
    await it.settle()
    assert log.starts.get(partition, 0) == 0  # written anew, but waiting for the disk
    assert await (await it.restarted()).committed() == {("bills", 1): 42, ("orders", 0): 901}
    log.sync()
    await it.settle()
    assert log.starts[partition] > 0
    assert await (await it.restarted()).committed() == {("bills", 1): 42, ("orders", 0): 901}


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_disk_that_fails_meanwhile_costs_nothing(at_once: bool) -> None:
    log = TrimmedLog()
    it = await busy(log, 500)
    partition = it.core.partition("g")
    it.core.compaction.least = 10
    log.broken, log.held = storage_error() if at_once else None, True
    it.core.compaction.consider(partition)
    await it.settle()
    log.sync(storage_error())
    await it.settle()
    assert log.starts.get(partition, 0) == 0
    log.broken, log.held = None, False
    it.core.compaction.consider(partition)
    await it.settle()
    assert log.starts[partition] > 0
    assert await (await it.restarted()).committed() == {("bills", 1): 42, ("orders", 0): 499}


async def test_records_of_other_kinds_are_kept() -> None:
    first = await Coordination.started(TrimmedLog())
    partition = first.core.partition("g")
    foreign = OffsetsRecord(b"\0\3\0\1g", b"a group of another kind")
    broken = OffsetsRecord(b"\0\1", b"?")
    first.log.partitions[partition] = [foreign, broken]
    it = await Coordination.started(first.log)
    it.core.compaction.least = 3
    for number in range(20):
        await it.commit({("orders", 0): number})
        await it.settle()
    kept = list(it.log.read_all(partition))
    assert it.log.starts[partition] > 0
    assert foreign in kept
    assert broken in kept
