"""ConfigMaps of the user's are followed by their metadata: changes are told, an API that goes away is come back to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_operator.errors import ApiError, ApiUnreachableError
from kopfka_operator.kube import follow
from kopfka_operator.kube.follow import ConfigMapFollower
from kopfka_operator.kube.resources import CONFIG_MAPS, Ref
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import Api, Bench


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


async def _make(api: Api, name: str, text: str, namespace: str = "default") -> None:
    manifest = Ref(CONFIG_MAPS, namespace, name).manifest(data={"a": text})
    await api.cluster.create(api.gvr(CONFIG_MAPS), namespace, manifest)


async def test_changes_are_told_where_they_are_of_concern(api: Api, bench: Bench, told: list[tuple[str, str]]) -> None:
    follower = ConfigMapFollower(bench.context.client, lambda *key: told.append(key))
    running = asyncio.create_task(follower.run())
    try:
        await _make(api, "before", "1")
        follower.follow("default")
        follower.follow("default")
        await eventually_async(lambda: ("default", "before") in told)
        told.clear()
        # more than a line of 64 KiB, as kubectl's annotation may be
        await api.patch(CONFIG_MAPS, "before", {"metadata": {"annotations": {"long": "x" * 200_000}}})
        await eventually_async(lambda: told == [("default", "before")])
        await api.patch(CONFIG_MAPS, "before", {"data": {"a": "2"}})
        await eventually_async(lambda: told == [("default", "before")] * 2)
        await api.delete(CONFIG_MAPS, "before")
        await eventually_async(lambda: told == [("default", "before")] * 3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Watches:
    """An API whose watches end as they are told to."""

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)
        self.versions: list[str] = []

    async def watch_metadata(self, _type: Any, _namespace: str, version: str, _seconds: int) -> AsyncIterator[Any]:
        self.versions.append(version)
        script = self.scripts.pop(0) if self.scripts else [None]
        for each in script:
            if each is None:
                await asyncio.Event().wait()
            if isinstance(each, Exception):
                raise each
            yield each


def event(kind: str, name: str, version: str) -> tuple[str, dict[str, Any]]:
    return kind, {"metadata": {"name": name, "resourceVersion": version}}


async def test_a_watch_that_ends_goes_on_where_it_was_and_begins_anew_where_that_is_forgotten(
    told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "RETRY_SECONDS", 0)
    api = Watches(
        [event("ADDED", "a", "5"), event("BOOKMARK", "", "9")],
        [event("MODIFIED", "a", "11"), ApiUnreachableError("gone")],
        [ApiError(410, "Expired", "too old")],
        [event("ADDED", "a", "11"), event("ADDED", "b", "12")],
        [event("DELETED", "a", "13"), None],
    )
    follower = ConfigMapFollower(api, lambda *key: told.append(key))  # type: ignore[arg-type]
    running = asyncio.create_task(follower.run())
    try:
        follower.follow("ns")
        await eventually_async(lambda: len(told) == 4)
        assert api.versions == ["", "9", "11", "", "12"]
        assert told == [("ns", "a"), ("ns", "a"), ("ns", "b"), ("ns", "a")]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
