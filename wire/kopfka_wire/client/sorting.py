"""What becomes of batches after an attempt that did not go well: a decision without I/O, once nothing is in flight.

Sequence numbers are the point. A batch that was refused for certain leaves its numbers to those behind it, which were
refused with it, as they did not follow. One that may have been written keeps its numbers whatever becomes of its
callers; whether there is a gap then, the broker's next answer tells: out of order, and from there on nothing of what is
left was written, so that it can have new numbers in a new epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_wire.batches import increment_sequence
from kopfka_wire.error_codes import InvalidRecordError, broker_error, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_wire.client.producing import Call, Outgoing

    Repack = Callable[[list[Call]], Outgoing]

DOES_NOT_FOLLOW: Final = frozenset({ErrorCode.out_of_order_sequence_number, ErrorCode.unknown_producer_id})
"""Verdicts on a batch's numbers; the batch was not written."""
NOT_WRITTEN: Final = DOES_NOT_FOLLOW | {
    ErrorCode.unknown_topic_or_partition,
    ErrorCode.unknown_topic_id,
    ErrorCode.leader_not_available,
    ErrorCode.not_leader_or_follower,
    ErrorCode.not_enough_replicas,
}
"""Verdicts that a retry may change, and by which it is certain that nothing was written."""


@dataclass(frozen=True, slots=True)
class SortedOut:
    """What goes on."""

    kept: tuple[Outgoing, ...]
    """To be sent again, in this order."""
    next_sequence: int
    failed: tuple[tuple[Call, Exception], ...]
    anew: bool
    """Whether numbers begin anew, in another epoch, before anything is sent."""
    decided: bool
    """Whether there is something else to send now than there was before."""


def sort_out(unresolved: Iterable[Outgoing], next_sequence: int, repack: Repack) -> SortedOut:
    """Decide about batches, which are given in the order of their numbers; `repack` makes a batch of calls."""
    batches = list(unresolved)
    kept: list[Outgoing] = []
    failed: list[tuple[Call, Exception]] = []
    freed: int | None = None
    # a batch that does not follow although nothing before it is missing: the broker's numbers are others
    anew = bool(batches) and batches[0].verdict in DOES_NOT_FOLLOW
    for batch in batches:
        parts = [batch]
        if _is_refused(batch):
            parts, errors = _refused(batch, repack)
            failed += errors
            if not batch.unsure:
                freed = batch.sequence if freed is None else freed
            elif parts:
                anew = True  # they are not to be taken for what may have been written under the same numbers
        elif not batch.wanted():
            parts = []
        for part in parts:
            part.number = max(part.number, batch.number)
            if freed is not None:
                part.sequence = freed
                freed = increment_sequence(freed, part.count)
        kept += parts
    return SortedOut(
        tuple(kept),
        next_sequence if freed is None else freed,
        tuple(failed),
        anew,
        anew or kept != batches,
    )


def _is_refused(batch: Outgoing) -> bool:
    verdict = batch.verdict
    return verdict is not None and not verdict.retriable and verdict not in DOES_NOT_FOLLOW


def _refused(batch: Outgoing, repack: Repack) -> tuple[list[Outgoing], list[tuple[Call, Exception]]]:
    """Return what is left of a batch that the broker does not take, and whom it fails."""
    verdict, calls = batch.verdict, [call for call in batch.calls if not call.done.done()]
    assert verdict is not None
    if verdict == ErrorCode.message_too_large and len(batch.calls) > 1:
        middle = (len(calls) + 1) // 2
        return [repack(part) for part in (calls[:middle], calls[middle:]) if part], []
    guilty = _guilty(batch)
    if verdict == ErrorCode.invalid_record and guilty:
        good = [call for call in calls if call not in guilty]
        errors: list[tuple[Call, Exception]] = [
            (call, InvalidRecordError(verdict, f"{reason} ({name_of(verdict)})")) for call, reason in guilty.items()
        ]
        return [repack(good)] if good else [], errors
    return [], [(call, broker_error(verdict, "", batch.refusal)) for call in calls]


def _guilty(batch: Outgoing) -> dict[Call, str]:
    """Return the calls whose records the broker named, with its reasons."""
    guilty: dict[Call, str] = {}
    at = 0
    for call in batch.calls:
        reasons = [batch.bad_records[n] for n in range(at, at + len(call.records)) if n in batch.bad_records]
        if reasons:
            guilty[call] = "; ".join(dict.fromkeys(filter(None, reasons))) or "the record is not one this topic takes"
        at += len(call.records)
    return guilty
