"""Telemetry of clients (KIP-714): who is asked for what and when, what they send, and what is kept of it."""

from __future__ import annotations

import contextlib
import struct
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kopfka_broker.telemetry.clients import DEFAULT_INTERVAL_MS, Client, Clients
from kopfka_broker.telemetry.otlp import Point, decode
from kopfka_broker.telemetry.values import TelemetryValues
from kopfka_wire.errors import MalformedMessageError

JAVA = Client(str(uuid4()), "app-1", "apache-kafka-java", "4.3.1", "10.0.0.7", "5123")


# -- a writer of protobuf, for what the reader is to read -------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def part(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def text(number, content):
    return part(number, content.encode())


def attribute(number, key, value):
    return part(number, text(1, key) + part(2, text(1, value)))


def whole(value, *attributes):
    return part(1, varint(6 << 3 | 1) + struct.pack("<q", value) + b"".join(attributes))


def fraction(value, *attributes):
    return part(1, varint(4 << 3 | 1) + struct.pack("<d", value) + b"".join(attributes))


def payload(*metrics, resource=b""):
    scope = part(1, text(1, "scope")) + b"".join(part(2, metric) for metric in metrics)
    return part(1, part(1, resource) + part(2, scope))


def gauge(name, *points):
    return text(1, name) + part(5, b"".join(points))


def total(name, *points, delta=True):
    return text(1, name) + part(7, b"".join(points) + bytes([2 << 3, 1 if delta else 2, 3 << 3, 1]))


def test_gauges_and_sums_are_read_with_their_labels():
    found = decode(
        payload(
            gauge("a.b", fraction(1.5, attribute(7, "node", "1")), fraction(-2.0)),
            total("c.d.total", whole(-7)),
            total("e", whole(3), delta=False),
            text(1, "h") + part(9, b""),
            resource=attribute(1, "client_rack", "r1"),
        )
    )
    rack = ("client_rack", "r1")
    assert found.points == [
        Point("a.b", (rack, ("node", "1")), 1.5, monotonic=False, delta=False),
        Point("a.b", (rack,), -2.0, monotonic=False, delta=False),
        Point("c.d.total", (rack,), -7.0, monotonic=True, delta=True),
        Point("e", (rack,), 3.0, monotonic=True, delta=False),
    ]
    assert found.passed_over == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(MalformedMessageError):
        decode(data)


@given(st.integers(0, 60), st.integers(0, 255))
def test_damaged_payloads_are_read_or_refused(position, byte):
    data = bytearray(payload(total("c", whole(5, attribute(7, "k", "v"))), resource=attribute(1, "r", "x")))
    data[position % len(data)] = byte
    with contextlib.suppress(MalformedMessageError):
        decode(bytes(data))


# -- who is asked for what --------------------------------------------------------------------------------------------


def clients(**subscriptions):
    forgotten = []
    found = Clients(forgotten.append, most=3)
    for name, settings in subscriptions.items():
        found.subscribe(name, settings)
    return found, forgotten


def test_without_subscriptions_nothing_is_asked():
    found, _ = clients()
    instance = found.instance(uuid4(), JAVA)
    assert (instance.metrics, instance.interval_ms) == ((), DEFAULT_INTERVAL_MS)


def test_subscriptions_are_put_together_at_the_shortest_interval():
    found, _ = clients(
        a={"metrics": "x.,y.", "interval.ms": "5000"},
        b={"metrics": "z.", "interval.ms": "2000", "match": "client_software_name=apache-.*,client_id=app-[0-9]"},
        c={"metrics": "no.", "interval.ms": "100", "match": "client_software_name=apache"},
    )
    instance = found.instance(uuid4(), JAVA)
    assert (instance.metrics, instance.interval_ms) == (("x.", "y.", "z."), 2000)


def test_a_changed_subscription_has_another_id_and_the_client_is_asked_anew():
    found, _ = clients(a={"metrics": "x.", "interval.ms": "1000"})
    name = uuid4()
    first = found.instance(name, JAVA)
    assert found.instance(name, JAVA) is first
    found.subscribe("a", {"metrics": "*", "interval.ms": "1000"})
    second = found.instance(name, JAVA)
    assert second.metrics == ("*",)
    assert second.subscription_id != first.subscription_id
    found.subscribe("a", {})
    assert found.instance(name, JAVA).metrics == ()


def test_a_client_that_comes_too_soon_is_throttled():
    found, _ = clients(a={"metrics": "x.", "interval.ms": "1000"})
    instance = found.instance(uuid4(), JAVA)
    assert instance.take_ask(10_000) is ErrorCode.none
    assert instance.take_ask(10_999) is ErrorCode.throttling_quota_exceeded
    assert instance.take_push(10_001, terminating=False) is ErrorCode.none  # the first may come at any time
    assert instance.take_push(11_000, terminating=False) is ErrorCode.throttling_quota_exceeded
    assert instance.take_push(11_001, terminating=False) is ErrorCode.none
    assert instance.take_push(11_002, terminating=True) is ErrorCode.none  # a client that ends is heard out
    instance.terminating = True
    assert instance.take_push(99_999, terminating=False) is ErrorCode.invalid_request


def test_clients_are_forgotten_by_time_and_number():
    found, forgotten = clients(a={"metrics": "x.", "interval.ms": "1000"})
    names = [uuid4() for _ in range(4)]
    for at, name in enumerate(names):
        found.instance(name, JAVA).take_ask(at)
    assert forgotten == [str(names[0])]
    found.expire(60_000)
    assert forgotten == [str(names[0])]
    found.expire(60_001)
    assert forgotten == [str(names[0]), str(names[1])]
    assert len(found) == 2


# -- what is kept -----------------------------------------------------------------------------------------------------


def samples(values):
    return {
        (
            sample.name,
            *(sample.labels[key] for key in sorted(sample.labels) if not key.startswith("client")),
        ): sample.value
        for family in values.collect()
        for sample in family.samples
    }


def point(name, value, *labels, monotonic=False, delta=False):
    return Point(name, labels, value, monotonic, delta)


def test_differences_are_added_up_and_gauges_replaced():
    values = TelemetryValues()
    for amount in (5.0, 7.0):
        values.take(JAVA, [point("a.total", amount, monotonic=True, delta=True), point("b", amount, ("k", "v"))])
    found = samples(values)
    assert found["a_total",] == 12.0
    assert found["b", "v"] == 7.0


@pytest.mark.parametrize("label", ["client_id", "9x", ""])
def test_a_client_cannot_say_who_it_is(label):
    values = TelemetryValues()
    values.take(JAVA, [point("m", 1.0, (label, "forged"))])
    [family] = [each for each in values.collect() if each.name == "m"]
    assert family.samples[0].labels["client_id"] == "app-1"


def test_there_is_room_for_so_many_and_what_a_client_leaves_is_free_again():
    values = TelemetryValues(most=2)
    values.take(JAVA, [point("a", 1.0), point("b", 1.0), point("c", 1.0)])
    assert values.dropped == 1
    assert samples(values)["kopfka_client_telemetry_series",] == 2
    values.forget(JAVA.client_instance_id)
    values.take(JAVA, [point("c", 1.0), point("d", 1.0)])
    assert values.dropped == 1
