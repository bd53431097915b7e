"""Events on a real API server: posted once, counted when repeated, and no harm when they cannot be posted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kopfka_operator.errors import ApiUnreachableError
from kopfka_operator.events import EventPoster
from kopfka_operator.kube.resources import EVENTS, KAFKA_CLUSTERS
from support.waiting import eventually_async

if TYPE_CHECKING:
    import pytest

    from conftest import Api, Bench


async def test_the_same_words_are_counted_and_soon_ones_left_out(api: Api, bench: Bench) -> None:
    body = await api.create(KAFKA_CLUSTERS, "events", {})
    clock = [1000.0]
    poster = EventPoster(bench.context.client, "test", lambda: clock[0])
    runner = asyncio.create_task(poster.run())

    async def counts() -> list[tuple[str, int]]:
        return sorted((each["reason"], each["count"]) for each in await api.list(EVENTS))

    for _ in range(5):
        poster.warning(body, "PodFailing", "it ends")
    poster.normal(body, "Ready", "it runs")
    await eventually_async(lambda: _is(counts, [("PodFailing", 1), ("Ready", 1)]))
    clock[0] += 31
    poster.warning(body, "PodFailing", "it ends")
    await eventually_async(lambda: _is(counts, [("PodFailing", 2), ("Ready", 1)]))
    clock[0] += 601
    poster.warning(body, "PodFailing", "it ends")
    await eventually_async(lambda: _is(counts, [("PodFailing", 1), ("PodFailing", 2), ("Ready", 1)]))
    event = next(each for each in await api.list(EVENTS) if each["reason"] == "Ready")
    assert event["involvedObject"]["uid"] == body["metadata"]["uid"]
    assert event["type"] == "Normal"
    runner.cancel()


async def test_an_event_that_cannot_be_posted_stops_nothing(
    api: Api, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = await api.create(KAFKA_CLUSTERS, "events", {})
    poster = EventPoster(bench.context.client, "test")
    create, failed = bench.context.client.create, asyncio.Event()

    async def fails_once(*arguments: object) -> object:
        if not failed.is_set():
            failed.set()
            raise ApiUnreachableError("gone")
        return await create(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.context.client, "create", fails_once)
    runner = asyncio.create_task(poster.run())
    poster.normal(body, "First", "lost")
    poster.normal(body, "Second", "kept")
    await eventually_async(lambda: _is_any(api))
    runner.cancel()


async def _is(counts: object, wanted: list[tuple[str, int]]) -> bool:
    return await counts() == wanted  # type: ignore[operator]


async def _is_any(api: Api) -> bool:
    return [each["reason"] for each in await api.list(EVENTS)] == ["Second"]
