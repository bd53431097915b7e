"""Configs of groups and client metrics, levels of loggers, levels of features: what is kept, what is in force."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.live import live_broker
from kopfka_broker.config import loggers
from kopfka_broker.config.groups import GroupConfigs, offset_reset
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.metadata_store import MetadataStore
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import ApiKey

SESSION = "consumer.session.timeout.ms"


def group_configs(folder, **settings):
    found = GroupConfigs(
        BrokerConfig({name.replace("_", "."): value for name, value in settings.items()}), MetadataStore(folder)
    )
    found.load()
    return found


def test_a_group_has_its_own_value_else_the_broker_s_else_the_default(tmp_path):
    configs = group_configs(tmp_path, group_consumer_session_timeout_ms="46000")
    assert configs.get("g", SESSION) == 46000
    changed = []
    configs.on_change(changed.append)
    configs.alter("g", {SESSION: "50000"})
    assert (configs.get("g", SESSION), configs.get("other", SESSION)) == (50000, 46000)
    assert configs.get("g", "share.auto.offset.reset") == "latest"
    assert changed == ["g"]


def test_what_a_group_was_given_is_kept(tmp_path):
    group_configs(tmp_path).alter("g", {SESSION: "50000"})
    again = group_configs(tmp_path)
    assert list(again.names()) == ["g"]
    assert again.of("g") == {SESSION: "50000"}
    again.alter("g", {})
    assert list(group_configs(tmp_path).names()) == []


def test_a_value_beyond_the_broker_s_bounds_of_today_counts_as_the_bound(tmp_path):
    group_configs(tmp_path).alter("g", {SESSION: "59000"})
    narrower = group_configs(tmp_path, group_consumer_max_session_timeout_ms="50000")
    assert narrower.get("g", SESSION) == 50000
    assert narrower.of("g") == {SESSION: "59000"}


def test_a_session_is_longer_than_a_heartbeat(tmp_path):
    configs = group_configs(
        tmp_path, group_consumer_min_session_timeout_ms="1", group_consumer_max_heartbeat_interval_ms="60000"
    )
    with pytest.raises(SettingsError, match=r"^consumer.session.timeout.ms must be greater than consumer.heartbeat"):
        configs.check({SESSION: "9000", "consumer.heartbeat.interval.ms": "9000"})


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("P2D", 2 * 86_400_000),
        ("PT15M", 900_000),
        ("P1DT2H3M4.567S", 93_784_567),
        ("pt0.001s", 1),
        ("PT-6H+3H", None),
        ("PT-1H+120M", 3_600_000),
        ("-PT1H", None),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("P1Y", None),
        ("1H", None),
        ("", None),
    ],
)
def test_a_duration_is_java_s(text, milliseconds):
    if milliseconds is None:
        with pytest.raises(SettingsError, match="the format 'by_duration:<"):
            offset_reset(f"by_duration:{text}")
    else:
        assert offset_reset(f"by_duration:{text}") == milliseconds


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_any_duration_is_read_back(duration):
    millis = duration // timedelta(milliseconds=1)
    seconds, rest = divmod(millis, 1000)
    assert offset_reset(f"by_duration:PT{seconds // 3600}H{seconds % 3600}.{rest:03d}S") == millis


def test_levels_have_kafka_s_names():
    loggers.install()
    logger = logging.getLogger("kafka.request.logger")
    try:
        for name, number in loggers.LEVELS.items():
            loggers.set_level("kafka.request.logger", name)
            assert logger.level == number
            assert loggers.loggers()["kafka.request.logger"] == name
        logger.setLevel(logging.INFO + 5)
        assert loggers.loggers()["kafka.request.logger"] == "INFO"
    finally:
        logger.setLevel(logging.WARNING)


async def test_a_feature_s_level_outlives_the_broker(tmp_path):
    from kio.schema.update_features.v2.request import FeatureUpdateKey

    async with live_broker(tmp_path / "data") as live:
        client = await live.client()
        before = live.broker.cluster.features.epoch
        down = FeatureUpdateKey(feature="group.version", max_version_level=0, upgrade_type=2)
        timeout = timedelta(seconds=1)
        for only_checked, level in ((True, 1), (False, 0)):
            answer = await client.call(
                ApiKey.UPDATE_FEATURES, 2, timeout=timeout, feature_updates=(down,), validate_only=only_checked
            )
            assert answer.error_code == 0
            assert live.broker.cluster.features.finalized.get("group.version", 0) == level
        assert live.broker.cluster.features.epoch == before + 1
    async with live_broker(tmp_path / "data") as live:
        assert "group.version" not in live.broker.cluster.features.finalized


async def test_a_cordoned_folder_takes_no_more_partitions(live):
    from kio.schema.incremental_alter_configs.v1.request import AlterableConfig, AlterConfigsResource

    client = await live.client()
    change = AlterableConfig(name="cordoned.log.dirs", config_operation=0, value="*")
    resource = AlterConfigsResource(resource_type=4, resource_name="1", configs=(change,))
    answer = await client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=(resource,), validate_only=False)
    assert answer.responses[0].error_code == 0
    with pytest.raises(AssertionError, match="invalid_replication_factor"):
        await client.create("t")
