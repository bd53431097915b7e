"""Cutting an answer into batches: nothing twice, nothing missing, nothing of what was aborted, no markers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_wire.batches import CorruptBatchError
from kopfka_wire.client.fetching import Fetched, Wanted, cut
from kopfka_wire.client.metadata import Leader
from kopfka_wire.records import Record, encode_batch

LEADER = Leader("topic", uuid.uuid4(), 0, 1, 5)
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"


def fetched(data, aborted=()):
    return Fetched(ErrorCode.none, 100, 100, 0, None, tuple(aborted), memoryview(data))


def batch(offset, *values, **fields):
    return encode_batch([Record(0, 1, None, value) for value in values], base_offset=offset, leader_epoch=5, **fields)


def marker(offset, producer_id, kind):
    return encode_batch([Record(0, 1, kind, b"\0\0\0\0\0\0")], base_offset=offset, producer_id=producer_id,
                        transactional=True, control=True)  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 4)), max_size=12),
    st.integers(0, 30),
    st.integers(0, 200),
)
def test_gaps_starts_in_the_middle_and_cut_ends(parts, start, missing):
    """Batches with gaps before them, read from any offset, and the answer cut anywhere."""
    data, offset, there = b"", 0, []
    for gap, count, size in parts:
        offset += gap
        whole = batch(offset, *[b"x" * size] * count)
        data += whole
        there.append((len(data), list(range(offset, offset + count))))
        offset += count
    data = data[: max(len(data) - missing, 0)]
    expected = [each for end, offsets in there if end <= len(data) for each in offsets if each >= start]
    wanted = Wanted(LEADER, start)
    try:
        found = cut(fetched(data), wanted, committed=False, check_crcs=True)
    except CorruptBatchError:
        assert data
        assert there[0][0] > len(data)
        return
    assert [record.offset for each in found.batches for record in each.records()] == expected
    assert found.position == (expected[-1] + 1 if expected else start)


@given(st.data())
def test_transactions_of_several_producers(data):
    """A log of transactions, as its readers with either isolation see it."""
    log, offset, open_since, aborted, plain, committed = b"", 0, {}, [], [], []
    written = {}
    for _ in range(data.draw(st.integers(0, 25))):
        producer = data.draw(st.sampled_from([None, 1, 2, 3]))
        end = data.draw(st.sampled_from([None, None, ABORT, COMMIT])) if producer in open_since else None
        if end is not None:
            log += marker(offset, producer, end)
            first, values = open_since.pop(producer), written.pop(producer)
            if end == ABORT:
                aborted.append((producer, first))
            else:
                committed += values
        else:
            fields = {} if producer is None else {"producer_id": producer, "transactional": True}
            log += batch(offset, b"%d" % offset, **fields)
            plain.append(offset)
            if producer is None:
                committed.append(offset)
            else:
                open_since.setdefault(producer, offset)
                written.setdefault(producer, []).append(offset)
        offset += 1
    # the broker gives nothing from the first open transaction on
    stable = min(open_since.values(), default=offset)
    keep = cut(fetched(log), Wanted(LEADER, 0), committed=False, check_crcs=True).batches
    assert [each.header.base_offset for each in keep] == plain
    visible = b"".join(log[at : at + size] for at, size, base in walk(log) if base < stable)
    found = cut(fetched(visible, aborted), Wanted(LEADER, 0), committed=True, check_crcs=True)
    assert [each.header.base_offset for each in found.batches] == sorted(each for each in committed if each < stable)
    assert found.position == stable


def walk(log):
    from kopfka_wire.batches import split_batches

    return [(at, header.size, header.base_offset) for at, header in split_batches(log)]


def test_damage_is_found_and_passed_on_where_it_is_not_looked_for():
    data = bytearray(batch(0, b"value"))
    data[-3] ^= 1
    with pytest.raises(CorruptBatchError, match="checksum"):
        cut(fetched(data), Wanted(LEADER, 0), committed=False, check_crcs=True)
    assert len(cut(fetched(data), Wanted(LEADER, 0), committed=False, check_crcs=False).batches) == 1


def test_batches_are_views():
    data = bytearray(batch(0, b"value") + batch(1, b"other"))
    found = cut(fetched(data), Wanted(LEADER, 0), committed=False, check_crcs=True)
    assert all(each.data.obj is data for each in found.batches)
    assert b"".join(each.data for each in found.batches) == data
    assert found.last_epoch == 5
