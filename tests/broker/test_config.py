"""Configuration: definitions, validation in Kafka's words, precedence, what is kept."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.config.definitions import ConfigType, definitions
from kopfka_broker.config.described import describe_all_brokers, describe_broker, describe_topic
from kopfka_broker.config.used import USED
from kopfka_broker.config.values import BrokerConfig, Source, check_topic_configs
from kopfka_broker.metadata_store import MetadataStore
from kopfka_broker.storage.errors import DataFolderError
from kopfka_runtime.errors import SettingsError


def test_everything_kafka_defines_is_defined():
    known = definitions()
    others = ("kopfka.", "confluent.")
    assert len([name for name in known.broker if not name.startswith(others)]) == 360
    assert len([name for name in known.topic if not name.startswith(others)]) == 34
    assert known.broker["num.partitions"].type is ConfigType.INT
    assert known.broker["num.partitions"].update == "read-only"
    assert known.topic["retention.ms"].synonyms[-1].factor == 3_600_000
    assert set(known.broker) >= USED


@pytest.mark.parametrize("part", ["broker", "topic", "group", "client_metrics"])
def test_every_default_is_valid(part):
    for definition in getattr(definitions(), part).values():
        if definition.default is not None:
            definition.parse(definition.default)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("retention.ms", "soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG"),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        ("segment.bytes", "99999999999", "Not a number of type INT"),
        ("segment.bytes", "1000", "Value must be at least 1048576"),
        ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("cleanup.policy", "shred", "String must be one of: compact, delete"),
        ("cleanup.policy", "compact,shred", "String must be one of: compact, delete"),
        ("compression.type", "rar", "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"),
        ("compression.gzip.level", "10", "Value must be no more than 9"),
        ("retention.years", "1", "Unknown topic config name: retention.years"),
        ("retention.ms", None, "Null value not supported for topic configs: retention.ms"),
    ],
)
def test_what_a_topic_may_not_have(name, value, why):
    with pytest.raises(SettingsError) as caught:
        check_topic_configs({name: value})
    assert str(caught.value).endswith(why)


def test_whether_acks_all_waits_for_the_disk_is_yes_or_no():
    with pytest.raises(SettingsError) as caught:
        BrokerConfig({"kopfka.acks.all.fsync": "sometimes"})
    wrong = "Invalid value sometimes for configuration kopfka.acks.all.fsync: Expected value to be either true or false"
    assert str(caught.value) == wrong
    assert BrokerConfig({}).get("kopfka.acks.all.fsync") is True


def test_the_shortest_lag_of_compaction_is_below_the_longest():
    with pytest.raises(SettingsError, match=r"min.compaction.lag.ms \(10\) > max.compaction.lag.ms \(5\)"):
        check_topic_configs({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"})


def test_what_a_topic_may_have():
    check_topic_configs({"cleanup.policy": "compact,delete", "compression.gzip.level": "-1", "retention.ms": " 5 "})
    check_topic_configs({"internal.segment.bytes": "300"})


@given(st.sampled_from(sorted(definitions().topic)), st.text(max_size=12))
def test_any_text_is_a_value_or_refused(name, text):
    with contextlib.suppress(SettingsError):
        assert definitions().topic[name].parse(text) is not None


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match=r"unknown setting num.partition: did you mean num.partitions\?"):
        BrokerConfig({"num.partition": "3"})


def test_names_without_use_here_are_known_and_listed():
    config = BrokerConfig({"num.io.threads": "8", "num.partitions": "3", "log.retention.hours": "1"})
    assert config.unused(USED) == ["num.io.threads"]


def test_hours_minutes_and_milliseconds_mean_the_same_and_the_finest_wins():
    assert BrokerConfig({"log.retention.hours": "2"}).log_config({}).retention_ms == 7_200_000
    both = {"log.retention.hours": "2", "log.retention.minutes": "3"}
    assert BrokerConfig(both).log_config({}).retention_ms == 180_000
    assert BrokerConfig(both | {"log.retention.ms": "-1"}).log_config({}).retention_ms == -1
    assert BrokerConfig({"log.retention.hours": "-1"}).log_config({}).retention_ms == -1
    assert BrokerConfig({"log.roll.hours": "1"}).log_config({}).segment_ms == 3_600_000


def test_a_topic_s_own_settings_win():
    config = BrokerConfig({"log.retention.ms": "1000", "message.max.bytes": "500"})
    assert config.log_config({"retention.ms": "7"}).retention_ms == 7
    assert config.log_config({"retention.ms": "7"}).max_message_bytes == 500
    assert config.topic_values("retention.ms", {})[0].text == "1000"


def test_what_was_altered_wins_and_is_kept(tmp_path):
    config = BrokerConfig({"log.retention.ms": "1000"})
    config.load_altered(MetadataStore(tmp_path))
    told = []
    config.on_change(lambda: told.append(True))
    config.alter("", {"log.retention.ms": "2000", "log.segment.bytes": "2000000"})
    config.alter("1", {"log.retention.ms": "3000"})
    assert told == [True, True]
    again = BrokerConfig({"log.retention.ms": "1000"})
    again.load_altered(MetadataStore(tmp_path))
    for each in (config, again):
        assert each.log_config({}).retention_ms == 3000
        assert each.log_config({}).segment_bytes == 2_000_000
        assert [(value.text, value.source) for value in each.values("log.retention.ms")][:3] == [
            ("3000", Source.DYNAMIC_BROKER),
            ("2000", Source.DYNAMIC_DEFAULT_BROKER),
            ("1000", Source.STATIC_BROKER),
        ]
    again.alter("1", {})
    assert again.log_config({}).retention_ms == 2000


def test_a_damaged_file_of_altered_configs_is_told(tmp_path):
    (tmp_path / "altered-broker-configs.json").write_text("{")
    with pytest.raises(DataFolderError, match="damaged"):
        BrokerConfig({}).load_altered(MetadataStore(tmp_path))


def test_described_topic_shows_sources_as_kafka_does():
    config = BrokerConfig({"log.retention.hours": "2", "log.segment.bytes": "2000000"})
    found = {each.definition.name: each for each in describe_topic(config, {"cleanup.policy": "compact"})}
    # a default under another name is no synonym (Kafka looks for the first name only)
    assert (found["retention.ms"].text, found["retention.ms"].source) == ("7200000", Source.DEFAULT)
    assert found["segment.bytes"].source is Source.STATIC_BROKER
    assert [value.source for value in found["cleanup.policy"].synonyms] == [Source.DYNAMIC_TOPIC, Source.DEFAULT]
    assert "internal.segment.bytes" not in found


def test_described_broker():
    config = BrokerConfig({"ssl.keystore.password": "secret", "node.id": "7"})
    config.alter("", {"log.retention.ms": "5"})
    found = {each.definition.name: each for each in describe_broker(config)}
    assert found["ssl.keystore.password"].definition.sensitive
    assert found["node.id"].read_only
    assert found["log.retention.ms"].source is Source.DYNAMIC_DEFAULT_BROKER
    assert [each.definition.name for each in describe_all_brokers(config)] == ["log.retention.ms"]
    assert config.node_id == 7
