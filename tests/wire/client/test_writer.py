"""The writer of a partition against a log that loses connections and answers: all once and in order, or an error."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kopfka_wire.batches import CorruptBatchError
from kopfka_wire.client.errors import ClosedError, DeliveryTimeoutError
from kopfka_wire.client.session import Session
from kopfka_wire.client.writer import WINDOW, PartitionWriter
from kopfka_wire.error_codes import FencedError, InvalidRecordError, RecordTooLargeError
from kopfka_wire.records import Record, encode_batch
from wire.client.partition_log import Fault, PartitionLog


def writer_of(log, session=None, *, delivery_timeout=30.0, max_batch_bytes=200):
    session = session or Session(log, "id", 60.0)
    return PartitionWriter(
        log, session, "topic", 0, lane="", compression=0, max_batch_bytes=max_batch_bytes,
        delivery_timeout=delivery_timeout,
    )  # fmt: skip


def record(value):
    return Record(0, 1, None, value)


faults = st.lists(st.sampled_from(Fault), max_size=40)
calls = st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(faults, calls)
@example([Fault.NONE] * 4 + [Fault.TIMED_OUT, Fault.NONE, Fault.NOT_LEADER], [(1, True, False)] * 10)
def test_whatever_is_lost_everything_is_written_once_and_in_order(faults, calls):
    async def scenario():
        log = PartitionLog(faults)
        writer = writer_of(log)
        tasks = []
        for number, (count, ready_made, pause) in enumerate(calls):
            values = [b"%d-%d" % (number, index) for index in range(count)]
            records = [record(value) for value in values]
            if ready_made:
                call = writer.send_batch(encode_batch(records, producer_id=99, producer_epoch=3, base_sequence=17))
            else:
                call = writer.send_records(records)
            tasks.append((values, asyncio.ensure_future(call)))
            if pause:
                await asyncio.sleep(0)
        for values, task in tasks:
            sent = await task
            assert log.values[sent.offset : sent.offset + len(values)] == values
        assert log.values == [value for values, _ in tasks for value in values]
        assert log.most_in_flight <= WINDOW
        await writer.close()

    asyncio.run(scenario())


@given(
    faults.map(lambda some: [each for each in some if each is not Fault.TIMED_OUT]),
    st.lists(st.sampled_from([b"good", b"bad", b"large"]), min_size=1, max_size=30),
)
def test_what_is_refused_is_told_to_who_sent_it_and_hinders_nobody(faults, kinds):
    async def scenario():
        log = PartitionLog(faults, largest=6)
        writer = writer_of(log, max_batch_bytes=400)

        async def send(number, kind):
            if kind == b"large":
                with pytest.raises(RecordTooLargeError):
                    await writer.send_records([record(b"%d" % number)] * 7)
            elif kind == b"bad":
                with pytest.raises(InvalidRecordError, match="it is bad"):
                    await writer.send(b"bad%d" % number)
            else:
                sent = await writer.send(b"%d" % number)
                assert log.values[sent.offset] == b"%d" % number

        await asyncio.gather(*(send(number, kind) for number, kind in enumerate(kinds)))
        assert log.values == [b"%d" % number for number, kind in enumerate(kinds) if kind == b"good"]
        await writer.close()

    asyncio.run(scenario())


@given(faults, st.lists(st.booleans(), min_size=1, max_size=30))
def test_who_gives_up_takes_nothing_from_the_others(faults, patient):
    async def scenario():
        log = PartitionLog(faults)
        writer = writer_of(log)
        tasks = [asyncio.ensure_future(writer.send(b"%d" % number)) for number in range(len(patient))]
        for task, stays in zip(tasks, patient, strict=True):
            await asyncio.sleep(0)
            if not stays:
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (outcome, stays) in enumerate(zip(outcomes, patient, strict=True)):
            if stays:
                assert log.values[outcome.offset] == b"%d" % number
        assert len(set(log.values)) == len(log.values)
        assert [int(value) for value in log.values] == sorted(int(value) for value in log.values)
        await writer.close()

    asyncio.run(scenario())


async def test_calls_at_the_same_time_share_batches_and_one_alone_does_not_wait():
    log = PartitionLog([])
    writer = writer_of(log, max_batch_bytes=1_000_000)
    await asyncio.gather(*(writer.send(b"%d" % number) for number in range(500)))
    assert log.requests == 1
    await writer.send(b"alone")
    assert log.requests == 2


async def test_one_batch_is_acknowledged_before_others_follow():
    log = PartitionLog([Fault.LOST_BEFORE])
    writer = writer_of(log, max_batch_bytes=1)
    tasks = [asyncio.ensure_future(writer.send(b"%d" % number)) for number in range(20)]
    await asyncio.gather(*tasks)
    assert log.most_in_flight_at_first == 1
    assert log.most_in_flight == WINDOW


async def test_a_newer_producer_deposes_the_older_one_from_its_first_batch_on():
    log = PartitionLog([])
    older, newer = Session(log, "id", 60.0), Session(log, "id", 60.0)
    first, second = writer_of(log, older), writer_of(log, newer)
    await first.send(b"1")
    await newer.claim()
    await first.send(b"2")
    await second.send(b"3")
    with pytest.raises(FencedError):
        await first.send(b"4")
    with pytest.raises(FencedError):
        await first.send(b"5")
    assert log.values == [b"1", b"2", b"3"]


async def test_numbers_that_are_lost_begin_anew_only_for_who_still_owns_the_id():
    log = PartitionLog([])
    session = Session(log, "id", 60.0)
    writer = writer_of(log, session)
    await writer.send(b"1")
    log._producers[7].next = 40  # as after an unclean election
    log._producers[7].last.clear()
    await writer.send(b"2")
    assert session.identity.epoch == 1
    log._producers[7].next = 40
    log._producers[7].last.clear()
    log.owner = (7, 5)
    with pytest.raises(FencedError):
        await writer.send(b"3")
    assert log.values == [b"1", b"2"]


async def test_an_old_claim_is_renewed_before_the_next_write(monkeypatch):
    log = PartitionLog([])
    session = Session(log, "id", 60.0)
    writer = writer_of(log, session)
    await writer.send(b"1")
    monkeypatch.setattr("kopfka_wire.client.session.FRESH_FOR", -1.0)
    await writer.send(b"2")
    assert session.identity.epoch == 1
    log.owner = (8, 0)  # the coordinator forgot the id, and another one claimed it
    with pytest.raises(FencedError):
        await writer.send(b"3")


async def test_a_timeout_says_whether_anything_was_on_its_way():
    log = PartitionLog([Fault.NO_CONNECTION] * 10_000)
    writer = writer_of(log, delivery_timeout=0.02)
    with pytest.raises(DeliveryTimeoutError, match="nothing listens") as caught:
        await writer.send(b"1")
    assert not caught.value.sent
    log.faults.clear()
    log.faults.extend([Fault.LOST_AFTER] * 10_000)
    with pytest.raises(DeliveryTimeoutError, match="connection ended") as caught:
        await writer.send(b"2")
    assert caught.value.sent
    log.faults.clear()
    await writer.send(b"3")
    assert log.values == [b"2", b"3"]
    await writer.close()


async def test_close_ends_what_waits():
    log = PartitionLog([Fault.NO_CONNECTION] * 10_000)
    writer = writer_of(log)
    task = asyncio.ensure_future(writer.send(b"1"))
    await asyncio.sleep(0.01)
    await writer.close()
    with pytest.raises(ClosedError):
        await task
    with pytest.raises(ClosedError):
        await writer.send(b"2")


@pytest.mark.parametrize(
    "raw",
    [
        b"rubbish",
        encode_batch([record(b"1")]) + encode_batch([record(b"2")]),
        encode_batch([record(b"1")])[:-1],
        encode_batch([record(b"1")], control=True, transactional=True),
    ],
)
async def test_bytes_that_are_no_batch_are_refused_at_once(raw):
    with pytest.raises(CorruptBatchError):
        await writer_of(PartitionLog([])).send_batch(raw)
    with pytest.raises(ValueError, match="at least one"):
        await writer_of(PartitionLog([])).send_records([])
