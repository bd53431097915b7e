"""Any sequence of writes, transactions, cleanings and kills at any step of a cleaning: readers find the same state.

The model is a dictionary: what a reader of committed records who starts at the beginning must come to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_broker.storage.cleaning import cleaner, files, work
from kopfka_wire.batches import split_batches, verify_crc
from kopfka_wire.records import Record, decode_batch, encode_batch
from support.storage import NOW, close_descriptors, crash, new_log, open_manager

CONFIG = {
    "cleanup.policy": "compact", "segment.bytes": "600", "index.interval.bytes": "100",
    "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "50",
}  # fmt: skip
PRODUCERS = 3


class KilledError(BaseException):
    """The process ends here."""


class Killer:
    """Ends the process at one of the operations on files that a cleaning or a start makes."""

    def __init__(self, patch):
        self.left = None
        for owner, name in (
            (Path, "rename"), (Path, "replace"), (Path, "unlink"), (os, "write"), (os, "utime"), (os, "pwrite"),
            (files, "sync_data"), (files, "sync_directory"), (work, "sync_directory"), (cleaner, "write_offsets"),
        ):  # fmt: skip
            patch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, call):
        def wrapped(*args, **kwargs):
            if self.left is not None:
                if self.left == 0:
                    raise KilledError
                self.left -= 1
            return call(*args, **kwargs)

        return wrapped

    @contextlib.contextmanager
    def after(self, operations):
        """Run the block, and end it before the operation of that number; yields what tells whether that happened."""
        ended = []
        self.left = operations
        try:
            yield ended
        except KilledError:
            ended.append(True)
        finally:
            self.left = None


keys = st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"])
values = st.none() | st.integers(0, 10**6).map(lambda number: b"%d " % number + b"." * 60)
pairs = st.lists(st.tuples(keys, values), min_size=1, max_size=4)
steps = st.one_of(
    st.tuples(st.just("put"), pairs, st.integers(0, 4)),
    st.tuples(st.just("transaction"), pairs, st.integers(0, PRODUCERS - 1)),
    st.tuples(st.just("end"), st.integers(0, PRODUCERS - 1), st.booleans()),
    st.tuples(st.just("fill"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("clean"), st.none() | st.integers(0, 60), st.none() | st.integers(0, 12)),
    st.tuples(st.just("wait"), st.integers(1, 60), st.just(0)),
    st.tuples(st.just("delete"), st.floats(0, 1), st.just(0)),
)


class Run:
    """A log, and the model of it."""

    def __init__(self, folder, killer):
        self.now = NOW
        self.folder = folder
        self.killer = killer
        self.committed = {}
        self.open = {}
        self.sequences = [0] * PRODUCERS
        self.written = {}
        self.manager = open_manager(folder, clock=lambda: self.now)
        self.log = new_log(self.manager, config=CONFIG)

    def append(self, pairs, codec=0, **fields):
        batch = encode_batch([Record(0, self.now, key, value) for key, value in pairs], compression=codec, **fields)
        verified = None
        if fields and self.log.producers.open_transaction(fields["producer_id"]) is None:
            verified = self.log.producers.begin_verification(
                fields["producer_id"], 0, fields["base_sequence"], self.now, bumps_epoch=False
            )
        appended = self.log.append(batch, self.now, verified=verified)
        for index, (key, value) in enumerate(pairs):
            self.written[appended.first_offset + index] = (key, value)

    def put(self, pairs, codec):
        self.append(pairs, codec)
        self.apply(pairs)

    def apply(self, pairs):
        for key, value in pairs:
            if value is None:
                self.committed.pop(key, None)
            else:
                self.committed[key] = value

    def transaction(self, pairs, producer):
        # a key of one writer, as with Kafka's own transactional stores: else who is last depends on who looks
        pairs = [(b"%d-%s" % (producer, key), value) for key, value in pairs]
        sequence = self.sequences[producer]
        self.append(pairs, producer_id=producer, producer_epoch=0, base_sequence=sequence, transactional=True)
        self.sequences[producer] += len(pairs)
        self.open.setdefault(producer, []).extend(pairs)

    def end(self, producer, commit):
        pairs = self.open.pop(producer, [])
        self.log.append_marker(producer, 0, commit=commit, coordinator_epoch=0, now_ms=self.now)
        if commit:
            self.apply(pairs)

    def fill(self, count, _):
        for number in range(count):
            self.put([(b"filler-%d" % (number % 3), b"f" * 80)], 0)

    def wait(self, milliseconds, _):
        self.now += milliseconds

    def delete(self, share, _):
        """Delete the oldest records where that changes nothing that counts: those that the model has forgotten."""
        offsets = [record.offset for record in self.visible() if self.committed.get(record.key) == record.value]
        limit = min([*offsets, self.log.last_stable_offset])
        self.log.delete_records(max(self.log.log_start_offset, int(limit * share)))
        self.manager.apply_retention()

    def clean(self, kill_after, kill_again_after):
        with self.killer.after(kill_after) as killed:
            self.manager.cleaner.clean_now()
        if killed:
            crash(self.manager)
            with self.killer.after(kill_again_after) as again:
                self.manager = open_manager(self.folder, clock=lambda: self.now)
            if again:
                close_descriptors()
                self.manager = open_manager(self.folder, clock=lambda: self.now)
            self.log = self.manager.topics["t"].partitions[0]

    def visible(self):
        """Give the records of no transaction that is open or was aborted, by the log's own index."""
        aborted = self.log.aborted_transactions(0, self.log.log_end_offset)
        offset = self.log.log_start_offset
        while data := self.log.read(offset, 1 << 20):
            for position, header in split_batches(data):
                verify_crc(data, position, header)
                assert header.last_offset >= offset
                start, offset = offset, header.next_offset
                first = self.log.producers.open_transaction(header.producer_id) if header.is_transactional else None
                hidden = header.is_transactional and any(
                    each.producer_id == header.producer_id
                    and each.first_offset <= header.base_offset <= each.last_offset
                    for each in aborted
                )
                if header.is_control or hidden or (first is not None and header.base_offset >= first):
                    continue
                yield from (record for record in decode_batch(data, position) if record.offset >= start)
        assert offset == self.log.log_end_offset

    def check(self):
        state = {}
        for record in self.visible():
            assert (record.key, record.value) == self.written[record.offset]
            if record.value is None:
                state.pop(record.key, None)
            else:
                state[record.key] = record.value
        assert state == self.committed
        names = [path.name for path in self.log.directory.iterdir()]
        assert not [name for name in names if name.endswith((".swap", ".cleaned"))]


@pytest.fixture(scope="module")
def killer():
    with pytest.MonkeyPatch.context() as patch:
        yield Killer(patch)


@settings(max_examples=40, deadline=None)
@given(plan=st.lists(steps, min_size=3, max_size=25))
def test_the_last_value_of_each_key_is_there_after_any_kill(killer, plan):
    folder = Path(tempfile.mkdtemp())
    try:
        run = Run(folder / "data", killer)
        for name, first, second in plan:
            getattr(run, name)(first, second)
            run.check()
        run.clean(None, None)
        run.check()
        crash(run.manager)
    finally:
        close_descriptors()
        shutil.rmtree(folder)


@pytest.mark.parametrize("kill_after", range(45))
def test_every_step_of_one_cleaning(killer, tmp_path, kill_after):
    run = Run(tmp_path / "data", killer)
    run.fill(9, 0)
    run.transaction([(b"a", b"x"), (b"b", b"y")], 0)
    run.fill(9, 0)
    run.end(0, commit=kill_after % 2 == 0)
    run.fill(20, 0)
    run.clean(kill_after, None)
    run.check()
    run.clean(kill_after // 2, kill_after % 5)
    run.check()
    run.clean(None, None)
    run.check()
