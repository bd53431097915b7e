"""Controllers and node together, with real child processes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from kopfka_local.api.errors import ApiError
from kopfka_local.controllers.base import Writer
from kopfka_local.kinds import (
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    REVISIONS,
    SERVICE_ACCOUNTS,
    SERVICES,
    SLICES,
    STATEFUL_SETS,
    VOLUMES,
    name_of,
    owner_reference,
    uid_of,
)
from kopfka_local.recorder import Recorder
from local.laptop import WAIT, Laptop, claim_template, container, pod, stateful_set
from support.processes import free_port
from support.waiting import eventually_async

if TYPE_CHECKING:
    from typing import Any


def ready_replicas(number: int):  # type: ignore[no-untyped-def]
    return lambda obj: (obj.get("status") or {}).get("readyReplicas", 0) == number


async def test_a_stateful_set_keeps_its_data_and_its_address(laptop: Laptop) -> None:
    script = f"open('/data/log', 'a').write('x'); print(open('/data/log').read()); {WAIT}"
    mounts = [{"name": "data", "mountPath": "/data"}]
    a_container = container(script, volumeMounts=mounts, ports=[{"containerPort": free_port()}])
    await laptop.apply(STATEFUL_SETS, stateful_set("web", a_container, volumeClaimTemplates=[claim_template()]))
    first = await laptop.ready("web-0")
    claim = await laptop.until(CLAIMS, "data-web-0", lambda one: one["status"]["phase"] == "Bound")
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    await eventually_async(lambda: _log_is(laptop, "web-0", "x\n"))
    await laptop.cluster.delete(PODS, "default", "web-0")
    second = await laptop.ready("web-0", lambda one: uid_of(one) != uid_of(first))
    await eventually_async(lambda: _log_is(laptop, "web-0", "xx\n"))
    assert second["status"]["podIP"] == first["status"]["podIP"]

    # the set goes, the claim stays, and the next set of that name finds the data
    await laptop.cluster.delete(STATEFUL_SETS, "default", "web")
    await laptop.until_gone(PODS, "web-0")
    await laptop.apply(STATEFUL_SETS, stateful_set("web", a_container, volumeClaimTemplates=[claim_template()]))
    await laptop.ready("web-0")
    await eventually_async(lambda: _log_is(laptop, "web-0", "xxx\n"))


async def _log_is(laptop: Laptop, name: str, text: str) -> bool:
    found = await laptop.log(name)
    assert found == text
    return True


async def test_a_changed_template_rolls_and_can_be_rolled_back(laptop: Laptop) -> None:
    one = stateful_set("web", container(env=[{"name": "V", "value": "1"}]), replicas=2)
    await laptop.apply(STATEFUL_SETS, one)
    first = await laptop.until(STATEFUL_SETS, "web", ready_replicas(2))
    two = stateful_set("web", container(env=[{"name": "V", "value": "2"}]), replicas=2)
    await laptop.apply(STATEFUL_SETS, two)

    def rolled(obj: dict[str, Any]) -> bool:
        status = obj["status"]
        return bool(
            status["currentRevision"] == status["updateRevision"] != first["status"]["updateRevision"]
            and status["updatedReplicas"] == status["readyReplicas"] == 2
        )

    second = await laptop.until(STATEFUL_SETS, "web", rolled)
    revisions = {name_of(one): one["revision"] for one in (await laptop.cluster.list(REVISIONS, "default"))[0]}
    assert revisions == {first["status"]["updateRevision"]: 1, second["status"]["updateRevision"]: 2}
    await laptop.apply(STATEFUL_SETS, one)
    back = await laptop.until(
        STATEFUL_SETS, "web", lambda obj: obj["status"]["currentRevision"] == first["status"]["updateRevision"]
    )
    assert back["status"]["updateRevision"] == first["status"]["updateRevision"]


async def test_claims_grow_and_go(laptop: Laptop) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c"},
        "spec": claim_template()["spec"],
    }
    await laptop.apply(CLAIMS, claim)
    bound = await laptop.until(CLAIMS, "c", lambda one: one["status"]["phase"] == "Bound")
    volume = await laptop.until(
        VOLUMES, bound["spec"]["volumeName"], lambda one: one["status"]["phase"] == "Bound", None
    )
    folder = laptop.folder / "volumes" / name_of(volume)
    assert volume["spec"]["hostPath"]["path"] == str(folder)
    (folder / "x").touch()
    patch = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    await laptop.cluster.patch(CLAIMS, "default", "c", patch)
    await laptop.until(CLAIMS, "c", lambda one: one["status"]["capacity"]["storage"] == "2Gi")
    await laptop.cluster.delete(CLAIMS, "default", "c")
    await laptop.until_gone(VOLUMES, name_of(volume), None)
    await eventually_async(lambda: not folder.exists())


async def test_a_claim_in_use_waits(laptop: Laptop) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c"},
        "spec": claim_template()["spec"],
    }
    await laptop.apply(CLAIMS, claim)
    await laptop.apply(PODS, pod("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]))
    await laptop.ready("p")
    await laptop.cluster.delete(CLAIMS, "default", "c")
    assert (await laptop.until(CLAIMS, "c", bool))["metadata"]["deletionTimestamp"]
    await laptop.cluster.delete(PODS, "default", "p")
    await laptop.until_gone(CLAIMS, "c")


async def test_a_kept_volume_is_released(laptop: Laptop) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c"},
        "spec": claim_template()["spec"],
    }
    await laptop.apply(CLAIMS, claim)
    bound = await laptop.until(CLAIMS, "c", lambda one: one["status"]["phase"] == "Bound")
    name = bound["spec"]["volumeName"]
    await laptop.cluster.patch(VOLUMES, None, name, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    await laptop.cluster.delete(CLAIMS, "default", "c")
    await laptop.until(VOLUMES, name, lambda one: one["status"]["phase"] == "Released", None)
    assert (laptop.folder / "volumes" / name).is_dir()


def deployment(name: str, a_container: dict[str, Any], replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [a_container], "terminationGracePeriodSeconds": 5},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def test_a_deployment_rolls_and_goes_with_all_it_owns(laptop: Laptop) -> None:
    await laptop.apply(DEPLOYMENTS, deployment("d", container(), 2))
    await laptop.until(DEPLOYMENTS, "d", ready_replicas(2))
    await laptop.apply(DEPLOYMENTS, deployment("d", container(env=[{"name": "V", "value": "2"}]), 2))
    done = await laptop.until(
        DEPLOYMENTS, "d",
        lambda one: one["status"]["observedGeneration"] == one["metadata"]["generation"]
        and one["status"].get("updatedReplicas") == one["status"].get("availableReplicas") ==
        one["status"]["replicas"] == 2,
    )  # fmt: skip
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    await laptop.cluster.delete(DEPLOYMENTS, "default", "d")
    for gvr in (REPLICA_SETS, PODS):
        await eventually_async(lambda gvr=gvr: _none(laptop, gvr))


async def _none(laptop: Laptop, gvr: Any, namespace: str = "default") -> bool:
    return not (await laptop.cluster.list(gvr, namespace))[0]


async def test_foreground_deletion_and_orphans(laptop: Laptop) -> None:
    await laptop.apply(STATEFUL_SETS, stateful_set("a", container()))
    await laptop.apply(STATEFUL_SETS, stateful_set("b", container()))
    await laptop.ready("a-0")
    await laptop.ready("b-0")
    await laptop.cluster.delete(STATEFUL_SETS, "default", "a", propagation="Foreground")
    await laptop.until_gone(STATEFUL_SETS, "a")
    assert await laptop.find(PODS, "a-0") is None  # gone before its owner
    await laptop.cluster.delete(STATEFUL_SETS, "default", "b", propagation="Orphan")
    await laptop.until_gone(STATEFUL_SETS, "b")
    left = await laptop.until(PODS, "b-0", lambda one: not one["metadata"].get("ownerReferences"))
    assert "deletionTimestamp" not in left["metadata"]


async def test_a_job(laptop: Laptop) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [container("print('done')")]}}
    a_job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template, "completions": 2},
    }
    await laptop.apply(JOBS, a_job)
    done = await laptop.until(
        JOBS, "j", lambda one: any(c["type"] == "Complete" for c in (one.get("status") or {}).get("conditions") or ())
    )
    assert done["status"]["succeeded"] == 2


ECHO = """
import os, socketserver
class H(socketserver.BaseRequestHandler):
    def handle(self):
        data = self.request.recv(100)
        self.request.sendall(os.environ['HOSTNAME'].encode() + b' ' + data)
s = socketserver.ThreadingTCPServer((os.environ['KOPFKA_POD_IP'], int(os.environ['PORT'])), H); s.serve_forever()
"""


async def test_services_lead_to_ready_pods(laptop: Laptop) -> None:
    port = free_port()
    a_container = container(
        ECHO, env=[{"name": "PORT", "value": str(port)}], ports=[{"name": "echo", "containerPort": port}],
        readinessProbe={"tcpSocket": {"port": "echo"}},
    )  # fmt: skip
    await laptop.apply(STATEFUL_SETS, stateful_set("web", a_container, replicas=2))
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"name": "e", "port": 7, "targetPort":
        "echo"}]},
    }  # fmt: skip
    await laptop.apply(SERVICES, service)
    await laptop.apply(SERVICES, {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "webs"},
        "spec": {"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"name": "e", "port": port}]},
    })  # fmt: skip
    await laptop.until(STATEFUL_SETS, "web", ready_replicas(2))
    found = await laptop.until(
        SERVICES, "s", lambda one: one["spec"]["ports"][0].get("nodePort") and one["spec"].get("clusterIP")
    )
    await laptop.until(ENDPOINTS, "s", lambda one: len((one["subsets"] or [{}])[0].get("addresses", [])) == 2)
    slices, _ = await laptop.cluster.list(SLICES, "default", "kubernetes.io/service-name=s")
    assert [len(one["endpoints"]) for one in slices] == [2]

    async def both() -> bool:
        with contextlib.suppress(ConnectionError):
            return await ask_twice()
        return False

    async def ask_twice() -> bool:
        answers = {await _ask("127.0.0.1", found["spec"]["ports"][0]["nodePort"]) for _ in range(2)}
        return answers == {b"web-0 hi", b"web-1 hi"}

    await eventually_async(both)
    assert await _ask(found["spec"]["clusterIP"], 7) in (b"web-0 hi", b"web-1 hi")
    hosts = (laptop.folder / "hosts").read_text()
    assert (
        "127.0.0.2 web-1.webs web-1.webs.default web-1.webs.default.svc web-1.webs.default.svc.cluster.local" in hosts
    )
    assert f"{found['spec']['clusterIP']} s s.default" in hosts  # port 7 is not the pods'


async def _ask(address: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"hi")
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_namespace_is_furnished_and_emptied(laptop: Laptop) -> None:
    await laptop.cluster.create(NAMESPACES, None, {"metadata": {"name": "x"}})
    await laptop.until(SERVICE_ACCOUNTS, "default", bool, "x")
    await laptop.cluster.create(CONFIG_MAPS, "x", {"metadata": {"name": "c"}})
    await laptop.apply(PODS, pod("p"), "x")
    await laptop.until(PODS, "p", lambda one: (one.get("status") or {}).get("phase") == "Running", "x")
    await laptop.cluster.delete(NAMESPACES, None, "x")
    await laptop.until_gone(NAMESPACES, "x", None)
    assert await _none(laptop, PODS, "x")
    assert await _none(laptop, CONFIG_MAPS, "x")


async def test_a_pod_that_is_refused_is_said_so_on_its_owner(laptop: Laptop) -> None:
    refused = {"kind": "Pod", "metadata": {"name": "web-0", "namespace": "default"}, "spec": {"containers": [{}]}}
    created = await laptop.apply(STATEFUL_SETS, stateful_set("web", container(), replicas=0))
    refused["metadata"]["ownerReferences"] = [owner_reference(created, "apps/v1", "StatefulSet")]
    writer = Writer(laptop.cluster, laptop.informers, Recorder(laptop.cluster, "test"))
    with pytest.raises(ApiError):
        await writer.create(PODS, refused)
    assert await laptop.events("web") == ["FailedCreate"]


async def test_a_budget_counts(laptop: Laptop) -> None:
    await laptop.apply(STATEFUL_SETS, stateful_set("web", container(), replicas=2))
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec}
    await laptop.apply(BUDGETS, budget)
    found = await laptop.until(BUDGETS, "b", lambda one: (one.get("status") or {}).get("currentHealthy") == 2)
    status = found["status"]
    assert (status["desiredHealthy"], status["expectedPods"], status["disruptionsAllowed"]) == (1, 2, 1)
