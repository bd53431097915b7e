"""The records of one batch, judged by what is known of their schemas. Asks nobody, but says what is to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_broker.schemas.answers import DefinitionOf, IdsOf, Standing
from kopfka_broker.schemas.identity import NoSchemaError, locate, message_indexes, shown
from kopfka_broker.schemas.names import Definition
from kopfka_broker.storage import InvalidRecordError
from kopfka_wire.batches import CorruptBatchError
from kopfka_wire.records import decode_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.schemas.answers import Answer, Question
    from kopfka_broker.schemas.identity import Located, SchemaKey
    from kopfka_broker.schemas.settings import Part
    from kopfka_wire.records import Record

    Ask = Callable[[Question], Answer | None]

MOST_FAULTS: Final = 1000
"""Records of a batch that are named as being at fault. A batch may hold millions, and no producer reads so many."""
_INTERCEPTOR: Final = "io.confluent.kafka.schemaregistry.validator.RecordSchemaValidator"
"""What Confluent Server calls the part that refuses such records, in messages that people search for."""


class Judgement(NamedTuple):
    """What came of a batch."""

    faults: tuple[tuple[int, str], ...]
    """Records at fault: index in the batch, and what is wrong."""
    open: frozenset[Question]
    """What is to be asked first; what is at fault may be more then."""


class _NotKnownError(Exception):
    """A question has no answer yet."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


def judge(batch: memoryview, parts: tuple[Part, ...], ask: Ask) -> Judgement:
    """Judge the records of a batch whose checksum is good.

    Args:
        batch: one batch.
        parts: what is to be looked at of each record.
        ask: returns what is known, None where it is not known yet.

    Raises:
        InvalidRecordError: it cannot be decompressed, or a record contradicts itself.
    """
    faults: list[tuple[int, str]] = []
    judges = [(part.name == "key", _PartJudge(part, ask)) for part in parts]
    try:
        for index, record in enumerate(decode_batch(batch)):
            for of_key, judge_part in judges:
                payload = record.key if of_key else record.value
                reason = None if payload is None else judge_part.reason(payload, record)
                if reason is not None:
                    faults.append((index, _words(record, reason)))
                    break
            if len(faults) >= MOST_FAULTS:
                break
    except CorruptBatchError as error:
        raise InvalidRecordError(str(error)) from error
    return Judgement(tuple(faults), frozenset().union(*(each.open for _, each in judges)))


class _PartJudge:
    """Judges keys, or values. Records of a batch mostly have the same schema, which is looked up once."""

    def __init__(self, part: Part, ask: Ask) -> None:
        self._part = part
        self._ask = ask
        self._reasons: dict[tuple[SchemaKey, tuple[int, ...] | None], str | None] = {}
        self._files: set[SchemaKey] = set()
        """Schemas of which it matters which of their messages a record is."""
        self._good: tuple[bytes, ...] = ()
        """What the last record that was in order began with, if no more of it mattered."""
        self.open: set[Question] = set()

    def reason(self, payload: bytes, record: Record) -> str | None:
        """Return what is wrong with the key or value of a record, None where nothing is as far as is known."""
        if not record.headers and payload.startswith(self._good):
            return None
        try:
            located = locate(payload, record.headers, self._part.header)
        except NoSchemaError as error:
            return f"of its {self._part.name}, {error}"
        indexes = message_indexes(located.data, located.end) if located.key in self._files else None
        known = located.key, indexes
        try:
            return self._reasons[known]
        except KeyError:
            pass
        try:
            reason, by_message = self._judged(located)
        except _NotKnownError as error:
            self.open.add(error.question)
            self._reasons[known] = None
            return None
        if by_message and located.key not in self._files:
            self._files.add(located.key)
            known = located.key, message_indexes(located.data, located.end)
        self._reasons[known] = reason
        if reason is None and not by_message:
            self._good = (located.data[: located.end],)
        return reason

    def _judged(self, located: Located) -> tuple[str | None, bool]:
        """Return what is wrong, and whether another message of the same schema may be judged otherwise."""
        part, what = self._part, f"the {self._part.name}'s schema {shown(located.key)}"
        ids: tuple[int, ...]
        if isinstance(located.key, bytes):
            found = self._answer(IdsOf(located.key))
            if not isinstance(found, tuple):
                return f"{what} is not in the registry", False
            ids = found
        else:
            ids = (located.key,)
        subject, by_message = part.subject(""), False
        if part.named:
            definition = self._answer(DefinitionOf(ids[0]))  # all ids of a GUID are of the same text
            if not isinstance(definition, Definition):
                return f"{what} is not in the registry", False
            by_message = definition.file is not None
            name = definition.record_name(located.data, located.end)
            if name is None:
                return f"{what} has no record whose name {part.strategy.rpartition('.')[2]} could take", by_message
            subject = part.subject(name)
        if any(self._answer(Standing(each, subject)) for each in ids):
            return None, by_message
        return f"{what} is not registered under subject {subject}", by_message

    def _answer(self, question: Question) -> Answer:
        found = self._ask(question)
        if found is None:
            raise _NotKnownError(question)
        return found


def _words(record: Record, reason: str) -> str:
    """Return Confluent Server's words, and behind them the reason, which it keeps for its log."""
    return (
        f"Log record DefaultRecord(offset={record.offset}, timestamp={record.timestamp}, "
        f"key={len(record.key or b'')} bytes, value={len(record.value or b'')} bytes) is rejected by the record "
        f"interceptor {_INTERCEPTOR}: {reason}"
    )
