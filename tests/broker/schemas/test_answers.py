"""What is kept of the registry's answers, who waits for whom, and what happens while it is away."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from kopfka_broker.schemas import answers as module
from kopfka_broker.schemas.answers import Answers, DefinitionOf, IdsOf, Standing
from kopfka_broker.schemas.names import Definition
from kopfka_broker.schemas.registry import RegistryUnavailableError
from support.clocks import Clock


class Registry:
    """The registry as `Answers` knows it; each question is noted, and may be held up or fail."""

    def __init__(self):
        self.subjects = {1: frozenset({"t-value"})}
        self.aliases = {}
        self.asked = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.down = None
        self.closed = False

    async def heard(self, what):
        self.asked.append(what)
        await self.gate.wait()
        if self.down:
            raise RegistryUnavailableError(self.down)

    async def subjects_of(self, number):
        await self.heard(number)
        return self.subjects.get(number, frozenset())

    async def definition_of(self, number):
        await self.heard(number)
        return Definition("A") if number in self.subjects else None

    async def ids_of(self, guid):
        await self.heard(guid)
        return (1,) if guid == b"g" else ()

    async def alias_of(self, subject):
        await self.heard(subject)
        return self.aliases.get(subject)

    async def close(self):
        self.closed = True


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def answers(registry, clock, pauses):
    async def pause(seconds):
        pauses.append(seconds)

    return Answers(registry, clock, pause)


GOOD = [(Standing(1, "t-value"), True), (DefinitionOf(1), Definition("A")), (IdsOf(b"g"), (1,))]
MISSING = [Standing(1, "other"), Standing(9, "t-value"), DefinitionOf(9), IdsOf(b"x")]


@pytest.mark.parametrize(("question", "answer"), GOOD, ids=str)
async def test_what_is_there_is_asked_for_once(answers, registry, clock, question, answer):
    assert answers.known(question) is None
    assert await answers.ask(question) == answer
    clock.now = 10**9
    assert answers.known(question) == answer
    assert len(registry.asked) == 1


@pytest.mark.parametrize("question", MISSING, ids=str)
async def test_what_is_missing_is_looked_for_twice_and_counts_for_a_moment(answers, registry, clock, pauses, question):
    assert await answers.ask(question) is False
    assert pauses == [module.SECOND_LOOK_SECONDS]
    asked = len(registry.asked)
    assert asked >= 2
    clock.now += module.MISSING_SECONDS * 0.99
    assert answers.known(question) is False
    clock.now += module.MISSING_SECONDS
    assert answers.known(question) is None
    registry.subjects |= {1: frozenset({"other"}), 9: frozenset({"t-value"})}
    if question != IdsOf(b"x"):
        assert await answers.ask(question)


async def test_what_comes_between_the_two_looks_is_there(registry):
    async def pause(_):
        registry.subjects[9] = frozenset({"t-value"})

    assert await Answers(registry, Clock(), pause).ask(Standing(9, "t-value")) is True


async def test_an_alias_is_looked_for_before_a_refusal(answers, registry):
    registry.aliases["other"] = "t-value"
    assert await answers.ask(Standing(1, "other")) is True
    assert registry.asked == [1, 1, "other"]
    assert answers.known(Standing(1, "other")) is True
    # of what is nowhere there is no alias to look for
    assert await answers.ask(Standing(9, "other")) is False
    assert registry.asked[3:] == [9, 9]


async def test_a_burst_is_asked_in_turns_and_ends_with_the_first_that_has_no_answer(answers, registry):
    registry.gate.clear()
    waiting = [asyncio.ensure_future(answers.ask(DefinitionOf(number))) for number in range(100)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(registry.asked) == module.AT_ONCE
    registry.down = "gone"
    registry.gate.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, RegistryUnavailableError) for each in ends)
    assert (len(registry.asked), answers._failures) == (module.AT_ONCE, 1)


async def test_a_question_is_on_its_way_once_whoever_leaves(answers, registry):
    registry.gate.clear()
    waiting = [asyncio.ensure_future(answers.ask(Standing(1, "t-value"))) for _ in range(5)]
    other = asyncio.ensure_future(answers.ask(DefinitionOf(1)))
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    registry.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 4
    assert await other == Definition("A")
    assert waiting[0].cancelled()
    assert registry.asked == [1, 1]


async def test_the_oldest_answers_go_first(answers, registry, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    registry.subjects = {number: frozenset({"t-value"}) for number in range(4)}
    for number in range(3):
        await answers.ask(Standing(number, "t-value"))
    assert answers.known(Standing(0, "t-value"))  # used again
    await answers.ask(Standing(3, "t-value"))
    kept = [answers.known(Standing(number, "t-value")) is not None for number in range(4)]
    assert kept == [True, False, True, True]
    for number in range(10, 20):
        await answers.ask(Standing(number, "t-value"))
    assert len(answers) == 6


async def test_an_absent_registry_is_left_alone_and_told_of_once(answers, registry, clock, caplog):
    caplog.set_level(logging.INFO)
    registry.down = "no route"
    question = Standing(1, "t-value")

    async def fails():
        with pytest.raises(RegistryUnavailableError, match="no route"):
            await answers.ask(question)
        return len(registry.asked)

    assert [await fails() for _ in range(3)] == [1, 1, 1]
    assert not answers.available
    clock.now += 0.3
    assert [await fails(), await fails()] == [2, 2]
    clock.now += 0.3  # twice as long by now
    assert await fails() == 2
    for _ in range(10):
        clock.now += 4.0
        await fails()
    assert (len(registry.asked), answers.failed) == (12, 12)
    assert answers.known(question) is None
    registry.down = None
    clock.now += 4.0
    assert await answers.ask(question) is True
    assert answers.available
    assert [each.getMessage().partition(";")[0] for each in caplog.records] == [
        "the schema registry gives no answer", "the schema registry answers again",
    ]  # fmt: skip
    registry.down = "again"
    with pytest.raises(RegistryUnavailableError):
        await answers.ask(Standing(2, "t-value"))
    assert len(caplog.records) == 3
    assert answers._not_before == clock.now + 0.25


async def test_who_waits_at_the_end_is_told(answers, registry):
    registry.gate.clear()
    waiting = [asyncio.ensure_future(answers.ask(Standing(number, "t-value"))) for number in (1, 1, 2)]
    await asyncio.sleep(0)
    await answers.close()
    for each in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(each, RegistryUnavailableError)
        assert "shutting down" in str(each)
    assert registry.closed


async def test_a_failure_that_nobody_waits_for_any_more_is_no_news(answers, registry, caplog):
    registry.gate.clear()
    waiting = asyncio.ensure_future(answers.ask(Standing(1, "t-value")))
    await asyncio.sleep(0)
    running = next(iter(answers._asked.values()))
    waiting.cancel()
    registry.down = "gone"
    registry.gate.set()
    await asyncio.wait([running])
    del running
    gc.collect()
    assert not any("never retrieved" in each.getMessage() for each in caplog.records)
