"""A registry of two pods and subjects from YAML, used by Confluent's serialisers; a schema that does not fit; kills.

The tests of this module stand on each other, in the order of the file, once on this machine and once on Kubernetes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from support.kubernetes import NAMESPACE
from support.waiting import eventually

if TYPE_CHECKING:
    from support.kubernetes import KubernetesApi

MANIFESTS = Path(__file__).parent / "manifests"
HERE = ("-n", NAMESPACE)
SUBJECTS = ("address", "orders-value", "payments-value", "stock-value")
INCOMPATIBLE = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [{"name": "id", "type": "string"}, {"name": "cents", "type": "long"}],
}
ORDER = {"id": "o-1", "to": {"street": "Långa gatan"}}


@pytest.fixture(scope="module")
def url(api: KubernetesApi) -> str:
    """Where clients outside reach the registry, once it and its subjects are Ready."""
    for name in ("registry.yaml", "subjects.yaml"):
        api.kubectl("apply", *HERE, "-f", str(MANIFESTS / name))
    api.wait("schemaregistry/schemas", "condition=Ready", *HERE)
    for name in SUBJECTS:
        api.wait(f"schemasubject/{name}", "condition=Ready", *HERE)
    return str(api.get("schemaregistry", "schemas", *HERE)["status"]["externalUrl"])


@pytest.fixture(scope="module")
def client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url})


def _patch(**spec: str) -> str:
    return json.dumps({"spec": spec})


def _subject(api: KubernetesApi, name: str) -> dict:
    return api.get("schemasubject", name, *HERE)["status"]


def _condition(api: KubernetesApi, name: str, kind: str) -> dict:
    return next(each for each in _subject(api, name)["conditions"] if each["type"] == kind)


def test_subjects_are_what_their_resources_say(api: KubernetesApi, client: SchemaRegistryClient) -> None:
    assert sorted(client.get_subjects()) == sorted(SUBJECTS)
    for name in SUBJECTS:
        latest = client.get_latest_version(name)
        status = _subject(api, name)
        assert (latest.schema_id, latest.version) == (status["id"], status["version"])
    assert client.get_latest_version("orders-value").schema.references[0].subject == "address"
    assert "True" in api.kubectl("get", "schemasubjects", "orders-value", "--no-headers", *HERE)


def test_confluents_serialisers_write_and_read_with_them(api: KubernetesApi, client: SchemaRegistryClient) -> None:
    listeners = api.get("kafkacluster", "shop", *HERE)["status"]["listeners"]
    bootstrap = next(each["bootstrapServers"] for each in listeners if each["name"] == "external")
    options = {"auto.register.schemas": False, "use.latest.version": True}
    schema = client.get_latest_version("orders-value").schema
    write, read = AvroSerializer(client, schema, conf=options), AvroDeserializer(client)
    context = SerializationContext("orders", MessageField.VALUE)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("orders", write(ORDER, context))
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    message = eventually(lambda: consumer.poll(1), seconds=60)
    consumer.close()
    assert int.from_bytes(message.value()[1:5], "big") == client.get_latest_version("orders-value").schema_id
    assert read(message.value(), context) == ORDER


def test_a_schema_that_does_not_fit_is_told_and_the_old_one_stays(
    api: KubernetesApi, client: SchemaRegistryClient, url: str, tmp_path: Path
) -> None:
    before = client.get_latest_version("orders-value").version
    # before a merge …
    text = (MANIFESTS / "subjects.yaml").read_text()
    changed = text.replace('{"name": "to", "type": "shop.Address"}', '{"name": "of", "type": "string"}')
    assert changed != text
    (tmp_path / "subjects.yaml").write_text(changed)
    command = [sys.executable, "-m", "kopfka_cli", "schemas", "check", "--registry", url, "-f", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 1, checked
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in checked.stdout
    # … and after one
    api.kubectl(
        "patch", "schemasubject", "orders-value", *HERE, "--type=merge", "-p", _patch(schema=json.dumps(INCOMPATIBLE))
    )
    api.wait("schemasubject/orders-value", "condition=Ready=false", *HERE)
    ready = eventually(lambda: (c := _condition(api, "orders-value", "Ready"))["reason"] == "IncompatibleSchema" and c)
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in ready["message"]
    assert client.get_latest_version("orders-value").version == before
    api.kubectl("apply", *HERE, "-f", str(MANIFESTS / "subjects.yaml"))
    api.wait("schemasubject/orders-value", "condition=Ready", *HERE)


def test_a_changed_configmap_is_a_new_version(api: KubernetesApi, url: str) -> None:
    schema = {"type": "object", "properties": {"pieces": {"type": "number"}}}
    body = json.dumps({"data": {"stock.json": json.dumps(schema)}})
    api.kubectl("patch", "configmap", "stock", *HERE, "--type=merge", "-p", body)
    eventually(lambda: _subject(api, "stock-value").get("version") == 2, seconds=60, every=0.5)
    latest = SchemaRegistryClient({"url": url}).get_latest_version("stock-value")  # the other one keeps what it saw
    assert '"number"' in latest.schema.schema_str


def test_a_deleted_leader_is_followed_by_the_other_pod(api: KubernetesApi, url: str) -> None:
    leader = eventually(
        lambda: api.get("schemaregistry", "schemas", *HERE)["status"].get("leader"), seconds=60, every=0.5
    )
    api.kubectl("delete", "pod", leader, *HERE, "--wait=false", "--grace-period=0", "--force")
    text = '{"type": "record", "name": "Late", "fields": []}'

    def registered() -> bool:
        # a client of its own each time: connections to the pod that is gone are not what is tested
        from confluent_kafka.schema_registry import Schema

        try:
            return SchemaRegistryClient({"url": url}).register_schema("late", Schema(text, "AVRO")) > 0
        except Exception:
            return False

    eventually(registered, seconds=90, every=0.5)
    assert SchemaRegistryClient({"url": url}).get_latest_version("late").version == 1
    api.wait("schemaregistry/schemas", "condition=Ready", *HERE)


def test_deletion_keeps_what_is_retained_and_deletes_the_rest(api: KubernetesApi, url: str) -> None:
    api.kubectl("delete", "schemasubjects", "--all", *HERE, "--timeout=60s")
    left = SchemaRegistryClient({"url": url}).get_subjects()
    assert "orders-value" in left
    assert "payments-value" not in left
    api.kubectl("delete", "schemaregistries,kafkaclusters", "--all", *HERE, "--timeout=60s")
