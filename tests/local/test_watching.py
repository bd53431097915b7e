from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kopfka_local.api.cluster import Cluster
from kopfka_local.api.errors import ApiError
from kopfka_local.kinds import CONFIG_MAPS, Key, Object, matches_labels, name_of
from kopfka_local.watching import Informers, Worker
from support.waiting import eventually_async

if TYPE_CHECKING:
    from pathlib import Path

A: Key = ("n", "a")


async def test_one_call_at_a_time_and_again_where_something_changed() -> None:
    running, most, calls = 0, 0, 0
    gate = asyncio.Event()

    async def reconcile(_key: Key) -> float | None:
        nonlocal running, most, calls
        running, calls = running + 1, calls + 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return None

    worker = Worker("test", reconcile)
    worker.add(A)
    worker.start()
    await eventually_async(lambda: running == 1)
    for _ in range(5):
        worker.add(A)
    gate.set()
    await eventually_async(lambda: calls == 2 and running == 0)
    assert most == 1
    await worker.stop()


async def test_failures_are_tried_again() -> None:
    errors: list[Exception] = [ApiError(409, "Conflict", "x"), ValueError("y")]
    done = asyncio.Event()

    async def reconcile(_key: Key) -> float | None:
        if errors:
            raise errors.pop()
        done.set()
        return None

    worker = Worker("test", reconcile)
    worker.start()
    worker.add(A)
    await asyncio.wait_for(done.wait(), 10)
    await worker.stop()


async def test_a_worker_may_ask_to_be_called_again() -> None:
    calls = 0

    async def reconcile(_key: Key) -> float | None:
        nonlocal calls
        calls += 1
        return 0.01 if calls < 3 else None

    worker = Worker("test", reconcile)
    worker.start()
    worker.add(A)
    await eventually_async(lambda: calls == 3)
    await worker.stop()


async def test_an_informer_follows_and_tells_each_change_once(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "state")
    await cluster.create(CONFIG_MAPS, "default", {"metadata": {"name": "before"}})
    informers = Informers(cluster)
    informer = informers[CONFIG_MAPS]
    told: list[tuple[str, str]] = []

    def tell(before: Object | None, after: Object | None) -> None:
        told.append((name_of(before) if before else "", name_of(after) if after else ""))

    informer.on_change(tell)
    await informers.start()
    assert told == [("", "before")]
    created = await cluster.create(CONFIG_MAPS, "default", {"metadata": {"name": "a"}})
    informer.remember(created)  # our own write is known at once, and not told twice
    assert informer.get("default", "a") == created
    await cluster.patch(CONFIG_MAPS, "default", "a", {"data": {"k": "v"}})
    await cluster.delete(CONFIG_MAPS, "default", "a")
    await eventually_async(lambda: informer.get("default", "a") is None)
    assert told == [("", "before"), ("", "a"), ("a", "a"), ("a", "")]
    assert [name_of(obj) for obj in informer.all("default")] == ["before"]
    await informers.stop()
    cluster.close()


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_selectors(selector: Object | None, expected: bool) -> None:
    assert matches_labels(selector, {"a": "1"}) is expected
