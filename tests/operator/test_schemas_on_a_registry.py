"""`SchemaSubject` and `SchemaRegistry` against a real API server and a real registry on a real broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kopfka_operator.api.reasons import Reason
from kopfka_operator.errors import RetryLater
from kopfka_operator.kafka.admin import Admin
from kopfka_operator.kafka.brokers import Brokers
from kopfka_operator.kube.resources import CONFIG_MAPS, SCHEMA_REGISTRIES, SCHEMA_SUBJECTS, Ref
from kopfka_operator.registry.client import RegistryClient
from kopfka_operator.registry.model import Schema
from kopfka_operator.registry.registries import Registries
from kopfka_operator.schemaregistry.leader import leading_host
from kopfka_operator.schemaregistry.reconciler import RegistryReconciler
from kopfka_operator.schemasubject import reconciler as subject_reconciler
from kopfka_operator.schemasubject.reconciler import SubjectReconciler
from support.processes import BrokerProcess, RegistryProcess, free_port, running_broker, running_registry
from support.waiting import eventually_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from conftest import Api, Bench

FINE = {
    "Ready": ("True", "Ready"),
    "Progressing": ("False", "Reconciled"),
    "Degraded": ("False", "AsExpected"),
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    folder: Path = tmp_path_factory.mktemp("broker")
    with running_broker(folder / "data") as process:
        yield process


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, broker: BrokerProcess) -> Iterator[RegistryProcess]:
    with running_registry(tmp_path_factory.mktemp("registry") / "registry", broker.bootstrap) as process:
        yield process


@pytest.fixture
async def client(registry: RegistryProcess) -> AsyncIterator[RegistryClient]:
    """The registry, as others use it."""
    made = RegistryClient(registry.url)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def registries(bench: Bench) -> AsyncIterator[Registries]:
    made = Registries(bench.context.mirror, bench.context.client)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def followed() -> list[str]:
    return []


@pytest.fixture
def subjects(bench: Bench, registries: Registries, followed: list[str]) -> SubjectReconciler:
    return SubjectReconciler(bench.context, registries, followed.append)


@pytest.fixture
async def schemas(api: Api, bench: Bench, registry: RegistryProcess) -> str:
    """A SchemaRegistry for the registry that is there already."""
    await api.create(SCHEMA_REGISTRIES, "schemas", {"engine": "external", "url": registry.url})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    return "schemas"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A subject of the test's own, since they share the registry."""
    return str(request.node.name).replace("_", "-").replace("[", "-").replace("]", "").lower()[:60].strip("-")


async def caught_up(api: Api, bench: Bench, ref: Ref) -> None:
    version = (await api.get(ref.type, ref.name))["metadata"]["resourceVersion"]

    def same() -> bool:
        known = bench.context.mirror.get(ref)
        return known is not None and known["metadata"]["resourceVersion"] == version

    await eventually_async(same)


def record(name: str, *fields: str, defaults: bool = True) -> str:
    made = [{"name": each, "type": "string", **({"default": ""} if defaults else {})} for each in fields]
    return json.dumps({"type": "record", "name": name, "namespace": "shop", "fields": made})


async def apply(api: Api, bench: Bench, name: str, spec: dict[str, Any], **metadata: Any) -> None:
    spec = {"registry": "schemas", **spec}
    if any(body["metadata"]["name"] == name for body in await api.list(SCHEMA_SUBJECTS)):
        await api.patch(SCHEMA_SUBJECTS, name, {"spec": spec})
    else:
        await api.create(SCHEMA_SUBJECTS, name, spec, **metadata)
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))


async def gone(api: Api, bench: Bench, name: str) -> None:
    """Delete a SchemaSubject, and wait until the operator knows that."""
    await api.delete(SCHEMA_SUBJECTS, name)
    ref = Ref(SCHEMA_SUBJECTS, "default", name)
    await eventually_async(
        lambda: (known := bench.context.mirror.get(ref)) is None or known["metadata"].get("deletionTimestamp")
    )


async def status(api: Api, name: str) -> dict[str, Any]:
    said = (await api.get(SCHEMA_SUBJECTS, name)).get("status") or {}
    return {key: said.get(key) for key in ("subject", "id", "version", "latestVersion")}


async def test_a_schema_is_registered_grows_and_is_told(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    first, second = record("A", "a"), record("A", "a", "b")
    await apply(api, bench, name, {"schema": first, "compatibility": "FULL"})
    await subjects.reconcile("default", schemas)
    at = await client.lookup(name, Schema("AVRO", first))
    assert at is not None
    assert at.version == 1
    body = await api.get(SCHEMA_SUBJECTS, name)
    assert body["status"]["observedGeneration"] == 1
    assert body["status"]["guid"] == at.guid
    assert await status(api, name) == {"subject": name, "id": at.id, "version": 1, "latestVersion": 1}
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    level = await client.compatibility(name)
    assert level is not None
    assert level.name == "FULL"

    await apply(api, bench, name, {"schema": second})
    await subjects.reconcile("default", schemas)
    assert await client.versions(name) == [1, 2]
    assert (await status(api, name))["version"] == 2
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE

    # back to the first: it is there, and not the newest
    await apply(api, bench, name, {"schema": first})
    await subjects.reconcile("default", schemas)
    assert await status(api, name) == {"subject": name, "id": at.id, "version": 1, "latestVersion": 2}
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Degraded"] == ("True", "NewerVersion")


async def test_an_incompatible_schema_is_shown_with_the_reason_and_the_old_version_stays(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), "compatibility": "BACKWARD"})
    await subjects.reconcile("default", schemas)
    before = await status(api, name)
    await apply(api, bench, name, {"schema": record("A", "a", "b", defaults=False)})
    await subjects.reconcile("default", schemas)
    assert await client.versions(name) == [1]
    assert await status(api, name) == before
    conditions = await api.conditions(SCHEMA_SUBJECTS, name)
    assert conditions["Ready"] == ("False", "IncompatibleSchema")
    assert conditions["Degraded"] == ("True", "IncompatibleSchema")
    message = await api.message(SCHEMA_SUBJECTS, name, "Ready")
    assert f"the schema is not compatible with {name}, so version 1 stays" in message
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in message
    assert "'b' at path '/fields/1'" in message
    # nothing but time passes: nothing is written, nothing is tried
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    bench.writes.clear()
    await subjects.reconcile("default", schemas)
    assert bench.writes == []

    await apply(api, bench, name, {"schema": record("A", "a", "b")})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    assert (await status(api, name))["version"] == 2


async def test_a_compatibility_that_comes_with_a_schema_counts_for_it(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), "compatibility": "NONE"})
    await subjects.reconcile("default", schemas)
    broken = record("A", "z", defaults=False)
    await apply(api, bench, name, {"schema": broken, "compatibility": "FULL"})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "IncompatibleSchema")
    await apply(api, bench, name, {"schema": broken, "compatibility": "NONE"})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    assert await client.versions(name) == [1, 2]


async def test_a_converged_subject_causes_no_write_in_kubernetes_or_the_registry(
    api: Api,
    bench: Bench,
    subjects: SubjectReconciler,
    schemas: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await apply(api, bench, f"{name}-a", {"schema": record("Address", "street")})
    spaced = json.dumps(json.loads(record("Order", "id")), indent=4)
    await apply(
        api,
        bench,
        name,
        {
            "schema": spaced,
            "compatibility": "FULL_TRANSITIVE",
            "mode": "READWRITE",
            "normalize": True,
            "references": [{"name": "shop.Address", "subject": f"{name}-a"}],
            "metadata": {"properties": {"owner": "shop"}, "tags": {"shop.Order.id": ["KEY"]}},
            "ruleSet": {
                "domainRules": [
                    {"name": "id", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "size(message.id) > 0"}
                ]
            },
            "reclaimPolicy": "Delete",
        },
    )
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    bench.writes.clear()
    changes: list[str] = []
    for method in ("register", "set_compatibility", "set_mode", "delete"):
        monkeypatch.setattr(RegistryClient, method, lambda *_, method=method, **__: changes.append(method))
    for _ in range(3):
        await subjects.reconcile("default", schemas)
    assert bench.writes == []
    assert changes == []


async def test_a_version_of_others_is_shown_and_not_undone(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a")})
    await subjects.reconcile("default", schemas)
    await client.register(name, Schema("AVRO", record("A", "a", "theirs")))
    await subjects.reconcile("default", schemas)
    conditions = await api.conditions(SCHEMA_SUBJECTS, name)
    assert conditions["Ready"] == ("True", "Ready")
    assert conditions["Degraded"] == ("True", "NewerVersion")
    assert "version 2 came after it" in await api.message(SCHEMA_SUBJECTS, name, "Degraded")
    assert (await status(api, name))["latestVersion"] == 2
    await apply(api, bench, name, {"schema": record("A", "a", "theirs")})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    assert await client.versions(name) == [1, 2]


async def test_settings_changed_outside_are_put_right_and_told(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), "compatibility": "FULL"})
    await subjects.reconcile("default", schemas)
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    await client.set_compatibility(name, "NONE")
    await client.set_mode(name, "READONLY")
    await subjects.reconcile("default", schemas)
    level = await client.compatibility(name)
    assert level is not None
    assert (level.name, await client.mode(name)) == ("FULL", None)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Progressing"] == ("False", "DriftCorrected")
    message = await api.message(SCHEMA_SUBJECTS, name, "Progressing")
    assert "compatibility was set to NONE, is FULL again" in message
    assert "mode was set to READONLY, is the registry's again" in message
    # and it stays told until the next change of the spec
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    bench.writes.clear()
    await subjects.reconcile("default", schemas)
    assert bench.writes == []
    await apply(api, bench, name, {"compatibility": None})
    await subjects.reconcile("default", schemas)
    assert await client.compatibility(name) is None
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE


@pytest.mark.parametrize("permanent", [False, True], ids=["soft", "for good"])
async def test_a_deleted_subject_is_registered_anew_and_told(
    api: Api,
    bench: Bench,
    client: RegistryClient,
    subjects: SubjectReconciler,
    schemas: str,
    name: str,
    *,
    permanent: bool,
) -> None:
    name = name.replace(" ", "-")
    await apply(api, bench, name, {"schema": record("A", "a")})
    await subjects.reconcile("default", schemas)
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    if permanent:
        await client.delete(name)
    else:
        await client._ask("DELETE", f"/subjects/{name}")
    assert await client.versions(name) == []
    await subjects.reconcile("default", schemas)
    assert len(await client.versions(name)) == 1
    conditions = await api.conditions(SCHEMA_SUBJECTS, name)
    assert conditions["Ready"] == ("True", "Ready")
    assert conditions["Progressing"] == ("False", "DriftCorrected")
    assert "was deleted outside Kopfka" in await api.message(SCHEMA_SUBJECTS, name, "Progressing")


async def test_a_closed_subject_takes_nothing_until_it_is_opened(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), "mode": "READONLY"})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    assert await client.mode(name) == "READONLY"
    await apply(api, bench, name, {"schema": record("A", "a", "b")})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "RefusedByRegistry")
    message = await api.message(SCHEMA_SUBJECTS, name, "Ready")
    assert "42205" in message
    assert "write another mode than READONLY" in message
    assert (await status(api, name))["version"] == 1
    await apply(api, bench, name, {"mode": "READWRITE"})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    assert (await status(api, name))["version"] == 2


async def test_an_invalid_schema_is_quoted(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": '{"type": "recor"}'})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "InvalidSchema")
    assert "recor" in await api.message(SCHEMA_SUBJECTS, name, "Ready")
    assert await client.versions(name) == []


ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "to", "type": "shop.Address"}]}'


async def test_what_is_referred_to_is_registered_first_and_followed(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    order, address = f"a-{name}", f"z-{name}"
    references = [{"name": "shop.Address", "subject": address}]
    await apply(api, bench, order, {"schema": ORDER, "references": references})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, order))["Ready"] == ("False", "ReferenceNotFound")
    assert f"waiting for subject {address}" in await api.message(SCHEMA_SUBJECTS, order, "Ready")
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", order))
    bench.writes.clear()
    await subjects.reconcile("default", schemas)
    assert bench.writes == [], "waiting is no loop"

    # the one that is missing comes: both are registered in the pass that was asked for it
    await apply(api, bench, address, {"schema": record("Address", "street")})
    subjects.ask("default", schemas, address)
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, address) == FINE
    assert await api.conditions(SCHEMA_SUBJECTS, order) == FINE

    # it grows, and who refers to it without a version grows with it
    await apply(api, bench, address, {"schema": record("Address", "street", "town")})
    subjects.ask("default", schemas, address)
    await subjects.reconcile("default", schemas)
    assert (await status(api, order))["version"] == 2
    found = await client._ask("GET", f"/subjects/{order}/versions/latest")
    assert [each["version"] for each in found["references"]] == [2]
    assert await api.conditions(SCHEMA_SUBJECTS, order) == FINE

    # with a version it stays where it is, also where that is not the newest
    pinned = [{"name": "shop.Address", "subject": address, "version": 1}]
    await apply(api, bench, order, {"references": pinned})
    await subjects.reconcile("default", schemas)
    assert (await status(api, order))["version"] == 1


async def test_a_reference_to_a_subject_of_others_is_taken_as_it_is(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await client.register(f"{name}-theirs", Schema("AVRO", record("Address", "street")))
    references = [{"name": "shop.Address", "subject": f"{name}-theirs", "version": 2}]
    await apply(api, bench, name, {"schema": ORDER, "references": references})
    await subjects.reconcile("default", schemas)
    assert "waiting for version 2" in await api.message(SCHEMA_SUBJECTS, name, "Ready")
    await client.register(f"{name}-theirs", Schema("AVRO", record("Address", "street", "town")))
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE


async def test_a_circle_of_references_is_told_and_keeps_nobody_else(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        references = [{"name": "shop.Address", "subject": f"{name}-{other}"}]
        await apply(api, bench, f"{name}-{one}", {"schema": ORDER, "references": references})
    await apply(api, bench, f"{name}-c", {"schema": record("C", "a")})
    await subjects.reconcile("default", schemas)
    for one in "ab":
        assert (await api.conditions(SCHEMA_SUBJECTS, f"{name}-{one}"))["Ready"] == ("False", "InvalidSpec")
        assert "circle of references" in await api.message(SCHEMA_SUBJECTS, f"{name}-{one}", "Degraded")
    assert await api.conditions(SCHEMA_SUBJECTS, f"{name}-c") == FINE


@pytest.mark.parametrize(
    ("type_", "address", "order", "called"),
    [
        (
            "JSON",
            '{"type": "object", "properties": {"street": {"type": "string"}}}',
            '{"type": "object", "properties": {"to": {"$ref": "address.json"}}}',
            "address.json",
        ),
        (
            "PROTOBUF",
            'syntax = "proto3"; package shop; message Address { string street = 1; }',
            'syntax = "proto3"; package shop; import "address.proto"; message Order { Address to = 1; }',
            "address.proto",
        ),
    ],
)
async def test_other_languages_and_their_references(
    api: Api,
    bench: Bench,
    client: RegistryClient,
    subjects: SubjectReconciler,
    schemas: str,
    type_: str,
    address: str,
    order: str,
    called: str,
) -> None:
    names = f"{type_.lower()}-address", f"{type_.lower()}-order"
    await apply(api, bench, names[0], {"type": type_, "schema": address})
    references = [{"name": called, "subject": names[0]}]
    await apply(api, bench, names[1], {"type": type_, "schema": order, "references": references})
    await subjects.reconcile("default", schemas)
    for name in names:
        assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", names[1]))
    bench.writes.clear()
    await subjects.reconcile("default", schemas)
    assert bench.writes == []
    assert await client.versions(names[1]) == [1]


async def test_a_text_comes_from_a_config_map_and_follows_it(
    api: Api,
    bench: Bench,
    client: RegistryClient,
    subjects: SubjectReconciler,
    schemas: str,
    name: str,
    followed: list[str],
) -> None:
    source = {"schemaFrom": {"configMapKeyRef": {"name": name, "key": "a.avsc"}}}
    await apply(api, bench, name, source)
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "ConfigMapNotFound")
    assert f"there is no ConfigMap default/{name}" in await api.message(SCHEMA_SUBJECTS, name, "Ready")
    assert followed == ["default"]
    manifest = Ref(CONFIG_MAPS, "default", name).manifest(data={"b.avsc": record("A", "b")})
    await api.cluster.create(api.gvr(CONFIG_MAPS), "default", manifest)
    await subjects.reconcile("default", schemas)
    assert "has no entry a.avsc" in await api.message(SCHEMA_SUBJECTS, name, "Ready")
    await api.patch(CONFIG_MAPS, name, {"data": {"a.avsc": record("A", "a")}})
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE
    await caught_up(api, bench, Ref(SCHEMA_SUBJECTS, "default", name))
    await api.patch(CONFIG_MAPS, name, {"data": {"a.avsc": record("A", "a", "b")}})
    assert subjects.users_of("default", name) == [("schemas", name)]
    assert subjects.users_of("default", "other") == []
    await subjects.reconcile("default", schemas)
    assert await client.versions(name) == [1, 2]
    assert await api.conditions(SCHEMA_SUBJECTS, name) == FINE, "a changed text is no drift"


async def test_a_second_claim_to_a_subject_is_a_conflict_until_the_first_goes(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, f"a-{name}", {"subject": name, "schema": record("A", "a")})
    second = {"subject": name, "schema": record("A", "a", "b"), "reclaimPolicy": "Delete"}
    await apply(api, bench, f"b-{name}", second)
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, f"a-{name}"))["Ready"] == ("True", "Ready")
    assert (await api.conditions(SCHEMA_SUBJECTS, f"b-{name}"))["Ready"] == ("False", "Conflict")
    assert await client.versions(name) == [1]
    await gone(api, bench, f"a-{name}")
    await subjects.reconcile("default", schemas)
    assert await api.conditions(SCHEMA_SUBJECTS, f"b-{name}") == FINE
    assert await client.versions(name) == [1, 2]


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        ({"reclaimPolicy": "Retain"}, True),
        ({"reclaimPolicy": "Delete"}, False),
        ({"reclaimPolicy": "Delete", "mode": "READONLY", "compatibility": "FULL"}, False),
    ],
    ids=["retain", "delete", "delete-closed"],
)
async def test_deletion_does_what_the_policy_says(
    api: Api,
    bench: Bench,
    client: RegistryClient,
    subjects: SubjectReconciler,
    schemas: str,
    name: str,
    spec: dict[str, str],
    *,
    stays: bool,
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), **spec})
    await subjects.reconcile("default", schemas)
    held = (await api.get(SCHEMA_SUBJECTS, name))["metadata"].get("finalizers") or []
    assert held == ([] if stays else ["kopfka.io/cleanup"])
    await gone(api, bench, name)
    await subjects.reconcile("default", schemas)
    assert name not in {body["metadata"]["name"] for body in await api.list(SCHEMA_SUBJECTS)}
    assert bool(await client.versions(name)) is stays
    every = await client._ask("GET", "/subjects", query={"deleted": "true"})
    assert (name in every) is stays, "deleted for good, or not at all"
    if not stays:
        assert await client.compatibility(name) is None
        assert await client.mode(name) is None


async def test_a_subject_that_others_refer_to_is_not_deleted_and_there_is_a_way_out(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    address = f"{name}-a"
    await apply(api, bench, address, {"schema": record("Address", "street"), "reclaimPolicy": "Delete"})
    references = [{"name": "shop.Address", "subject": address}]
    await apply(api, bench, name, {"schema": ORDER, "references": references})
    await subjects.reconcile("default", schemas)
    await gone(api, bench, address)
    await subjects.reconcile("default", schemas)
    message = await api.message(SCHEMA_SUBJECTS, address, "Ready")
    assert "42206" in message
    assert "write reclaimPolicy: Retain" in message
    assert await client.versions(address) == [1]
    await apply(api, bench, address, {"reclaimPolicy": "Retain"})
    await subjects.reconcile("default", schemas)
    assert address not in {body["metadata"]["name"] for body in await api.list(SCHEMA_SUBJECTS)}
    assert await client.versions(address) == [1]


async def test_deletion_lets_go_when_the_registry_is_gone(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a"), "reclaimPolicy": "Delete"})
    await subjects.reconcile("default", schemas)
    await api.delete(SCHEMA_REGISTRIES, schemas)
    await eventually_async(lambda: bench.context.mirror.get(Ref(SCHEMA_REGISTRIES, "default", schemas)) is None)
    await gone(api, bench, name)
    await subjects.reconcile("default", schemas)
    assert name not in {body["metadata"]["name"] for body in await api.list(SCHEMA_SUBJECTS)}


async def test_without_its_registry_a_subject_waits_and_says_so(
    api: Api, bench: Bench, subjects: SubjectReconciler, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a")})
    await subjects.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "RegistryNotFound")
    assert "create it, or correct spec.registry" in await api.message(SCHEMA_SUBJECTS, name, "Ready")
    await api.create(SCHEMA_REGISTRIES, "schemas", {"cluster": "events"})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "schemas"))
    await subjects.reconcile("default", "schemas")
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "RegistryNotReady")


async def test_a_registry_that_does_not_answer_is_tried_again_and_what_is_known_stays(
    api: Api, bench: Bench, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a")})
    await subjects.reconcile("default", schemas)
    before = await status(api, name)
    await api.patch(SCHEMA_REGISTRIES, schemas, {"spec": {"url": f"http://127.0.0.1:{free_port()}"}})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", schemas))
    with pytest.raises(RetryLater):
        await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "RegistryUnreachable")
    assert await status(api, name) == before


async def test_a_login_that_cannot_be_had_is_told_and_not_tried_for_ever(
    api: Api, bench: Bench, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await api.patch(SCHEMA_REGISTRIES, schemas, {"spec": {"credentials": {"secretName": "mine"}}})
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", schemas))
    await apply(api, bench, name, {"schema": record("A", "a")})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Ready"] == ("False", "LoginFailed")
    assert "there is no Secret mine" in await api.message(SCHEMA_SUBJECTS, name, "Degraded")


async def test_paused_says_so_and_does_nothing(
    api: Api, bench: Bench, client: RegistryClient, subjects: SubjectReconciler, schemas: str, name: str
) -> None:
    await apply(api, bench, name, {"schema": record("A", "a")}, annotations={"kopfka.io/paused": "true"})
    await subjects.reconcile("default", schemas)
    assert (await api.conditions(SCHEMA_SUBJECTS, name))["Progressing"] == ("False", "Paused")
    assert await client.versions(name) == []


async def test_in_a_resync_subjects_take_turns(
    api: Api,
    bench: Bench,
    subjects: SubjectReconciler,
    schemas: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject_reconciler, "MOST_AT_RESYNC", 2)
    for number in range(3):
        await apply(api, bench, f"{name}-{number}", {"schema": record("A", "a")})
    seen: list[set[str]] = []
    for _ in range(3):
        subjects.ask_in_turns("default", schemas)
        seen.append(set(subjects._asked["default", schemas] or ()))
        await subjects.reconcile("default", schemas)
    assert [len(each) for each in seen] == [2, 2, 2]
    assert set.union(*seen[:2]) == {f"{name}-{number}" for number in range(3)}
    assert seen[0] & seen[1]
    assert seen[1] != seen[2]


# the registry that is there already, as a SchemaRegistry


@pytest.fixture
def changes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def external(bench: Bench, registries: Registries, changes: list[tuple[str, str]]) -> RegistryReconciler:
    brokers = Brokers(bench.context.mirror)
    return RegistryReconciler(bench.context, registries, brokers, lambda *key: changes.append(key))


async def test_an_external_registry_is_told_its_defaults_and_converges(
    api: Api,
    bench: Bench,
    client: RegistryClient,
    external: RegistryReconciler,
    schemas: str,
    changes: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ref = Ref(SCHEMA_REGISTRIES, "default", schemas)
    try:
        await api.patch(SCHEMA_REGISTRIES, schemas, {"spec": {"compatibility": "FORWARD", "mode": "READONLY"}})
        await caught_up(api, bench, ref)
        await external.reconcile("default", schemas)
        assert await api.conditions(SCHEMA_REGISTRIES, schemas) == FINE
        said = (await api.get(SCHEMA_REGISTRIES, schemas))["status"]
        assert (said["url"], said["compatibility"], said["mode"]) == (client.url, "FORWARD", "READONLY")
        level = await client.compatibility()
        assert level is not None
        assert (level.name, await client.mode()) == ("FORWARD", "READONLY")
        assert changes == [("default", schemas)]
        await caught_up(api, bench, ref)
        bench.writes.clear()
        told: list[str] = []
        for method in ("set_compatibility", "set_mode"):
            monkeypatch.setattr(RegistryClient, method, lambda *_, method=method: told.append(method))
        for _ in range(2):
            await external.reconcile("default", schemas)
        assert (bench.writes, told) == ([], [])
        monkeypatch.undo()
    finally:
        await client.set_mode(None, "READWRITE")
        await client.set_compatibility(None, "BACKWARD")


async def test_a_registry_that_is_not_there_is_told_and_tried_again(
    api: Api, bench: Bench, external: RegistryReconciler, changes: list[tuple[str, str]]
) -> None:
    spec = {"engine": "external", "url": f"http://127.0.0.1:{free_port()}"}
    await api.create(SCHEMA_REGISTRIES, "away", spec)
    await caught_up(api, bench, Ref(SCHEMA_REGISTRIES, "default", "away"))
    with pytest.raises(RetryLater):
        await external.reconcile("default", "away")
    conditions = await api.conditions(SCHEMA_REGISTRIES, "away")
    assert conditions["Ready"] == ("False", Reason.REGISTRY_UNREACHABLE.value)
    assert conditions["Degraded"][0] == "True"
    assert changes == []


async def test_who_leads_is_read_from_the_group_of_the_registry(
    broker: BrokerProcess, registry: RegistryProcess
) -> None:
    admin = Admin(broker.bootstrap)

    async def leader() -> str | None:
        group = await admin.group("schema-registry")
        return leading_host(group.assignments) if group is not None else None

    assert await eventually_async(leader) == "127.0.0.1"
    assert await admin.group("no-such-group") is None
