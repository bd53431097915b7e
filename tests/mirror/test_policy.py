"""Names of topics on the other side, and what is never mirrored, by MM2's rules."""

from __future__ import annotations

import pytest

from kopfka_mirror.policy import name_filter, replication_policy
from kopfka_runtime.errors import SettingsError

JAVA = "org.apache.kafka.connect.mirror."


def policy(name="DefaultReplicationPolicy", separator=".", *, internal=True):
    return replication_policy(JAVA + name, "a", separator, separator_in_internal=internal)


def test_default_names():
    default = policy()
    assert default.remote("a", "orders") == "a.orders"
    assert (default.origin("a.orders"), default.upstream("a.orders")) == ("a", "orders")
    assert (default.origin("orders"), default.upstream("orders")) == (None, None)
    assert default.upstream("b.a.orders") == "a.orders"
    assert policy(separator="-").remote("a", "orders") == "a-orders"


def test_identity_names_all_but_heartbeats_alike():
    identity = policy("IdentityReplicationPolicy")
    assert identity.remote("a", "orders") == "orders"
    assert identity.origin("orders") == "a"
    assert identity.remote("a", "heartbeats") == "a.heartbeats"
    assert identity.remote("b", "a.heartbeats") == "b.a.heartbeats"
    assert identity.origin("a.heartbeats") == "a"


@pytest.mark.parametrize(
    ("topic", "target", "cycle"),
    [
        ("orders", "b", False),
        ("b.orders", "b", True),
        ("c.orders", "b", False),
        ("c.b.orders", "b", True),
        ("b.c.orders", "b", True),
        ("my.topic", "b", False),
    ],
)
def test_what_came_from_the_target_is_a_cycle(topic, target, cycle):
    assert policy().is_cycle(topic, target) is cycle


@pytest.mark.parametrize(
    "topic",
    [
        "__consumer_offsets",
        ".hidden",
        "mm2-offset-syncs.b.internal",
        "a.checkpoints.internal",
        "mm2-configs.a.internal",
    ],
)
def test_internal_topics(topic):
    assert policy().is_internal(topic)


def test_internal_names_follow_the_separator_unless_told_otherwise():
    assert policy(separator="_").checkpoints_topic("a") == "a_checkpoints_internal"
    assert policy(separator="_").offset_syncs_topic("b") == "mm2-offset-syncs_b_internal"
    assert policy(separator="_", internal=False).checkpoints_topic("a") == "a.checkpoints.internal"
    assert not policy().is_internal("orders.internal")


def test_heartbeats_are_known_anywhere():
    assert all(policy().is_heartbeats(name) for name in ("heartbeats", "a.heartbeats", "b.a.heartbeats"))
    assert not policy().is_heartbeats("heartbeats.of.mine")


def test_filters_match_whole_names():
    names = name_filter("topics", ["orders", "pay.*"], [".*-old"])
    assert [name for name in ("orders", "orders2", "payments", "pay-old", "x") if names.takes(name)] == [
        "orders",
        "payments",
    ]
    assert not name_filter("topics", [], []).takes("")
    with pytest.raises(SettingsError, match=r"topics.exclude: '\('"):
        name_filter("topics", ["a"], ["("])


def test_classes_of_java_are_refused():
    with pytest.raises(SettingsError, match="DefaultReplicationPolicy or"):
        replication_policy("com.example.Mine", "a", ".", separator_in_internal=True)
