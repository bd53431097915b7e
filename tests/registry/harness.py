"""A registry without Kafka: what a leader writes is in the state at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.models import Reference
from kopfka_registry.names import SchemaId
from kopfka_registry.service.registering import Wanted
from kopfka_registry.service.registry import Registry
from kopfka_registry.store.records import decode, encode
from kopfka_registry.store.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_registry.service.compatibility import Level
    from kopfka_registry.store.content import Registered
    from kopfka_registry.store.records import Entry


class Log:
    """The topic, as a list; every record passes through its bytes."""

    def __init__(self) -> None:
        self.state = State()
        self.records: list[tuple[bytes, bytes | None]] = []
        self._reserved: dict[tuple[str, bytes], SchemaId] = {}

    def id_for(self, context: str, fingerprint: bytes) -> SchemaId:
        known = self.state.id_of(context, fingerprint)
        return known or SchemaId(self.state.last_ids().get(context, 0) + 1)

    async def write(self, entries: Sequence[Entry]) -> int:
        for entry in entries:
            self.records.append(encode(entry))
            self.state.apply(decode(*self.records[-1]))
        return len(self.records) - 1

    def replayed(self, compacted: bool = False) -> State:
        """Return the state that a start over these records gives."""
        records = list(dict(reversed(self.records)).items())[::-1] if compacted else self.records
        if compacted:
            last = {key: index for index, (key, _) in enumerate(self.records)}
            records = [record for index, record in enumerate(self.records) if last[record[0]] == index]
        state = State()
        for key, value in records:
            state.apply(decode(key, value))
        return state


class Setup:
    """A registry over such a log, and short ways to use it."""

    def __init__(self, level: Level | None = None, **options: object) -> None:
        self.log = Log()
        chosen = {"level": level} if level else {}
        self.registry = Registry(lambda: self.log.state, lambda: self.log, **chosen, **options)

    async def register(
        self, subject: str, text: str, kind: str | None = None, *, normalize: bool = False, **fields: object
    ) -> Registered:
        references = tuple(Reference(name=n, subject=s, version=v) for n, s, v in fields.pop("references", ()))
        wanted = Wanted(text, kind, references, **fields)
        return (await self.registry.register(subject, wanted, normalize=normalize))[0]
