"""Any order of appends, rolls, retention, syncs, crashes and clean restarts, against a list of what was written."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kopfka_broker.storage import LogConfig, OffsetOutOfRangeError
from support.storage import NOW, batch, crash, log_files, open_manager, records_of

CONFIG = LogConfig(
    segment_bytes=900, index_interval_bytes=150, segment_index_bytes=120, retention_ms=5000, file_delete_delay_ms=1000
)


class LogMachine(RuleBasedStateMachine):
    """One partition and its model: values by offset, from the first that must be there."""

    def __init__(self):
        super().__init__()
        logging.getLogger("kopfka_broker").setLevel(logging.CRITICAL)  # thousands of recoveries
        self.folder = Path(tempfile.mkdtemp())
        self.now = NOW
        self.values: list[tuple[bytes, int]] = []
        self.start = 0
        self.sequence = 0
        self.sent: list[tuple[bytes, int, int]] = []

    def teardown(self):
        crash(self.manager)
        shutil.rmtree(self.folder)
        logging.getLogger("kopfka_broker").setLevel(logging.NOTSET)

    @initialize()
    def open(self):
        self.manager = open_manager(self.folder / "data", CONFIG, lambda: self.now)
        self.log = self.manager.create_topic("t", 1, {}, CONFIG).partitions[0]

    def reopen(self):
        self.manager = open_manager(self.folder / "data", CONFIG, lambda: self.now)
        self.log = self.manager.topics["t"].partitions[0]

    @rule(count=st.integers(1, 5), size=st.integers(0, 60), late=st.integers(0, 300))
    def append(self, count, size, late):
        values = [b"%d:" % (len(self.values) + index) + b"x" * size for index in range(count)]
        data = batch(*values, timestamp=self.now - late, producer=9, sequence=self.sequence)
        done = self.log.append(data, self.now)
        assert (done.first_offset, done.last_offset) == (len(self.values), len(self.values) + count - 1)
        self.sent = [*self.sent[-4:], (data, done.first_offset, done.last_offset)]
        self.sequence += count
        self.values += [(value, self.now - late + index) for index, value in enumerate(values)]

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 4))
    def retry(self, pick):
        data, first, last = self.sent[pick % len(self.sent)]
        done = self.log.append(data, self.now)
        assert (done.first_offset, done.last_offset) == (first, last)

    @rule(ms=st.integers(0, 3000))
    def time_passes(self, ms):
        self.now += ms
        self.manager.apply_retention()
        wanted = [offset for offset, (_, time) in enumerate(self.values) if self.now - time <= CONFIG.retention_ms]
        assert self.start <= self.log.log_start_offset <= max(self.start, min(wanted, default=len(self.values)))
        self.start = self.log.log_start_offset

    @rule(share=st.floats(0, 1))
    def delete_records(self, share):
        target = self.start + int((len(self.values) - self.start) * share)
        assert self.log.delete_records(target) == target
        self.start = target

    @rule()
    def sync(self):
        assert self.manager._disk.flusher.flush_now(self.log.durability) is None
        assert self.log.recovery_point == len(self.values)

    @rule()
    def checkpoint(self):
        self.manager.save_checkpoints()

    @rule()
    def restart(self):
        asyncio.run(self.manager.close())
        self.sent = self.sent[-1:]  # a snapshot holds the last batch of a producer, as Apache Kafka's does
        self.reopen()

    @rule(system=st.booleans())
    def killed(self, system):
        crash(self.manager, system=system)
        self.sent = self.sent[-1:]
        self.reopen()

    @rule(torn=st.binary(min_size=1, max_size=80), system=st.booleans())
    def killed_while_writing(self, torn, system):
        crash(self.manager, system=system)
        self.sent = self.sent[-1:]
        for file in log_files(self.log)[-1:]:
            with file.open("ab") as end:
                end.write(batch(b"never acknowledged" * 10)[: len(torn)])
        self.reopen()

    @invariant()
    def everything_is_there(self):
        if not hasattr(self, "log"):
            return
        assert self.log.log_end_offset == len(self.values)
        assert self.start <= self.log.log_start_offset <= len(self.values)
        assert self.log.recovery_point <= self.log.log_end_offset
        first = self.log.log_start_offset
        found = records_of(self.log, max_bytes=300)
        assert [(record.value, record.timestamp) for record in found] == self.values[first:]
        assert [record.offset for record in found] == list(range(first, len(self.values)))

    @rule(share=st.floats(0, 1))
    def read_from_anywhere(self, share):
        first, end = self.log.log_start_offset, self.log.log_end_offset
        offset = first + int((end - first) * share)
        if offset < end:
            assert records_of(self.log, offset, 200)[0].value == self.values[offset][0]
        with pytest.raises(OffsetOutOfRangeError):
            self.log.read(end + 1, 100)

    @rule(ms=st.integers(-6000, 500))
    def look_up_a_time(self, ms):
        first = self.log.log_start_offset
        wanted = self.now + ms
        matches = [(time, first + at) for at, (_, time) in enumerate(self.values[first:]) if time >= wanted]
        found = self.log.offset_for_time(wanted)
        assert (found[:2] if found else None) == (matches[0] if matches else None)


LogMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLog = LogMachine.TestCase
