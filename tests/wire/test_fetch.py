"""Fetch by hand: writes what the codec writes, in every version, and does not copy records."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec
from kopfka_wire.fetch import FIRST_WITH_IDS, FetchedPartition, write_fetch_response
from support.messages import TEXT

offsets = st.integers(-1, 2**60)
partitions = st.builds(
    FetchedPartition,
    partition=st.integers(0, 2**31 - 1),
    code=st.sampled_from([code.value for code in ErrorCode]),
    high_watermark=offsets,
    last_stable_offset=offsets,
    log_start_offset=offsets,
    records=st.binary(max_size=300),
    diverging=st.none() | st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**60)),
    aborted=st.none() | st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), max_size=3),
)


@given(st.integers(4, 18), st.sampled_from([0, 70, 71]), st.integers(0, 2**31 - 1), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_writes_what_the_codec_writes(version, code, session_id, committed, data):
    form = codec(ApiKey.FETCH, version)
    key = st.uuids() if version >= FIRST_WITH_IDS else TEXT
    topics = data.draw(st.lists(st.tuples(key, st.lists(partitions, max_size=3)), max_size=3))
    response = form.make(
        error_code=ErrorCode(code),
        session_id=session_id,
        responses=tuple(
            form.make(
                "FetchableTopicResponse",
                topic=name,
                topic_id=name,
                partitions=tuple(_as_kio(form, each, committed) for each in found),
            )
            for name, found in topics
        ),
    )
    buffers = write_fetch_response(version, topics, code=code, session_id=session_id, committed=committed)
    assert b"".join(buffers) == form.write_response(response)


def _as_kio(form, each, committed):
    diverging = {}
    if each.diverging is not None and form.version >= 12:
        epoch, end_offset = each.diverging
        diverging["diverging_epoch"] = form.make("EpochEndOffset", epoch=epoch, end_offset=end_offset)
    return form.make(
        "PartitionData",
        partition_index=each.partition,
        error_code=ErrorCode(each.code),
        high_watermark=each.high_watermark,
        last_stable_offset=each.last_stable_offset,
        log_start_offset=each.log_start_offset,
        aborted_transactions=_aborted(form, each, committed),
        records=each.records,
        **diverging,
    )


def _aborted(form, each, committed):
    if not each.aborted:
        readable = committed and not each.code and not each.diverging
        return () if readable or each.code in (3, 29, 100) else None
    return tuple(form.make("AbortedTransaction", producer_id=id_, first_offset=first) for id_, first in each.aborted)


def test_records_are_not_copied():
    records = memoryview(bytes(1000))
    buffers = write_fetch_response(12, [("t", [FetchedPartition(0, 0, records=records)])])
    assert any(each is records for each in buffers)
