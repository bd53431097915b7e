"""Any interleaving of transactions of many producers, with crashes anywhere, against a list of what was written."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kopfka_broker.storage import LogConfig
from kopfka_broker.storage.transactions import AbortedTransaction
from support.storage import (
    NOW,
    append_in_transaction,
    batch,
    committed_records,
    crash,
    log_files,
    open_manager,
    values_of,
)

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=120, segment_index_bytes=120, file_delete_delay_ms=0)
PRODUCERS = st.integers(1, 4)


@dataclass(frozen=True)
class Written:
    """One append: what `producer` wrote (None: outside of any transaction), or how its transaction ended."""

    first: int
    last: int
    producer: int | None
    epoch: int = 0
    commit: bool | None = None


class Model:
    """What readers are to see after some appends."""

    def __init__(self, written: list[Written]) -> None:
        self.end = 0
        self.open: dict[int, int] = {}
        self.aborted: list[AbortedTransaction] = []
        self.epochs: dict[int, int] = {}
        self.sequences: dict[int, int] = {}
        values: dict[int, int | None] = {}
        for each in written:
            self.end = each.last + 1
            producer = each.producer
            if producer is None:
                values |= dict.fromkeys(range(each.first, each.last + 1))
                continue
            if each.epoch != self.epochs.get(producer):
                self.sequences[producer] = 0
            self.epochs[producer] = each.epoch
            if each.commit is None:
                self.open.setdefault(producer, each.first)
                self.sequences[producer] += each.last + 1 - each.first
                values |= dict.fromkeys(range(each.first, each.last + 1), producer)
                continue
            first = self.open.pop(producer, None)
            if first is not None and not each.commit:
                stable = min(self.open.values(), default=each.first + 1)
                self.aborted.append(AbortedTransaction(producer, first, each.first, stable))
                for offset in [at for at, owner in values.items() if owner == producer and at >= first]:
                    del values[offset]
        self.stable = min(self.open.values(), default=self.end)
        self.committed = sorted(offset for offset in values if offset < self.stable)


class TransactionMachine(RuleBasedStateMachine):
    """One partition. A record's value is its offset, so nothing else needs to be remembered."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("kopfka_broker").setLevel(logging.CRITICAL)
        self.folder = Path(tempfile.mkdtemp())
        self.written: list[Written] = []
        self.model = Model([])
        self.start = 0
        self.coordinator = 0

    def teardown(self) -> None:
        crash(self.manager)
        shutil.rmtree(self.folder)
        logging.getLogger("kopfka_broker").setLevel(logging.NOTSET)

    @initialize()
    def create(self) -> None:
        self.manager = open_manager(self.folder / "data", CONFIG)
        self.log = self.manager.create_topic("t", 1, {}, CONFIG).partitions[0]

    def reopen(self) -> None:
        self.manager = open_manager(self.folder / "data", CONFIG)
        self.log = self.manager.topics["t"].partitions[0]

    def values(self, count: int) -> list[bytes]:
        return [b"%d" % (self.model.end + index) for index in range(count)]

    def wrote(self, *entry: object) -> None:
        self.written.append(Written(*entry))
        self.model = Model(self.written)

    @rule(count=st.integers(1, 3))
    def outside_of_any(self, count: int) -> None:
        done = self.log.append(batch(*self.values(count)), NOW)
        self.wrote(done.first_offset, done.last_offset, None)

    @rule(producer=PRODUCERS, count=st.integers(1, 3))
    def in_transaction(self, producer: int, count: int) -> None:
        epoch, sequence = self.model.epochs.get(producer, 0), self.model.sequences.get(producer, 0)
        done = append_in_transaction(self.log, *self.values(count), producer=producer, sequence=sequence, epoch=epoch)
        self.wrote(done.first_offset, done.last_offset, producer, epoch)

    @rule(producer=PRODUCERS, commit=st.booleans(), version=st.sampled_from([0, 2]), fail_over=st.booleans())
    def marker(self, producer: int, commit: bool, version: int, fail_over: bool) -> None:
        self.coordinator += fail_over
        epoch = self.model.epochs.get(producer, 0) + (version == 2)
        done = self.log.append_marker(
            producer, epoch, commit=commit, coordinator_epoch=self.coordinator, now_ms=NOW, transaction_version=version
        )
        self.wrote(done.first_offset, done.last_offset, producer, epoch, commit)

    @rule()
    def checkpoint(self) -> None:
        self.manager.save_checkpoints()

    @rule()
    def snapshot(self) -> None:
        self.log.snapshots.save(self.log)

    @rule()
    def sync(self) -> None:
        assert self.manager._disk.flusher.flush_now(self.log.durability) is None

    @rule()
    def memory_is_wanted_elsewhere(self) -> None:
        self.log.aborted.release()

    @rule(share=st.floats(0, 1))
    def delete_records(self, share: float) -> None:
        self.start = self.log.delete_records(self.start + int((self.model.end - self.start) * share))
        self.manager.apply_retention()

    @rule()
    def restart(self) -> None:
        asyncio.run(self.manager.close())
        self.reopen()

    @rule(system=st.booleans())
    def killed(self, system: bool) -> None:
        crash(self.manager, system=system)
        self.reopen()

    @precondition(lambda self: self.model.open)
    @rule(data=st.data())
    def killed_before_an_abort_was_written(self, data: st.DataObject) -> None:
        producer = data.draw(st.sampled_from(sorted(self.model.open)))
        entry = AbortedTransaction(producer, self.model.open[producer], self.model.end, self.model.end + 1)
        self.log.aborted.add(self.log.active.base_offset, entry)
        crash(self.manager)
        self.reopen()

    @rule(share=st.floats(0, 1), lost=st.sampled_from(["nothing", ".txnindex", ".snapshot", ".index"]))
    def the_machine_loses_what_was_not_synced(self, share: float, lost: str) -> None:
        # records below the log start offset are not wanted back: whether they are there is another test's business
        active, synced = self.log.active, max(self.log.recovery_point, self.start)
        crash(self.manager, system=True)
        if active.size and synced >= active.base_offset:
            least = 0
            if synced > active.base_offset:  # the batch with the last record that must stay is whole
                least = active.position_of(synced - 1)
                least += active.header_at(least).size
            os.truncate(active.file.path, least + int((active.size - least) * share))
        # nothing of what recovery makes of the files that were not synced may be needed
        for path in log_files(self.log, lost)[-1:] if lost != ".snapshot" or not self.start else []:
            if int(path.stem) >= active.base_offset and active.base_offset <= synced:
                path.unlink()
        self.reopen()
        self.written = [each for each in self.written if each.last < self.log.log_end_offset]
        self.model = Model(self.written)
        assert self.model.end == self.log.log_end_offset >= synced

    @invariant()
    def readers_see_what_they_should(self) -> None:
        if not hasattr(self, "log"):
            return
        log, model = self.log, self.model
        assert log.log_end_offset == log.high_watermark == model.end
        assert log.last_stable_offset == max(model.stable, log.log_start_offset)
        assert model.open == {each: log.producers.open_transaction(each) for each in model.open}
        wanted = [offset for offset in model.committed if offset >= log.log_start_offset]
        assert [record.offset for record in committed_records(log, max_bytes=200)] == wanted
        assert [int(record.value or b"-1") for record in committed_records(log)] == wanted

    @rule(begin=st.floats(0, 1), length=st.integers(1, 30))
    def aborted_transactions_of_any_range(self, begin: float, length: int) -> None:
        log = self.log
        first = log.log_start_offset + int((log.log_end_offset - log.log_start_offset) * begin)
        wanted = [
            each for each in self.model.aborted if each.last_offset >= first and each.first_offset < first + length
        ]
        assert log.aborted_transactions(first, first + length) == wanted

    @rule()
    def everything_can_be_read(self) -> None:
        assert len(values_of(self.log)) == self.model.end - self.log.log_start_offset


TransactionMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestTransactions = TransactionMachine.TestCase
