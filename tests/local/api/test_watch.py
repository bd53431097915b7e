"""Watches in process and over HTTP: nothing missed, nothing twice, resumption, 410, bookmarks, selectors, the end."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import storage as storage_module
from kopfka_local.api.cluster import Cluster
from kopfka_local.api.errors import ApiError
from kopfka_local.api.resources import Gvr
from local.api import dialogue

if TYPE_CHECKING:
    from pathlib import Path

    from local.api.clients import Client
    from local.api.conftest import RunningServer

MAPS = Gvr("", "v1", "configmaps")


async def take(watch: Any, count: int) -> list[tuple[str, str]]:
    found = []
    async with asyncio.timeout(10):
        async for kind, obj in watch:
            found.append((kind, obj["metadata"]["name"]))
            if len(found) == count:
                break
    return found


async def test_first_what_is_then_what_changes(cluster: Cluster) -> None:
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    watch = cluster.watch(MAPS)
    assert await take(watch, 1) == [("ADDED", "a")]


async def test_changes_in_their_order(cluster: Cluster) -> None:
    since = (await cluster.list(MAPS))[1]
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    await cluster.patch(MAPS, "default", "a", {"data": {"x": "1"}})
    await cluster.delete(MAPS, "default", "a")
    assert await take(cluster.watch(MAPS, resource_version=since), 3) == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
    ]


async def test_an_object_that_stops_matching_is_deleted_for_the_watcher(cluster: Cluster) -> None:
    since = (await cluster.list(MAPS))[1]
    watch = cluster.watch(MAPS, resource_version=since, label_selector="on=yes")
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    await cluster.patch(MAPS, "default", "a", {"metadata": {"labels": {"on": "yes"}}})
    await cluster.patch(MAPS, "default", "a", {"data": {"x": "1"}})
    await cluster.patch(MAPS, "default", "a", {"metadata": {"labels": {"on": "no"}}})
    assert await take(watch, 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_version_older_than_the_history_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "HISTORY", 5)
    since = (await cluster.list(MAPS))[1]
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    for number in range(10):
        await cluster.patch(MAPS, "default", "a", {"data": {"x": str(number)}})
    with pytest.raises(ApiError) as gone:
        await take(cluster.watch(MAPS, resource_version=since), 1)
    assert (gone.value.status, gone.value.reason) == (410, "Expired")


async def test_a_watcher_that_lags_too_far_behind_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_LAGGING", 5)
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    watch = cluster.watch(MAPS)
    await take(watch, 1)
    watch = cluster.watch(MAPS)
    reading = asyncio.ensure_future(take(watch, 50))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for number in range(10):
        await cluster.patch(MAPS, "default", "a", {"data": {"x": str(number)}})
    with pytest.raises(ApiError) as gone:
        await reading
    assert gone.value.status == 410


@given(st.lists(st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from("abc")), max_size=20), st.integers(0, 20))
def test_whoever_follows_from_any_moment_knows_the_present(steps: list[tuple[str, str]], start: int) -> None:
    import tempfile
    from pathlib import Path

    async def follow(folder: Path) -> None:
        cluster = Cluster(folder)
        known: dict[str, Any] = {}
        since = None
        for index, (what, name) in enumerate(steps):
            if index == start:
                items, since = await cluster.list(MAPS)
                known = {item["metadata"]["name"]: item for item in items}
            try:
                if what == "delete":
                    await cluster.delete(MAPS, "default", name)
                else:
                    await cluster.create(MAPS, "default", dialogue.config_map(name))
            except ApiError as error:
                if error.reason == "AlreadyExists":
                    await cluster.patch(MAPS, "default", name, {"data": {"n": str(index)}})
        if since is not None:
            watch = cluster.watch(MAPS, resource_version=since)
            cluster.objects.storage._subscriptions.clear()
            reading = asyncio.ensure_future(_follow(watch, known))
            await asyncio.sleep(0)
            cluster.objects.storage.end_watches()
            await asyncio.wait_for(reading, 10)
            present = {item["metadata"]["name"]: item for item in (await cluster.list(MAPS))[0]}
            assert known == present
        cluster.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(follow(Path(folder)))


async def _follow(watch: Any, known: dict[str, Any]) -> None:
    async for kind, obj in watch:
        if kind == "DELETED":
            del known[obj["metadata"]["name"]]
        else:
            known[obj["metadata"]["name"]] = obj


async def test_after_a_restart_the_last_revision_goes_on_and_older_ones_are_gone(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    before = (await cluster.list(MAPS))[1]
    await cluster.create(MAPS, "default", dialogue.config_map("a"))
    last = (await cluster.list(MAPS))[1]
    cluster.close()
    cluster = Cluster(tmp_path)
    created = await cluster.create(MAPS, "default", dialogue.config_map("b"))
    assert int(created["metadata"]["resourceVersion"]) > int(last)
    assert await take(cluster.watch(MAPS, resource_version=last), 1) == [("ADDED", "b")]
    with pytest.raises(ApiError):
        await take(cluster.watch(MAPS, resource_version=before), 1)
    cluster.close()


class Stream:
    """A watch over HTTP, read line by line."""

    def __init__(self, client: Client, path: str, accept: str = "application/json") -> None:
        import http.client

        self.connection = http.client.HTTPSConnection("127.0.0.1", client.server.port, context=client.tls, timeout=20)
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {client.token}", "Accept": accept})
        self.answer = self.connection.getresponse()

    def next(self) -> Any:
        line = self.answer.readline()
        return json.loads(line) if line else None

    def close(self) -> None:
        self.connection.close()


def test_initial_events_end_with_a_bookmark(client: Client) -> None:
    client.send("POST", "/api/v1/namespaces/default/configmaps", dialogue.config_map("w1"))
    stream = Stream(
        client,
        "/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan",
    )
    kinds = []
    while (event := stream.next())["type"] != "BOOKMARK":
        kinds.append(event["type"])
    assert kinds
    assert set(kinds) == {"ADDED"}
    assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    stream.close()


def test_a_watch_of_tables_names_its_columns_once(client: Client) -> None:
    form = "application/json;as=Table;v=v1;g=meta.k8s.io"
    stream = Stream(client, "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name=w2", form)
    client.send("POST", "/api/v1/namespaces/default/configmaps", dialogue.config_map("w2", a="b"))
    client.send("PATCH", "/api/v1/namespaces/default/configmaps/w2", {"data": {"c": "d"}}, content_type=dialogue.MERGE)
    first, second = stream.next()["object"], stream.next()["object"]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert (first["rows"][0]["cells"][:2], second["columnDefinitions"]) == (["w2", 1], [])
    assert second["rows"][0]["cells"][:2] == ["w2", 2]
    stream.close()


def test_too_old_a_version_is_an_error_event_so_that_clients_list_again(client: Client) -> None:
    stream = Stream(client, "/api/v1/configmaps?watch=1&resourceVersion=1000000")
    event = stream.next()
    assert (stream.answer.status, event["type"], event["object"]["code"], event["object"]["reason"]) == (
        200,
        "ERROR",
        410,
        "Expired",
    )
    assert stream.next() is None


def test_a_watch_ends_when_its_time_is_over(client: Client) -> None:
    stream = Stream(client, "/api/v1/secrets?watch=1&timeoutSeconds=1&resourceVersion=1000")
    while stream.next() is not None:
        pass


def test_a_server_that_stops_ends_its_watches(tmp_path: Path) -> None:
    from local.api.conftest import RunningServer

    server = RunningServer(tmp_path / "state")
    streams = [Stream(server.client, "/api/v1/pods?watch=1") for _ in range(3)]
    ended = [threading.Thread(target=stream.next) for stream in streams]
    for thread in ended:
        thread.start()
    server.stop()
    for thread in ended:
        thread.join(10)
        assert not thread.is_alive()


def test_a_client_that_goes_leaves_nothing_behind(server: RunningServer, client: Client) -> None:
    from support.waiting import eventually

    before = len(server.cluster.objects.storage._subscriptions)
    stream = Stream(client, "/api/v1/nodes?watch=1")
    eventually(lambda: len(server.cluster.objects.storage._subscriptions) == before + 1, what="the watch")
    stream.close()
    stream.answer.close()
    eventually(lambda: len(server.cluster.objects.storage._subscriptions) == before, what="the end of the watch")
