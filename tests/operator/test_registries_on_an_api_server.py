"""`SchemaRegistry` with pods, against a real API server: what is made, what is waited for, what rolls, what goes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from operator_fakes import GroupBrokers

from kopfka_operator.errors import RegistryUnreachableError, RetryLater
from kopfka_operator.kafka.admin import GroupState
from kopfka_operator.kube.resources import (
    BUDGETS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    KAFKA_CLUSTERS,
    PODS,
    SCHEMA_REGISTRIES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Ref,
)
from kopfka_operator.registry.registries import Registries
from kopfka_operator.schemaregistry.reconciler import RegistryReconciler
from kopfka_runtime.settings import parse_properties
from support.waiting import eventually_async

if TYPE_CHECKING:
    from conftest import Api, Bench

FINE = {
    "Ready": ("True", "Ready"),
    "Progressing": ("False", "Reconciled"),
    "Degraded": ("False", "AsExpected"),
}
NEVER = "1970-01-01T00:00:00Z"


class Told:
    """A registry's REST API that remembers what it was told, or that is not there."""

    url = "http://test"

    def __init__(self) -> None:
        self.level: str | None = "BACKWARD"
        self.mode_: str | None = "READWRITE"
        self.away = False
        self.told: list[tuple[str, str | None]] = []

    async def of(self, _namespace: str, _name: str) -> Told:
        if self.away:
            raise RegistryUnreachableError("the registry at http://test does not answer")
        return self

    async def forget(self, _namespace: str, _name: str) -> None:
        pass

    async def compatibility(self, _subject: None = None) -> Any:
        from kopfka_operator.registry.model import Level

        return Level(self.level) if self.level else None

    async def mode(self, _subject: None = None) -> str | None:
        return self.mode_

    async def set_compatibility(self, _subject: None, level: str) -> None:
        self.told.append(("compatibility", level))
        self.level = level

    async def set_mode(self, _subject: None, mode: str) -> None:
        self.told.append(("mode", mode))
        self.mode_ = mode


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def brokers() -> GroupBrokers:
    return GroupBrokers()


@pytest.fixture
def registries(bench: Bench, told: Told, brokers: GroupBrokers, changes: list[tuple[str, str]]) -> RegistryReconciler:
    return RegistryReconciler(bench.context, told, brokers, lambda *key: changes.append(key))  # type: ignore[arg-type]


async def caught_up(api: Api, bench: Bench, ref: Ref) -> None:
    version = (await api.get(ref.type, ref.name))["metadata"]["resourceVersion"]

    def same() -> bool:
        known = bench.context.mirror.get(ref)
        return known is not None and known["metadata"]["resourceVersion"] == version

    await eventually_async(same)


async def create(api: Api, bench: Bench, **spec: Any) -> None:
    await api.create(SCHEMA_REGISTRIES, "schemas", {"bootstrapServers": "kafka:9092", **spec})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))


async def change(api: Api, bench: Bench, **spec: Any) -> None:
    await api.patch(SCHEMA_REGISTRIES, "schemas", {"spec": spec})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))


async def start_pods(api: Api, bench: Bench, *, ready: int | None = None) -> None:
    """Do what the Deployment's controller and a node do: pods of its template, then their statuses."""
    deployment = await api.get(DEPLOYMENTS, "schemas-registry")
    template, wanted = deployment["spec"]["template"], deployment["spec"]["replicas"]
    for body in await api.list(PODS):
        await api.cluster.delete(api.gvr(PODS), "default", body["metadata"]["name"], grace_seconds=0)
        ref = Ref(PODS, "default", body["metadata"]["name"])
        await eventually_async(lambda ref=ref: bench.context.mirror.get(ref) is None)
    for number in range(wanted):
        ref = Ref(PODS, "default", f"schemas-registry-{number}")
        manifest = ref.manifest(metadata=dict(template["metadata"]), spec=template["spec"])
        await api.cluster.create(api.gvr(PODS), "default", manifest)
        condition = {"type": "Ready", "status": str(ready is None or number < ready)}
        status = {"phase": "Running", "conditions": [condition], "podIP": f"10.0.0.{number}"}
        await api.patch(PODS, ref.name, {"status": status}, "status")
        await caught_up(api, bench, ref)


async def secret(api: Api, name: str, **entries: str) -> None:
    data = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in entries.items()}
    existing = {body["metadata"]["name"] for body in await api.list(SECRETS)}
    if name in existing:
        await api.patch(SECRETS, name, {"data": data})
    else:
        await api.cluster.create(api.gvr(SECRETS), "default", Ref(SECRETS, "default", name).manifest(data=data))


async def make_cluster_ready(api: Api, bench: Bench) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": NEVER}
    listener = {"name": "plain", "type": "internal", "bootstrapServers": "events-bootstrap.default.svc:9092"}
    status = {"status": {"conditions": [condition], "listeners": [listener]}}
    await api.patch(KAFKA_CLUSTERS, "events", status, "status")
    await caught_up(api, bench, Ref(KAFKA_CLUSTERS, "default", "events"))


async def test_a_registry_becomes_its_objects_and_ready(
    api: Api, bench: Bench, registries: RegistryReconciler, changes: list[tuple[str, str]]
) -> None:
    await create(api, bench, replicas=2)
    await registries.reconcile("default", "schemas")
    made = {
        (type_.kind, body["metadata"]["name"])
        for type_ in (CONFIG_MAPS, SERVICE_ACCOUNTS, SERVICES, BUDGETS, DEPLOYMENTS)
        for body in await api.list(type_)
        if "kopfka.io/registry" in body["metadata"].get("labels", {})
    }
    kinds = ("ConfigMap", "ServiceAccount", "Service", "PodDisruptionBudget", "Deployment")
    assert made == {(kind, "schemas-registry") for kind in kinds}
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "Starting")
    assert changes == []

    await start_pods(api, bench, ready=1)
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "Starting")
    assert "1 of 2 pods serve" in await api.message(SCHEMA_REGISTRIES, "schemas", "Ready")
    assert changes == [("default", "schemas")], "one that serves is enough for subjects"

    await start_pods(api, bench)
    await registries.reconcile("default", "schemas")
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    status = (await api.get(SCHEMA_REGISTRIES, "schemas"))["status"]
    assert (status["replicas"], status["readyReplicas"], status["observedGeneration"]) == (2, 2, 1)
    assert status["url"] == "http://schemas-registry.default.svc:8081"


async def test_a_converged_registry_causes_no_write(
    api: Api, bench: Bench, registries: RegistryReconciler, told: Told
) -> None:
    await secret(api, "tls", tls_crt="c", tls_key="k")
    await secret(api, "users", users_properties="alice: a,admin")
    await secret(api, "kafka", username="u", password="p", ca_crt="ca")
    await create(
        api,
        bench,
        replicas=2,
        compatibility="FULL",
        mode="READWRITE",
        kafka={"securityProtocol": "SASL_SSL", "saslMechanism": "PLAIN", "secretName": "kafka"},
        tls={"secretName": "tls"},
        authentication={"basic": {"secretName": "users"}, "roles": ["admin"]},
        external={"type": "LoadBalancer", "advertisedHost": "127.0.0.1"},
        config={"schema.compatibility.level": "full", "kafkastore.timeout.ms": 500},
        resources={"requests": {"cpu": "1000m"}, "limits": {"memory": "1024Mi"}},
        template={"pod": {"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "fast"}}},
    )
    await registries.reconcile("default", "schemas")
    await start_pods(api, bench)
    await registries.reconcile("default", "schemas")
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    assert told.told == [("compatibility", "FULL")]
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    bench.writes.clear()
    for _ in range(3):
        await registries.reconcile("default", "schemas")
    assert bench.writes == []
    assert told.told == [("compatibility", "FULL")]


async def test_it_waits_for_its_cluster_and_finds_it(api: Api, bench: Bench, registries: RegistryReconciler) -> None:
    await api.create(SCHEMA_REGISTRIES, "schemas", {"cluster": "events"})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "ClusterNotFound")
    assert await api.list(DEPLOYMENTS) == []
    await api.create(KAFKA_CLUSTERS, "events", {})
    await caught_up(api, bench, Ref(KAFKA_CLUSTERS, "default", "events"))
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "ClusterNotReady")
    await make_cluster_ready(api, bench)
    await registries.reconcile("default", "schemas")
    text = (await api.get(CONFIG_MAPS, "schemas-registry"))["data"]["registry.properties"]
    assert parse_properties(text)["kafkastore.bootstrap.servers"] == "events-bootstrap.default.svc:9092"
    assert (await api.get(DEPLOYMENTS, "schemas-registry"))["spec"]["replicas"] == 1


async def test_who_leads_is_told_once_it_is_settled(
    api: Api, bench: Bench, registries: RegistryReconciler, brokers: GroupBrokers
) -> None:
    await api.create(KAFKA_CLUSTERS, "events", {})
    await make_cluster_ready(api, bench)
    await api.create(SCHEMA_REGISTRIES, "schemas", {"cluster": "events", "replicas": 2})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    await registries.reconcile("default", "schemas")
    await start_pods(api, bench)
    brokers.groups["schema-registry"] = GroupState("CompletingRebalance")
    assert await registries.reconcile("default", "schemas") == 1.0, "an election is on its way"
    assert "leader" not in (await api.get(SCHEMA_REGISTRIES, "schemas"))["status"]
    said = json.dumps({"version": 1, "error": 0, "master": "m", "master_identity": {"host": "10.0.0.1", "port": 8081}})
    brokers.groups["schema-registry"] = GroupState("Stable", (said.encode(),) * 2)
    assert await registries.reconcile("default", "schemas") is None
    assert (await api.get(SCHEMA_REGISTRIES, "schemas"))["status"]["leader"] == "schemas-registry-1"
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    bench.writes.clear()
    await registries.reconcile("default", "schemas")
    assert bench.writes == []
    # none may lead: nothing can be registered, though all pods serve
    brokers.groups["schema-registry"] = GroupState("Stable", (b'{"version": 1, "error": 1}',) * 2)
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "NoLeader")
    assert "deployment/schemas-registry" in await api.message(SCHEMA_REGISTRIES, "schemas", "Degraded")
    # another registry over the same topic leads: that is no trouble
    other = said.replace("10.0.0.1", "10.9.9.9").encode()
    brokers.groups["schema-registry"] = GroupState("Stable", (other,) * 2)
    await registries.reconcile("default", "schemas")
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    assert "leader" not in (await api.get(SCHEMA_REGISTRIES, "schemas"))["status"]


async def test_a_secret_is_waited_for_and_a_rotated_one_rolls_the_pods(
    api: Api, bench: Bench, registries: RegistryReconciler
) -> None:
    await create(api, bench, authentication={"basic": {"secretName": "users"}})
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "SecretNotFound")
    assert "create it, with users.properties" in await api.message(SCHEMA_REGISTRIES, "schemas", "Ready")
    await secret(api, "users", users_properties="alice: a,admin")
    await registries.reconcile("default", "schemas")
    await start_pods(api, bench)
    await registries.reconcile("default", "schemas")
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    before = (await api.get(DEPLOYMENTS, "schemas-registry"))["spec"]["template"]["metadata"]["annotations"]
    await secret(api, "users", users_properties="alice: b,admin")
    await registries.reconcile("default", "schemas")
    after = (await api.get(DEPLOYMENTS, "schemas-registry"))["spec"]["template"]["metadata"]["annotations"]
    assert before["kopfka.io/secrets-hash"] != after["kopfka.io/secrets-hash"]
    assert before["kopfka.io/config-hash"] == after["kopfka.io/config-hash"]
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "RollingOut")


async def test_defaults_are_told_before_it_is_ready(
    api: Api, bench: Bench, registries: RegistryReconciler, told: Told, changes: list[tuple[str, str]]
) -> None:
    await create(api, bench, compatibility="FULL", mode="READONLY")
    await registries.reconcile("default", "schemas")
    assert told.told == []
    await start_pods(api, bench)
    told.away = True
    with pytest.raises(RetryLater):
        await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "RegistryUnreachable")
    told.away = False
    await registries.reconcile("default", "schemas")
    assert told.told == [("compatibility", "FULL"), ("mode", "READONLY")]
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    # put right when somebody changes them
    told.level = "NONE"
    await registries.reconcile("default", "schemas")
    assert told.told[2:] == [("compatibility", "FULL")]


async def test_what_somebody_changed_is_put_right(api: Api, bench: Bench, registries: RegistryReconciler) -> None:
    await create(api, bench)
    await registries.reconcile("default", "schemas")
    await start_pods(api, bench)
    await registries.reconcile("default", "schemas")
    await api.patch(DEPLOYMENTS, "schemas-registry", {"spec": {"replicas": 5}})
    await caught_up(api, bench, Ref(DEPLOYMENTS, "default", "schemas-registry"))
    bench.writes.clear()
    await registries.reconcile("default", "schemas")
    assert [path for _, path in bench.writes] == ["/apis/apps/v1/namespaces/default/deployments/schemas-registry"]
    assert (await api.get(DEPLOYMENTS, "schemas-registry"))["spec"]["replicas"] == 1


async def test_it_becomes_external_and_what_served_goes(
    api: Api, bench: Bench, registries: RegistryReconciler, changes: list[tuple[str, str]]
) -> None:
    await create(api, bench, external={"type": "NodePort", "advertisedHost": "node"})
    await registries.reconcile("default", "schemas")
    await start_pods(api, bench)
    await registries.reconcile("default", "schemas")
    await change(api, bench, engine="external", url="http://elsewhere:8081", bootstrapServers=None, external=None)
    await registries.reconcile("default", "schemas")
    assert await api.list(DEPLOYMENTS) == []
    assert [body for body in await api.list(SERVICES) if body["metadata"]["name"].startswith("schemas")] == []
    assert await api.conditions(SCHEMA_REGISTRIES, "schemas") == FINE
    status = (await api.get(SCHEMA_REGISTRIES, "schemas"))["status"]
    assert status["url"] == "http://elsewhere:8081"
    assert "readyReplicas" not in status


async def test_paused_says_so_and_does_nothing(api: Api, bench: Bench, registries: RegistryReconciler) -> None:
    spec = {"bootstrapServers": "kafka:9092"}
    await api.create(SCHEMA_REGISTRIES, "schemas", spec, annotations={"kopfka.io/paused": "true"})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    await registries.reconcile("default", "schemas")
    assert await api.list(DEPLOYMENTS) == []
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Progressing"] == ("False", "Paused")


async def test_settings_that_follow_from_the_spec_are_refused_with_a_remedy(
    api: Api, bench: Bench, registries: RegistryReconciler
) -> None:
    await create(api, bench, config={"host.name": "me"})
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "InvalidSpec")
    assert "config sets host.name" in await api.message(SCHEMA_REGISTRIES, "schemas", "Ready")


async def test_one_that_is_gone_is_told_to_its_subjects(
    api: Api, bench: Bench, registries: RegistryReconciler, changes: list[tuple[str, str]]
) -> None:
    await create(api, bench)
    await api.delete(SCHEMA_REGISTRIES, "schemas")
    await eventually_async(lambda: bench.context.mirror.get(Ref(SCHEMA_REGISTRIES, "default", "schemas")) is None)
    await registries.reconcile("default", "schemas")
    assert changes == [("default", "schemas")]


async def test_a_secret_that_may_not_be_read_is_told(
    api: Api, bench: Bench, registries: RegistryReconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kopfka_operator.errors import ApiError

    await create(api, bench, tls={"secretName": "tls"})
    get = bench.context.client.get

    async def forbid(ref: Ref) -> Any:
        if ref.type is SECRETS:
            raise ApiError(403, "Forbidden", 'secrets "tls" is forbidden')
        return await get(ref)

    monkeypatch.setattr(bench.context.client, "get", forbid)
    await registries.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_REGISTRIES, "schemas"))["Ready"] == ("False", "RefusedByApiServer")
    assert 'secrets "tls" is forbidden' in await api.message(SCHEMA_REGISTRIES, "schemas", "Ready")


async def test_the_operator_reads_its_login_from_the_api(api: Api, bench: Bench) -> None:
    await secret(api, "users", users_properties="alice: s3cret,admin")
    spec = {
        "authentication": {"basic": {"secretName": "users"}},
        "external": {"type": "NodePort", "advertisedHost": "node", "advertisedUrl": "http://node:1"},
    }
    await create(api, bench, **spec)
    await api.patch(
        SCHEMA_REGISTRIES, "schemas", {"status": {"conditions": [], "externalUrl": "http://node:1"}}, "status"
    )
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    made = Registries(bench.context.mirror, bench.context.client)
    try:
        client = await made.of("default", "schemas")
        assert client.url == "http://node:1"
        assert client._session.headers["Authorization"].startswith("Basic ")
    finally:
        await made.close()
