"""Telemetry of clients (KIP-714): the same answers as Apache Kafka's with a plug-in that takes it."""

from __future__ import annotations

import time
import uuid

import pytest

from support.differential import Scenarios, compare
from support.waiting import eventually

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()

CLIENT_METRICS = 16
TICK_SECONDS = 0.002
"""Both count milliseconds, and what happens within one of them is not told apart."""


def subscribe(side, **configs):
    """Give the scenario's subscription these configs; None takes one away. Ours and theirs are in force at once."""
    changes = [
        {"name": key.replace("_", "."), "config_operation": 0 if value is not None else 1, "value": value}
        for key, value in configs.items()
    ]
    resource = {"resource_type": CLIENT_METRICS, "resource_name": side.own, "configs": changes}
    side.call("incremental_alter_configs", 1, resources=[resource])
    side.settle()


def ask(side, instance=None):
    """Ask for the subscriptions of a client, a moment later; ids are the clients' own business."""
    later = time.monotonic() + TICK_SECONDS
    eventually(lambda: time.monotonic() > later, every=TICK_SECONDS / 2)
    answer = side.call("get_telemetry_subscriptions", 0, client_instance_id=instance)
    subscription = answer["subscription_id"]
    answer["requested_metrics"].sort()
    if subscription:
        answer["subscription_id"] = "<subscription>"
    if instance is None and answer["client_instance_id"]:
        answer["client_instance_id"] = "<instance>"
    return answer, subscription


def push(side, instance, subscription, **fields):
    """Send metrics."""
    fields = {"terminating": False, "compression_type": 0, "metrics": b""} | fields
    return side.call("push_telemetry", 0, client_instance_id=instance, subscription_id=subscription, **fields)


def new():
    """Return the id of a client that nobody has heard of."""
    return str(uuid.uuid4())


@SCENARIOS.of("get_telemetry_subscriptions")
def subscriptions(side):
    yield ask(side)[0]
    subscribe(side, metrics="org.apache.kafka.producer.,org.apache.kafka.consumer.", interval_ms="100", match=None)
    yield ask(side)[0]
    subscribe(side, metrics="*")
    yield ask(side)[0]
    subscribe(side, metrics="org.apache.kafka.producer.", match="client_id=raw,client_source_address=127[.]0[.]0[.]1")
    yield ask(side)[0]
    subscribe(side, match="client_id=ra")
    yield ask(side)[0]
    subscribe(side, match="client_source_port=1")
    yield ask(side)[0]
    subscribe(side, match="client_software_name=unknown")
    first = ask(side)[0]
    yield first["requested_metrics"]
    subscribe(side, metrics=None, interval_ms=None, match=None)
    yield ask(side)[0]


@SCENARIOS.of("push_telemetry")
def pushes(side):
    subscribe(side, metrics="a.,b.", interval_ms="3600000", match="client_id=raw")
    instance = new()
    answer, subscription = ask(side, instance)
    yield {**answer, "client_instance_id": answer["client_instance_id"] == instance}
    yield ask(side, instance)[0]["error_code"]
    yield push(side, instance, subscription)
    yield push(side, instance, subscription)
    yield push(side, instance, subscription, terminating=True)
    yield push(side, instance, subscription, terminating=True)
    yield push(side, instance, subscription)
    for fields in (
        {"subscription_id": 1},
        {"compression_type": 9},
        {"compression_type": -1},
        {"metrics": bytes(1_048_577)},
        {"metrics": bytes(1_048_577), "subscription_id": 1},
        {"compression_type": 9, "subscription_id": 1},
        {"terminating": True},
    ):
        instance = new()
        _, subscription = ask(side, instance)
        yield push(side, instance, fields.pop("subscription_id", subscription), **fields)
        yield ask(side, instance)[0]["error_code"]
        yield push(side, instance, subscription)
    for unknown in (None, "00000000-0000-0000-0000-000000000001"):
        yield push(side, unknown, 1)
    yield push(side, new(), 1)
    subscribe(side, metrics=None, interval_ms=None, match=None)


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(sides, run, version):
    compare(sides, run, version)
