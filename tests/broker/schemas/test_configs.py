"""The topic configs of the check over the protocol: created, altered, described; who does not use them sees none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broker.live import live_broker
from kopfka_broker.config.confluent import RECORD_NAME, TOPIC, TOPIC_NAME
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import ApiKey

VALIDATION = "confluent.value.schema.validation"
STRATEGY = "confluent.value.subject.name.strategy"
INVALID_CONFIG = 40
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4


async def create(client, name, config, version=5):
    from kio.schema.create_topics.v5.request import CreatableTopic, CreatableTopicConfig

    configs = tuple(CreatableTopicConfig(name=key, value=value) for key, value in config.items())
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1, assignments=(), configs=configs)
    answer = await client.call(
        ApiKey.CREATE_TOPICS, version, topics=(topic,), timeout=timedelta(seconds=5), validate_only=False
    )
    return answer.topics[0]


async def alter(client, name, changes, kind=TOPIC_RESOURCE):
    """Set configs; None deletes one."""
    from kio.schema.incremental_alter_configs.v1.request import AlterableConfig, AlterConfigsResource

    configs = tuple(
        AlterableConfig(name=key, config_operation=int(value is None), value=value) for key, value in changes.items()
    )
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    answer = await client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=(resource,), validate_only=False)
    return answer.responses[0]


async def describe(client, name, kind=TOPIC_RESOURCE):
    from kio.schema.describe_configs.v4.request import DescribeConfigsResource

    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=None)
    answer = await client.call(
        ApiKey.DESCRIBE_CONFIGS, 4, resources=(resource,), include_synonyms=True, include_documentation=True
    )
    return {each.name: each for each in answer.results[0].configs if each.name.startswith("confluent.")}


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({VALIDATION: "yes"}, f"Invalid value yes for configuration {VALIDATION}: Expected value to be either true"),
        (
            {STRATEGY: "com.example.Mine"},
            f"Invalid value com.example.Mine for configuration {STRATEGY}: String must be",
        ),
        ({"confluent.value.schema.validatoin": "true"}, "Unknown topic config name: confluent.value.schema.validatoin"),
    ],
)
async def test_what_cannot_be(checking, config, why):
    client = await checking.client()
    refused = await create(client, "t", config)
    assert refused.error_code == INVALID_CONFIG
    assert refused.error_message.startswith(why)
    await client.create("t")
    refused = await alter(client, "t", config)
    assert refused.error_code == INVALID_CONFIG
    assert refused.error_message.startswith(why)


async def test_without_a_registry_nothing_is_switched_on(live):
    client = await live.client()
    why = f"{VALIDATION}=true needs a schema registry to ask: set confluent.schema.registry.url"
    refused = await create(client, "t", {VALIDATION: "true"})
    assert (refused.error_code, refused.error_message.startswith(why)) == (INVALID_CONFIG, True)
    assert (await create(client, "t", {VALIDATION: "false", STRATEGY: RECORD_NAME})).error_code == 0
    refused = await alter(client, "t", {VALIDATION: "TRUE"})
    assert (refused.error_code, refused.error_message.startswith(why)) == (INVALID_CONFIG, True)
    assert live.broker.cluster.schemas.made is None


async def test_without_a_registry_a_topic_looks_as_on_apache_kafka(live):
    client = await live.client()
    created = await create(client, "plain", {})
    assert len(created.configs) == 33
    assert not any(each.name.startswith("confluent.") for each in created.configs)
    assert await describe(client, "plain") == {}
    assert await describe(client, "1", BROKER_RESOURCE) == {}
    # but for what somebody has set
    await client.create("set", **{STRATEGY: RECORD_NAME})
    assert list(await describe(client, "set")) == [STRATEGY]


async def test_with_a_registry_a_topic_looks_as_on_confluent_server(checking, url):
    client = await checking.client()
    created = await create(client, "t", {VALIDATION: "true"})
    shown = {each.name: (each.value, each.config_source) for each in created.configs if each.name in TOPIC}
    described = await describe(client, "t")
    assert shown == {name: (each.value, each.config_source) for name, each in described.items()}
    boolean, string, own, default = 1, 2, 1, 5
    assert {name: (each.config_type, each.value, each.config_source) for name, each in described.items()} == {
        "confluent.key.schema.validation": (boolean, "false", default),
        VALIDATION: (boolean, "true", own),
        "confluent.key.subject.name.strategy": (string, TOPIC_NAME, default),
        STRATEGY: (string, TOPIC_NAME, default),
    }
    assert all(each.documentation and not each.is_sensitive and not each.read_only for each in described.values())
    [address] = (await describe(client, "1", BROKER_RESOURCE)).values()
    assert (address.name, address.value, address.read_only) == ("confluent.schema.registry.url", url, True)


async def test_what_is_on_does_not_keep_other_things_from_being_altered(tmp_path, url):
    """Also where the broker has no registry any more."""
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url) as live:
        await (await live.client()).create("t", **{VALIDATION: "true"})
    async with live_broker(tmp_path / "data") as live:
        client = await live.client()
        assert (await alter(client, "t", {"retention.ms": "5"})).error_code == 0
        assert (await alter(client, "t", {"confluent.key.schema.validation": "true"})).error_code == INVALID_CONFIG
        assert (await alter(client, "t", {VALIDATION: None})).error_code == 0
        assert (await alter(client, "t", {VALIDATION: "true"})).error_code == INVALID_CONFIG


async def test_passwords_are_not_shown(tmp_path, url):
    given = {
        "confluent_basic_auth_credentials_source": "USER_INFO",
        "confluent_basic_auth_user_info": "me:secret",
        "confluent_ssl_keystore_key": "KEY",
    }
    async with live_broker(tmp_path / "data", confluent_schema_registry_url=url, **given) as live:
        shown = await describe(await live.client(), "1", BROKER_RESOURCE)
    assert {name: each.value for name, each in shown.items() if each.is_sensitive} == {
        "confluent.basic.auth.user.info": None,
        "confluent.ssl.keystore.key": None,
    }


async def test_a_mistake_about_the_registry_ends_the_start(tmp_path):
    with pytest.raises(SettingsError, match=r"confluent.schema.registry.url: registry:8081 is no address"):
        async with live_broker(tmp_path / "data", confluent_schema_registry_url="registry:8081"):
            pass
    assert not (tmp_path / "data").exists()
