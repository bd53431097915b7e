"""The liveness of watches: proved by what they deliver, against a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopfka_operator.errors import ApiUnreachableError
from kopfka_operator.guard import WatchGuard
from kopfka_operator.kube.resources import CONFIG_MAPS, KAFKA_CLUSTERS, Ref
from kopfka_operator.mirror import Mirror
from kopfka_operator.watches import OURS
from support.clocks import Clock
from support.waiting import eventually_async

if TYPE_CHECKING:
    from conftest import Api, Bench

WATCHED = {KAFKA_CLUSTERS: "", CONFIG_MAPS: OURS}


async def test_watches_that_deliver_are_alive(api: Api, bench: Bench) -> None:
    clock = Clock()
    guard = WatchGuard(bench.context.client, bench.context.mirror, WATCHED, ("default",), clock=clock)
    await guard.check()
    assert not guard.behind
    await api.create(KAFKA_CLUSTERS, "events", {})
    await api.patch(KAFKA_CLUSTERS, "events", {"metadata": {"labels": {"a": "b"}}})
    # somebody else's objects are not watched, and so not missed
    await api.cluster.create(
        api.gvr(CONFIG_MAPS), "default", Ref(CONFIG_MAPS, "default", "theirs").manifest(data={"a": "b"})
    )
    version = (await api.get(KAFKA_CLUSTERS, "events"))["metadata"]["resourceVersion"]
    await eventually_async(lambda: int(version) in bench.context.mirror.seen(KAFKA_CLUSTERS).values())
    await guard.check()
    clock.now += 100
    assert guard.wrong() is None


@pytest.mark.parametrize("what", ["created", "changed", "deleted"])
async def test_a_watch_that_misses_something_is_dead_after_a_while(api: Api, bench: Bench, what: str) -> None:
    clock, mirror = Clock(), Mirror()  # fed once, and then no more
    if what != "created":
        body = await api.create(KAFKA_CLUSTERS, "events", {})
        mirror.put(KAFKA_CLUSTERS, body)
        mirror.saw(KAFKA_CLUSTERS, body)
    guard = WatchGuard(bench.context.client, mirror, WATCHED, (), grace=15, clock=clock)
    await guard.check()
    assert not guard.behind
    if what == "created":
        await api.create(KAFKA_CLUSTERS, "events", {})
    elif what == "changed":
        await api.patch(KAFKA_CLUSTERS, "events", {"metadata": {"labels": {"a": "b"}}})
        # what the operator itself was answered proves nothing of the watch
        mirror.put(KAFKA_CLUSTERS, await api.get(KAFKA_CLUSTERS, "events"))
    else:
        await api.delete(KAFKA_CLUSTERS, "events")
    await guard.check()
    assert guard.wrong() is None, "it may only be late"
    clock.now += 16
    assert "kafkaclusters for 16 s" in (guard.wrong() or "")
    await guard.check()
    assert guard.wrong() is not None
    # and it may come back
    for known in list(mirror.all(KAFKA_CLUSTERS)):
        mirror.saw_end(KAFKA_CLUSTERS, known)
    for body in await api.list(KAFKA_CLUSTERS):
        mirror.saw(KAFKA_CLUSTERS, body)
    await guard.check()
    assert guard.wrong() is None


async def test_an_api_that_does_not_answer_proves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    guard = WatchGuard(bench.context.client, Mirror(), WATCHED, (), clock=clock)

    async def away(*_: object) -> None:
        raise ApiUnreachableError("gone")

    monkeypatch.setattr(bench.context.client, "list_metadata", away)
    await guard.check()
    clock.now += 100
    assert guard.wrong() is None
