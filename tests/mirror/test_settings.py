"""Settings by MM2's names."""

from __future__ import annotations

import pytest

from kopfka_mirror.settings import read_settings
from kopfka_runtime.errors import SettingsError

BASE = {
    "clusters": "a, b",
    "a.bootstrap.servers": "127.0.0.1:1",
    "b.bootstrap.servers": "127.0.0.1:2",
    "a->b.enabled": "true",
}


def flow(**settings):
    (found,) = read_settings(BASE | {name.replace("_", "."): value for name, value in settings.items()}).flows
    return found


def test_defaults_are_mm2s():
    found = flow()
    assert (found.name, found.policy.remote("a", "t")) == ("a->b", "a.t")
    assert found.topics.takes("orders")
    assert not found.topics.takes("x.replica")
    assert not found.groups.takes("console-consumer-1")
    assert not found.excluded_configs.takes("min.insync.replicas")
    assert (found.offset_lag_max, found.checkpoints, found.sync_group_offsets) == (100, 60.0, None)
    assert not found.exactly_once
    assert found.offset_syncs_at_source


def test_a_flows_own_setting_wins():
    given = BASE | {"topics": "x", "a->b.topics": "y", "b->a.enabled": "true", "a.client.id": "mine"}
    settings = read_settings(given)
    assert [(each.name, each.topics.takes("x")) for each in settings.flows] == [("a->b", False), ("b->a", True)]
    assert settings.clusters["a"].client_id == "mine"


def test_heartbeats_go_to_both_sides_of_a_flow():
    settings = read_settings(BASE | {"clusters": "a,b,c", "c.bootstrap.servers": "127.0.0.1:3"})
    assert {each[:2] for each in settings.heartbeats} == {("a", "b"), ("b", "a")}
    assert not read_settings(BASE | {"emit.heartbeats.enabled": "false"}).heartbeats


def test_names_without_use_are_noted():
    given = {"tasks.max": "4", "a->b.tasks.max": "2", "a.consumer.max.poll.records": "9", "producer.acks": "all"}
    assert read_settings(BASE | given).unused == tuple(sorted(given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"topisc": "x"}, "did you mean topics"),
        ({"a->b.topisc": "x"}, "did you mean a->b.topics"),
        ({"a->x.enabled": "true"}, "did you mean a->b.enabled"),
        ({"a.bootstrap.srvers": "x"}, "did you mean a.bootstrap.servers"),
        ({"clusters": "a"}, "name two clusters"),
        ({"clusters": "a, b c"}, "'b c' is no alias"),
        ({"a->b.enabled": "no"}, "write true or false"),
        ({"a->b.enabled": "false"}, "no flow is enabled"),
        ({"a.bootstrap.servers": ""}, "a.bootstrap.servers is missing"),
        ({"offset.lag.max": "many"}, "write a whole number, 0 or more"),
        ({"topics": "("}, "no regular expression"),
        ({"replication.policy.separator": ""}, "separator is empty"),
        (
            {"exactly.once.source.support": "enabled", "consumer.isolation.level": "read_uncommitted"},
            "needs consumer.isolation.level=read_committed",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(given, says):
    with pytest.raises(SettingsError, match=says):
        read_settings(BASE | given)


def test_a_cycle_under_identity_names_is_refused_with_its_path():
    given = {
        "clusters": "a,b,c",
        "c.bootstrap.servers": "127.0.0.1:3",
        "b->c.enabled": "true",
        "c->a.enabled": "true",
    }
    assert len(read_settings(BASE | given).flows) == 3
    with pytest.raises(SettingsError, match="a -> b -> c -> a"):
        read_settings(BASE | given | {"replication.policy.class": "IdentityReplicationPolicy"})


def test_a_negative_interval_turns_off_as_in_mm2():
    assert flow(emit_checkpoints_interval_seconds="-1").checkpoints is None
    assert flow(refresh_topics_enabled="false").refresh_topics is None
