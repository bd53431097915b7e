"""The operator as a process, with kopf and all, against a real API server: start, follow, stop, lose a watch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from kopfka_operator.kube.resources import (
    CLAIMS,
    CONFIG_MAPS,
    KAFKA_CLUSTERS,
    KAFKA_TOPICS,
    LEASES,
    SCHEMA_REGISTRIES,
    SCHEMA_SUBJECTS,
    STATEFUL_SETS,
    Ref,
)
from support.processes import BrokerProcess, free_port, running_broker, running_registry
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from conftest import Api


class OperatorProcess:
    """`kopfka operator` as a child."""

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str) -> None:
        self.kubeconfig = kubeconfig
        self.log = log
        self.arguments = arguments
        self.health = free_port()
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kopfka_cli",
                "operator",
                "--health",
                f"127.0.0.1:{self.health}",
                *self.arguments,
                stdout=log,
                stderr=log,
                env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "POD_NAME": "", "KOPFKA_IMAGE": "kopfka:test"},
            )

    async def probe(self, path: str) -> tuple[int, str]:
        def ask() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=2) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except OSError as error:
                return 0, str(error)

        return await asyncio.to_thread(ask)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


@pytest.fixture
async def operators(api: Api, tmp_path: Path) -> AsyncIterator[list[OperatorProcess]]:
    started: list[OperatorProcess] = []
    try:
        yield started
    finally:
        for each in started:
            if each.process is not None and each.process.returncode is None:
                await each.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path_factory.mktemp("broker") / "data") as process:
        yield process


async def test_from_resources_to_a_topic_and_a_clean_stop(
    api: Api, operators: list[OperatorProcess], tmp_path: Path, broker: BrokerProcess
) -> None:
    operator = OperatorProcess(api.kubeconfig, tmp_path / "operator.log", "--resync", "1")
    operators.append(operator)
    await operator.start()
    # the port that "NodePort" gives is the broker's, so the operator finds it from outside, by the external listener
    listener = {"type": "NodePort", "advertisedHost": "127.0.0.1", "nodePort": broker.port}
    await api.create(KAFKA_CLUSTERS, "events", {"listeners": {"external": listener}})
    await api.create(KAFKA_TOPICS, "orders", {"cluster": "events", "partitions": 3, "reclaimPolicy": "Delete"})
    await eventually_async(lambda: _exists(api, STATEFUL_SETS, "events-broker"))
    assert (await api.conditions(KAFKA_TOPICS, "orders")).get("Ready", ("False",))[0] == "False"
    await api.start_pod("events")
    await eventually_async(lambda: _ready(api, KAFKA_CLUSTERS, "events"))
    await eventually_async(lambda: _ready(api, KAFKA_TOPICS, "orders"))
    assert (await api.get(KAFKA_TOPICS, "orders"))["status"]["partitions"] == 3
    await eventually_async(lambda: _cluster_id(api))
    assert (await operator.probe("/healthz"))[0] == 200
    assert (await operator.probe("/readyz"))[0] == 200

    # converged: nothing but the lease is written any more
    async def quiet() -> bool:
        before = api.cluster.objects.storage.revision, (await _lease(api))["metadata"]["resourceVersion"]
        await asyncio.sleep(1.2)  # longer than a resync, shorter than the lease's renewal
        lease = await _lease(api)
        return api.cluster.objects.storage.revision == before[0] or (
            lease["metadata"]["resourceVersion"] == str(api.cluster.objects.storage.revision)
            and api.cluster.objects.storage.revision - before[0] == 1
        )

    await eventually_async(quiet)

    status, metrics = await operator.probe("/metrics")
    assert status == 200
    orders = 'kind="KafkaTopic",name="orders",namespace="default",reason="Ready",type="Ready"'
    assert f"kopfka_resource_condition{{{orders}}} 1.0" in metrics
    assert "kopfka_operator_leader 1.0" in metrics
    assert 'kopfka_operator_reconciles_total{kind="KafkaCluster",outcome="done"}' in metrics

    # kopf has left no mark
    for type_, name in ((KAFKA_CLUSTERS, "events"), (KAFKA_TOPICS, "orders"), (CLAIMS, "data-events-broker-0")):
        metadata = (await api.get(type_, name))["metadata"]
        assert not [each for each in metadata.get("annotations") or {} if "kopf.zalando" in each]
        assert [each for each in metadata.get("finalizers") or [] if "kopf." in each] == []

    await api.delete(KAFKA_TOPICS, "orders")
    await eventually_async(lambda: _gone(api, KAFKA_TOPICS, "orders"))
    assert await operator.stop() == 0, operator.log.read_text()
    assert (await _lease(api))["spec"]["holderIdentity"] == ""
    assert "Traceback" not in operator.log.read_text()


async def test_schemas_follow_their_resources_and_config_maps_without_a_resync(
    api: Api, operators: list[OperatorProcess], tmp_path: Path, broker: BrokerProcess
) -> None:
    operator = OperatorProcess(
        api.kubeconfig, tmp_path / "operator.log", "--resync", "3600", "--leader-election", "off"
    )
    operators.append(operator)
    with running_registry(tmp_path / "registry", broker.bootstrap) as registry:
        await operator.start()
        source = {"configMapKeyRef": {"name": "texts", "key": "a.avsc"}}
        refers = {"schema": '{"type": "array", "items": "A"}', "references": [{"name": "A", "subject": "a"}]}
        await api.create(SCHEMA_SUBJECTS, "b", {"registry": "schemas", **refers})
        await api.create(SCHEMA_SUBJECTS, "a", {"registry": "schemas", "schemaFrom": source, "reclaimPolicy": "Delete"})
        await eventually_async(lambda: _says(api, SCHEMA_SUBJECTS, "a", "RegistryNotFound"))
        await api.create(SCHEMA_REGISTRIES, "schemas", {"engine": "external", "url": registry.url})
        await eventually_async(lambda: _ready(api, SCHEMA_REGISTRIES, "schemas"))
        await eventually_async(lambda: _says(api, SCHEMA_SUBJECTS, "a", "ConfigMapNotFound"))
        await eventually_async(lambda: _says(api, SCHEMA_SUBJECTS, "b", "ReferenceNotFound"))
        text = '{"type": "record", "name": "A", "fields": [%s]}'
        manifest = Ref(CONFIG_MAPS, "default", "texts").manifest(data={"a.avsc": text % ""})
        await api.cluster.create(api.gvr(CONFIG_MAPS), "default", manifest)
        await eventually_async(lambda: _ready(api, SCHEMA_SUBJECTS, "a"))
        await eventually_async(lambda: _ready(api, SCHEMA_SUBJECTS, "b"))
        grown = text % '{"name": "x", "type": "int", "default": 0}'
        await api.patch(CONFIG_MAPS, "texts", {"data": {"a.avsc": grown}})

        async def grew(name: str) -> bool:
            return (await api.get(SCHEMA_SUBJECTS, name))["status"].get("version") == 2

        await eventually_async(lambda: grew("a"))
        await eventually_async(lambda: grew("b"))
        await api.patch(SCHEMA_SUBJECTS, "b", {"spec": {"reclaimPolicy": "Delete"}})
        await eventually_async(lambda: _held(api, "b"))
        await api.delete(SCHEMA_SUBJECTS, "b")
        await eventually_async(lambda: _gone(api, SCHEMA_SUBJECTS, "b"))
        await api.delete(SCHEMA_SUBJECTS, "a")
        await eventually_async(lambda: _gone(api, SCHEMA_SUBJECTS, "a"))
    assert await operator.stop() == 0, operator.log.read_text()
    assert "Traceback" not in operator.log.read_text()


async def test_two_operators_never_both_lead_and_the_second_takes_over(
    api: Api, operators: list[OperatorProcess], tmp_path: Path
) -> None:
    first = OperatorProcess(api.kubeconfig, tmp_path / "first.log")
    second = OperatorProcess(api.kubeconfig, tmp_path / "second.log")
    operators += [first, second]
    await first.start()
    await eventually_async(lambda: _holder(api))
    holder = await _holder(api)
    await second.start()
    await eventually_async(lambda: "waiting" in second.log.read_text())
    assert (await second.probe("/readyz"))[0] == 200
    assert await _holder(api) == holder
    assert await first.stop() == 0
    await eventually_async(lambda: _other_holder(api, holder))
    await api.create(KAFKA_CLUSTERS, "events", {})
    await eventually_async(lambda: _exists(api, STATEFUL_SETS, "events-broker"))


async def test_a_dead_watch_turns_liveness_red(api: Api, operators: list[OperatorProcess], tmp_path: Path) -> None:
    async with breakable_proxy(api) as proxy:
        operator = OperatorProcess(
            proxy.kubeconfig(tmp_path), tmp_path / "operator.log", "--resync", "1", "--leader-election", "off"
        )
        operators.append(operator)
        await operator.start()
        await api.create(KAFKA_CLUSTERS, "events", {})
        await eventually_async(lambda: _exists(api, STATEFUL_SETS, "events-broker"))
        assert (await operator.probe("/healthz"))[0] == 200
        proxy.swallow = True
        await api.patch(KAFKA_CLUSTERS, "events", {"metadata": {"labels": {"changed": "unseen"}}})

        async def red() -> bool:
            status, text = await operator.probe("/healthz")
            return status == 503 and "kafkaclusters" in text

        await eventually_async(red)


async def test_an_api_server_that_goes_away_for_a_while_is_waited_for(
    api: Api, operators: list[OperatorProcess], tmp_path: Path
) -> None:
    async with breakable_proxy(api) as proxy:
        operator = OperatorProcess(
            proxy.kubeconfig(tmp_path), tmp_path / "operator.log", "--resync", "1", "--leader-election", "off"
        )
        operators.append(operator)
        proxy.refuse = True
        await operator.start()
        await eventually_async(lambda: "waiting" in operator.log.read_text())
        proxy.refuse = False
        await api.create(KAFKA_CLUSTERS, "first", {})
        await eventually_async(lambda: _exists(api, STATEFUL_SETS, "first-broker"))
        proxy.refuse = True
        proxy.cut()
        await eventually_async(lambda: operator.log.read_text().count("503") > 2)
        await api.create(KAFKA_CLUSTERS, "second", {})
        proxy.refuse = False
        await eventually_async(lambda: _exists(api, STATEFUL_SETS, "second-broker"))
        assert (await operator.probe("/healthz"))[0] == 200
        assert operator.process is not None
        assert operator.process.returncode is None


class Proxy:
    """A reverse proxy to the API server that can swallow what watches deliver, and keep their connections open."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.swallow = False
        self.refuse = False
        self.watches: set[asyncio.Task[object]] = set()
        self.port = free_port()

    def cut(self) -> None:
        """End all that is under way."""
        for task in list(self.watches):
            task.cancel()

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "proxied"
        text = self.api.kubeconfig.read_text().replace(self.api.url, f"http://127.0.0.1:{self.port}")
        path.write_text(text)
        return path


@contextlib.asynccontextmanager
async def breakable_proxy(api: Api) -> AsyncIterator[Proxy]:
    import ssl

    import aiohttp
    from aiohttp import web

    proxy = Proxy(api)
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE

    async def forward(request: web.Request) -> web.StreamResponse:
        if proxy.refuse:
            return web.json_response({"kind": "Status", "code": 503, "message": "HTTP 503"}, status=503)
        task = asyncio.current_task()
        assert task is not None
        proxy.watches.add(task)
        task.add_done_callback(proxy.watches.discard)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host",)}
        async with session.request(
            request.method, api.url + request.path_qs, headers=headers, data=await request.read()
        ) as upstream:
            kind = upstream.headers.get("Content-Type", "application/json")
            answer = web.StreamResponse(status=upstream.status, headers={"Content-Type": kind})
            await answer.prepare(request)
            async for chunk in upstream.content.iter_any():
                if not (proxy.swallow and "watch=true" in request.path_qs):
                    await answer.write(chunk)
            return answer

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=unverified, limit=0), timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", proxy.port).start()
        try:
            yield proxy
        finally:
            await runner.cleanup()


async def _exists(api: Api, type_: object, name: str) -> bool:
    return name in {body["metadata"]["name"] for body in await api.list(type_)}  # type: ignore[arg-type]


async def _gone(api: Api, type_: object, name: str) -> bool:
    return not await _exists(api, type_, name)


async def _ready(api: Api, type_: object, name: str) -> bool:
    return (await api.conditions(type_, name)).get("Ready", ("", ""))[0] == "True"  # type: ignore[arg-type]


async def _says(api: Api, type_: object, name: str, reason: str) -> bool:
    return (await api.conditions(type_, name)).get("Ready", ("", ""))[1] == reason  # type: ignore[arg-type]


async def _held(api: Api, name: str) -> bool:
    return bool((await api.get(SCHEMA_SUBJECTS, name))["metadata"].get("finalizers"))


async def _cluster_id(api: Api) -> str | None:
    return (await api.get(KAFKA_CLUSTERS, "events"))["status"].get("clusterId")


async def _lease(api: Api) -> dict[str, object]:
    return await api.get(LEASES, "kopfka-operator")


async def _holder(api: Api) -> str:
    if not await _exists(api, LEASES, "kopfka-operator"):
        return ""
    return (await api.get(LEASES, "kopfka-operator"))["spec"].get("holderIdentity") or ""


async def _other_holder(api: Api, former: str) -> bool:
    return await _holder(api) not in ("", former)
