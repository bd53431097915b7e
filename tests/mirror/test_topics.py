"""Which topics are mirrored and what the target lacks: plans, without clusters."""

from __future__ import annotations

from kopfka_mirror.topics import Mirrored, config_changes, plan, takes
from kopfka_wire.client.admin import ConfigValue
from support.mirrors import flow_settings


def own(value):
    return ConfigValue(value, is_default=False, read_only=False, sensitive=False)


def default(value):
    return ConfigValue(value, is_default=True, read_only=False, sensitive=False)


def test_what_is_mirrored():
    flow = flow_settings(topics="orders, b.*, heart.*")
    assert takes(flow, "orders")
    assert takes(flow, "heartbeats")
    assert takes(flow, "c.heartbeats"), "a chain's hops are counted by them"
    assert not takes(flow, "b.orders"), "it came from there"
    assert not takes(flow, "other")
    assert not takes(flow_settings(), "__consumer_offsets")
    assert not takes(flow_settings(heartbeats_replication_enabled="false", topics="x"), "heartbeats")


def test_a_plan():
    source = {"orders": 3, "payments": 2, "more": 4, "__consumer_offsets": 50, "b.back": 1, "broken": 0}
    found = plan(flow_settings(), source, {"a.payments": 2, "a.more": 1, "a.orders2": 1})
    assert found.mirrored == (
        Mirrored("more", "a.more", 4),
        Mirrored("orders", "a.orders", 3),
        Mirrored("payments", "a.payments", 2),
    )
    assert found.create == (Mirrored("orders", "a.orders", 3),)
    assert found.grow == (Mirrored("more", "a.more", 4),)


def test_nothing_is_to_do_where_all_is_there():
    found = plan(flow_settings(), {"orders": 3}, {"a.orders": 5})
    assert (found.create, found.grow) == ((), ())


def test_configs_that_follow():
    source = {
        "retention.ms": own("1000"),
        "cleanup.policy": own("compact"),
        "min.insync.replicas": own("2"),
        "segment.bytes": default("7"),
        "flush.ms": default("5"),
    }
    target = {"retention.ms": own("2"), "cleanup.policy": own("compact"), "segment.bytes": own("9")}
    assert config_changes(flow_settings(), source, target) == {"retention.ms": "1000", "segment.bytes": None}
    everything = config_changes(flow_settings(use_defaults_from="source"), source, target)
    assert everything == {"retention.ms": "1000", "segment.bytes": "7", "flush.ms": "5"}
