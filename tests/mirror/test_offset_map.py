"""The map of offsets: exact for every offset, never beyond an unread record, the same after it was written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_mirror.offset_map import CHUNK, OffsetMap, map_key, read_map_key

RUNS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), max_size=40)


def made(gaps, *, begun=True):
    """Return a map, and what it says record by record."""
    offsets, records, source, target = OffsetMap(), {}, 0, 3
    if begun:
        offsets.begin()
    for source_gap, target_gap, length in gaps:
        source, target = source + source_gap, target + target_gap
        offsets.add(source, target, length)
        records |= {source + at: target + at for at in range(length)}
        source, target = source + length, target + length
    return offsets, records, source


@given(RUNS, st.integers(0, 700), st.integers(0, 700))
def test_every_offset_is_translated_to_the_next_unread_record(gaps, offset, end):
    offsets, records, _ = made(gaps)
    found = offsets.translate(offset, end)
    unread = [target for source, target in records.items() if source >= offset]
    mirrored = [records[source] for source in records if offset <= source < end]
    read = [target for source, target in records.items() if source < min(offset, end)]
    if found is None:
        assert not mirrored
        assert not read
        return
    assert found == min(mirrored) if mirrored else found > max(read, default=-1)
    assert found <= min(unread, default=found), "a record is left out"


@given(RUNS, st.integers(0, 300))
def test_what_was_not_mirrored_from_the_beginning_is_not_translated(gaps, offset):
    offsets, records, end = made(gaps, begun=False)
    known = records and offset >= min(records)
    assert (offsets.translate(offset, end + 1) is not None) == bool(known)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)), max_size=700), st.data())
def test_what_is_written_down_again_and_again_is_read_back(gaps, data):
    offsets, written, source, target = OffsetMap(), {}, 0, 0
    pauses = data.draw(st.sets(st.integers(0, max(0, len(gaps)))))
    cuts = data.draw(st.sets(st.integers(0, max(0, len(gaps))), max_size=3))
    for at, (source_gap, target_gap, length) in enumerate(gaps):
        if at in cuts:  # a restart that repeats some
            source = max(0, source - 10)
            offsets.truncate(source)
        source, target = source + source_gap, target + target_gap
        offsets.add(source, target, length)
        source, target = source + length, target + length
        if at in pauses:
            keep(offsets, written)
    keep(offsets, written)
    again = OffsetMap()
    for start, chunk in written.items():
        again.load(start, chunk)
    assert len(again) == len(offsets)
    for offset in range(0, source + 2, max(1, source // 200)):
        assert again.translate(offset, source) == offsets.translate(offset, source)


def keep(offsets, written):
    for start, chunk in offsets.dirty_chunks():
        written.pop(start, None)
        if chunk is not None:
            written[start] = chunk


def test_writing_down_costs_what_is_new():
    offsets = OffsetMap()
    for at in range(CHUNK * 4):
        offsets.add(at * 2, at, 1)
    assert len(offsets.dirty_chunks()) == 4
    assert offsets.dirty_chunks() == []
    offsets.add(CHUNK * 8, CHUNK * 4, 1)
    ((start, chunk),) = offsets.dirty_chunks()
    assert start == CHUNK * 8
    assert chunk is not None


def test_runs_without_gaps_are_one():
    offsets = OffsetMap()
    for at in range(1000):
        offsets.add(at * 10, 7 + at * 10, 10)
    assert len(offsets) == 1
    assert offsets.latest() == (9999, 10006)


def test_pruned_chunks_are_taken_back():
    offsets = OffsetMap()
    for at in range(CHUNK * 3):
        offsets.add(at * 2, at, 1)
    offsets.dirty_chunks()
    offsets.prune(CHUNK * 2 * 2 + 5)
    assert offsets.dirty_chunks() == [(0, None), (CHUNK * 2, None)]
    assert offsets.translate(CHUNK * 4 + 6, CHUNK * 6) == CHUNK * 2 + 3


def test_a_target_that_began_anew_forgets_the_old_one():
    offsets = OffsetMap()
    offsets.add(0, 100, 10)
    offsets.dirty_chunks()
    offsets.add(10, 0, 5)
    assert offsets.translate(12, 15) == 2
    assert offsets.translate(3, 15) is None
    assert [start for start, chunk in offsets.dirty_chunks() if chunk is None] == [0]


def test_records_are_not_mapped_twice():
    offsets = OffsetMap()
    offsets.add(0, 0, 10)
    with pytest.raises(ValueError, match="source offset 5"):
        offsets.add(5, 10, 1)


@given(st.text(min_size=1, max_size=249, alphabet="abc._-"), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_keys_are_read_back(topic, partition, start):
    assert read_map_key(map_key(topic, partition, start)) == (topic, partition, start)


def test_foreign_keys_and_formats_are_refused():
    with pytest.raises(ValueError, match="no key"):
        read_map_key(b"\0")
    with pytest.raises(ValueError, match="format"):
        OffsetMap().load(0, b"\7")
