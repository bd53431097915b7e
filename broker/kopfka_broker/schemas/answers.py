"""What the registry has said, kept: what is there for good, what is missing for a moment, nothing while it is away.

A schema's id and text never change, so a good answer holds until memory for it is needed. One that is missing may be
there a moment later. Each question is on its way to the registry once, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from kopfka_broker.schemas.names import Definition
from kopfka_broker.schemas.registry import RegistryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kopfka_broker.schemas.registry import Registry

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

_ENDING: Final = "the broker is shutting down"
MOST: Final = 10_000
"""Answers of each kind, good or not, that are kept: some hundred bytes each."""
AT_ONCE: Final = 8
"""Questions that are with the registry, so that a burst of new ids does not overrun it."""
MISSING_SECONDS: Final = 1.0
"""How long something counts as missing without being asked for again."""
SECOND_LOOK_SECONDS: Final = 0.2
"""A refused record cannot be taken back, and an instance of the registry may be a moment behind the one that has just
registered a schema: what is missing is looked for twice, this far apart."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 4.0
"""How long an absent registry is left alone before somebody tries again: doubled each time."""


@dataclass(frozen=True, slots=True)
class IdsOf:
    """Which ids a GUID has."""

    guid: bytes


@dataclass(frozen=True, slots=True)
class DefinitionOf:
    """What the schema of an id says."""

    schema_id: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the schema of an id is registered under a subject."""

    schema_id: int
    subject: str


Question = IdsOf | DefinitionOf | Standing
Answer = tuple[int, ...] | Definition | bool
MISSING: Final = False
"""The answer about what is not there, whatever was asked."""


class Answers:
    """All of them."""

    def __init__(
        self,
        registry: Registry,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._pause = pause
        self._there: OrderedDict[Question, Answer] = OrderedDict()
        self._missing: OrderedDict[Question, float] = OrderedDict()
        self._asked: dict[Question, asyncio.Task[Answer]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._away: str | None = None
        self._failures = 0
        self._not_before = 0.0
        self.hits = 0
        """Questions that were answered from here."""
        self.asked = 0
        """How often the registry was asked."""
        self.failed = 0
        """How often in vain."""

    @property
    def available(self) -> bool:
        """Whether the registry answered when it was asked last."""
        return self._away is None

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._there) + len(self._missing)

    def known(self, question: Question) -> Answer | None:
        """Return what is known already, None where the registry is to be asked."""
        found = self._there.get(question)
        if found is not None:
            self._there.move_to_end(question)
            self.hits += 1
            return found
        until = self._missing.get(question)
        if until is None:
            return None
        if self._clock() < until:
            self.hits += 1
            return MISSING
        del self._missing[question]
        return None

    async def ask(self, question: Question) -> Answer:
        """Return the registry's answer.

        Raises:
            RegistryUnavailableError: it gave none, or did not a moment ago.
        """
        running = self._asked.get(question)
        if running is None:
            self._leave_alone()
            running = asyncio.get_running_loop().create_task(self._find(question))
            self._asked[question] = running
            running.add_done_callback(lambda done: self._done(question, done))
        try:
            # it goes on where a client that waits is gone, for the others that do
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise RegistryUnavailableError(_ENDING) from None
            raise

    async def close(self) -> None:
        """End: whoever waits is told that there is no answer."""
        for task in self._asked.values():
            task.cancel()
        await self._registry.close()

    async def _find(self, question: Question) -> Answer:
        found = await self._look(question)
        if not found:
            await self._pause(SECOND_LOOK_SECONDS)
            found = await self._look(question, again=True)
        if found:
            _keep(self._there, question, found)
        else:
            _keep(self._missing, question, self._clock() + MISSING_SECONDS)
        return found

    async def _look(self, question: Question, *, again: bool = False) -> Answer:
        async with self._turns:
            self._leave_alone()  # it may have gone while this question waited for its turn
            self.asked += 1
            try:
                found = await self._heard(question, alias=again)
            except RegistryUnavailableError as error:
                self._failed(str(error))
                raise
            self._answered()
            return found

    async def _heard(self, question: Question, *, alias: bool) -> Answer:
        match question:
            case IdsOf(guid):
                return await self._registry.ids_of(guid) or MISSING
            case DefinitionOf(schema_id):
                return await self._registry.definition_of(schema_id) or MISSING
            case Standing(schema_id, subject):
                subjects = await self._registry.subjects_of(schema_id)
                if not alias or not subjects or subject in subjects:
                    return subject in subjects
                return await self._registry.alias_of(subject) in subjects

    def _leave_alone(self) -> None:
        """Raise what was said last, as long as the registry is not to be asked again."""
        if self._away is not None and self._clock() < self._not_before:
            raise RegistryUnavailableError(self._away)

    def _done(self, question: Question, task: asyncio.Task[Answer]) -> None:
        del self._asked[question]
        if not task.cancelled():
            task.exception()  # who waited has it; where nobody did, it is no news

    def _failed(self, why: str) -> None:
        self.failed += 1
        if self._clock() >= self._not_before:  # of those that were asked together, the first counts
            self._failures += 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
            self._not_before = self._clock() + pause
        if self._away is None:
            log.warning(
                "the schema registry gives no answer; producers whose schemas are not known are told to try again: %s",
                why,
            )
        self._away = why

    def _answered(self) -> None:
        self._failures, self._not_before = 0, 0.0
        if self._away is not None:
            self._away = None
            log.info("the schema registry answers again")


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
