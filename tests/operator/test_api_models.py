"""The models, the CRDs made from them, and that the two agree on what is a good resource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from operator_specs import (
    edge_clusters,
    edge_registries,
    edge_subjects,
    edge_topics,
    valid_clusters,
    valid_registries,
    valid_subjects,
    valid_topics,
)

from kopfka_local.api.cluster import Cluster as LocalCluster
from kopfka_local.api.errors import ApiError
from kopfka_local.api.objects import Options
from kopfka_local.api.resources import Gvr
from kopfka_operator.api import generate
from kopfka_operator.api.kafkacluster import KafkaClusterSpec
from kopfka_operator.api.kafkatopic import KafkaTopicSpec
from kopfka_operator.api.kinds import KINDS
from kopfka_operator.api.reasons import Reason
from kopfka_operator.api.schemaregistry import SchemaRegistrySpec
from kopfka_operator.api.schemasubject import SchemaSubjectSpec

CLUSTERS = Gvr("kopfka.io", "v1alpha1", "kafkaclusters")
TOPICS = Gvr("kopfka.io", "v1alpha1", "kafkatopics")
REGISTRIES = Gvr("kopfka.io", "v1alpha1", "schemaregistries")
SUBJECTS = Gvr("kopfka.io", "v1alpha1", "schemasubjects")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> LocalCluster:
    """Admission as an API server does it: schema, defaults and CEL rules of our CRDs."""
    cluster = LocalCluster(tmp_path_factory.mktemp("api") / "state")
    definitions = Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    for path, text in generate.generated().items():
        if path.startswith("crds/"):
            cluster.objects.create(definitions, None, yaml.safe_load(text))
    return cluster


def refusal(api: LocalCluster, gvr: Gvr, kind: str, spec: dict[str, Any], name: str = "x") -> str:
    manifest = {"apiVersion": "kopfka.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    try:
        api.objects.create(gvr, "default", manifest, Options(dry_run=True))
    except ApiError as error:
        return str(error)
    return ""


def test_generated_files_are_those_of_the_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err
    assert generate.main(["--root", str(tmp_path)]) == 0
    assert generate.main(["--check", "--root", str(tmp_path)]) == 0
    stale = tmp_path / "crds" / "kopfka.io_kafkatopics.yaml"
    stale.write_text(stale.read_text().replace("maximum: 200000", "maximum: 9"))
    (tmp_path / "crds" / "kopfka.io_left.yaml").write_text("")
    assert generate.main(["--check", "--root", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "crds/kopfka.io_kafkatopics.yaml is stale: run make crds" in said
    assert "crds/kopfka.io_left.yaml is stale" in said


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=valid_clusters)
def test_valid_clusters_pass_both(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert refusal(api, CLUSTERS, "KafkaCluster", spec) == ""
    KafkaClusterSpec.model_validate(spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=edge_clusters)
@example(spec={"replicas": 3})
@example(spec={"storage": {"size": "0"}})
@example(spec={"listeners": {"external": {"type": "NodePort"}}})
def test_api_server_and_model_agree_on_clusters(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert bool(refusal(api, CLUSTERS, "KafkaCluster", spec)) == _refused(KafkaClusterSpec, spec)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=valid_topics)
def test_valid_topics_pass_both(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert refusal(api, TOPICS, "KafkaTopic", spec) == ""
    KafkaTopicSpec.model_validate(spec)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=edge_topics)
def test_api_server_and_model_agree_on_topics(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert bool(refusal(api, TOPICS, "KafkaTopic", spec)) == _refused(KafkaTopicSpec, spec)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=valid_registries)
def test_valid_registries_pass_both(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert refusal(api, REGISTRIES, "SchemaRegistry", spec) == ""
    SchemaRegistrySpec.model_validate(spec)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=edge_registries)
@example(spec={"cluster": "c"})
@example(spec={"engine": "external", "url": "http://r"})
@example(spec={"engine": "external", "url": "http://r", "tls": {"secretName": "s"}})
@example(spec={"cluster": "c", "kafka": {"securityProtocol": "SASL_SSL", "saslMechanism": "PLAIN"}})
@example(spec={"cluster": "c", "authentication": {}})
def test_api_server_and_model_agree_on_registries(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert bool(refusal(api, REGISTRIES, "SchemaRegistry", spec)) == _refused(SchemaRegistrySpec, spec)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=valid_subjects)
def test_valid_subjects_pass_both(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert refusal(api, SUBJECTS, "SchemaSubject", spec) == ""
    SchemaSubjectSpec.model_validate(spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=edge_subjects)
@example(spec={"registry": "r", "schema": '"int"'})
def test_api_server_and_model_agree_on_subjects(api: LocalCluster, spec: dict[str, Any]) -> None:
    assert bool(refusal(api, SUBJECTS, "SchemaSubject", spec)) == _refused(SchemaSubjectSpec, spec)


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ({}, "write either cluster, the name of a KafkaCluster"),
        ({"cluster": "c", "bootstrapServers": "k:1"}, "write either cluster, the name of a KafkaCluster"),
        ({"cluster": "c", "url": "http://r"}, "write it with engine: external"),
        ({"engine": "external"}, "write it with engine: external"),
        ({"engine": "external", "url": "http://r", "cluster": "c"}, "engine: external deploys nothing: remove cluster"),
        ({"cluster": "c", "authentication": {}}, "write basic or jwt"),
        ({"cluster": "c", "external": {"type": "NodePort"}}, "write advertisedHost"),
        ({"cluster": "c", "kafka": {"securityProtocol": "SASL_SSL"}}, "write both, or neither"),
        (
            {"cluster": "c", "kafka": {"securityProtocol": "SASL_SSL", "saslMechanism": "PLAIN"}},
            "write secretName, a Secret with username and password",
        ),
    ],
)
def test_a_refused_registry_is_told_what_to_write_instead(api: LocalCluster, spec: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal(api, REGISTRIES, "SchemaRegistry", spec)


def test_a_subject_has_one_schema(api: LocalCluster) -> None:
    source = {"configMapKeyRef": {"name": "c", "key": "k"}}
    for spec in ({}, {"schema": '"int"', "schemaFrom": source}):
        assert "write either schema, with its text" in refusal(
            api, SUBJECTS, "SchemaSubject", {"registry": "r", **spec}
        )


def test_settings_of_a_registry_that_follow_from_the_spec_are_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"config sets listeners: .*remove them from config"):
        SchemaRegistrySpec.model_validate({"cluster": "c", "config": {"listeners": "http://0.0.0.0:1"}})


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ({"replicas": 3}, "write replicas: 1, or (with a later version) engine: apache-kafka"),
        ({"engine": "external"}, "write engine: bundled"),
        ({"storage": {"size": "0"}}, "write a size above zero"),
        ({"listeners": {"external": {"type": "NodePort"}}}, "write advertisedHost"),
        (
            {"listeners": {"external": {"type": "LoadBalancer", "nodePort": 30000}}},
            "remove it, or write type: NodePort",
        ),
        (
            {"listeners": {"external": {"type": "NodePort", "advertisedHost": "a", "port": 1}}},
            "write nodePort instead",
        ),
    ],
)
def test_a_refusal_says_what_to_write_instead(api: LocalCluster, spec: dict[str, Any], remedy: str) -> None:
    assert remedy in refusal(api, CLUSTERS, "KafkaCluster", spec)


@pytest.mark.parametrize("name", ["1st", "a.b", "x" * 41])
def test_a_cluster_is_named_so_that_services_can_be_named_after_it(api: LocalCluster, name: str) -> None:
    assert "services are named after it" in refusal(api, CLUSTERS, "KafkaCluster", {}, name)


@pytest.mark.parametrize(
    ("gvr", "before", "after", "remedy"),
    [
        (CLUSTERS, {"storage": {"size": "2Gi"}}, {"storage": {"size": "1Gi"}}, "write the former size or a larger one"),
        (CLUSTERS, {"storage": {"size": "1024Mi"}}, {"storage": {"size": "1Gi"}}, ""),
        (CLUSTERS, {}, {"storage": {"storageClassName": "fast"}}, "write the former storageClassName"),
        (TOPICS, {"cluster": "a"}, {"cluster": "b"}, "write the former cluster"),
        (TOPICS, {"cluster": "a"}, {"topicName": "b"}, "write the former topicName"),
        (TOPICS, {"cluster": "a", "partitions": 3}, {"partitions": 2}, ""),
        (SUBJECTS, {"registry": "a", "schema": "1"}, {"registry": "b"}, "write the former registry"),
        (SUBJECTS, {"registry": "a", "schema": "1"}, {"subject": "b"}, "write the former subject"),
        (SUBJECTS, {"registry": "a", "schema": "1"}, {"schema": "2", "type": "JSON"}, ""),
        (REGISTRIES, {"cluster": "a"}, {"engine": "external", "url": "http://r", "cluster": None}, ""),
    ],
)
async def test_what_may_change(
    api: LocalCluster, gvr: Gvr, before: dict[str, Any], after: dict[str, Any], remedy: str, request: Any
) -> None:
    kind = next(kind.kind for kind in KINDS if kind.plural == gvr.resource)
    name = f"change-{abs(hash(str(before) + str(after))) % 10**9}"
    manifest = {"apiVersion": "kopfka.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": before}
    await api.create(gvr, "default", manifest)
    if remedy:
        with pytest.raises(ApiError, match=remedy):
            await api.patch(gvr, "default", name, {"spec": after})
    else:
        await api.patch(gvr, "default", name, {"spec": after})


def test_defaults_are_filled_in(api: LocalCluster) -> None:
    manifest = {
        "apiVersion": "kopfka.io/v1alpha1",
        "kind": "KafkaCluster",
        "metadata": {"name": "defaults"},
        "spec": {},
    }
    made = api.objects.create(CLUSTERS, "default", manifest, Options(dry_run=True))
    assert made["spec"] == {
        "engine": "bundled",
        "replicas": 1,
        "storage": {"size": "10Gi"},
        "reclaimPolicy": "Retain",
    }


def test_settings_keep_their_yaml_types_and_become_kafkas_texts() -> None:
    spec = KafkaTopicSpec.model_validate(
        {"cluster": "c", "config": {"a": True, "b": 604800000, "c": 0.5, "d": "x", "e": False}}
    )
    assert spec.config == {"a": "true", "b": "604800000", "c": "0.5", "d": "x", "e": "false"}
    with pytest.raises(ValueError, match="a setting is a string, a number, true or false"):
        KafkaTopicSpec.model_validate({"cluster": "c", "config": {"a": ["x"]}})


def test_every_field_and_column_is_described() -> None:
    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        out = []
        for name, field in schema.get("properties", {}).items():
            out += [] if field.get("description") else [f"{path}.{name}"]
            out += undescribed(field, f"{path}.{name}") + undescribed(field.get("items", {}), f"{path}.{name}[]")
        return out

    for path, text in generate.generated().items():
        if path.startswith("crds/"):
            schema = yaml.safe_load(text)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            assert undescribed(schema["spec"], "spec") + undescribed(schema["status"], "status") == []


def test_reasons_are_camel_case_words() -> None:
    assert all(reason.value.isalpha() and reason.value[0].isupper() for reason in Reason)


def _refused(model: Any, spec: dict[str, Any]) -> bool:
    try:
        model.model_validate(spec)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_good_resources(api: LocalCluster, path: Path) -> None:
    kinds = {kind.kind: kind for kind in KINDS}
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] not in kinds:
            continue
        kind = kinds[document["kind"]]
        gvr = Gvr("kopfka.io", "v1alpha1", kind.plural)
        assert refusal(api, gvr, kind.kind, document["spec"], document["metadata"]["name"]) == ""
        kind.spec.model_validate(document["spec"])


def test_the_reference_examples_are_good_resources(api: LocalCluster) -> None:
    for kind in KINDS:
        document = yaml.safe_load(kind.example)
        gvr = Gvr("kopfka.io", "v1alpha1", kind.plural)
        assert refusal(api, gvr, kind.kind, document["spec"], document["metadata"]["name"]) == ""
