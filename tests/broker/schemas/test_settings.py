"""Settings of the registry and of topics: what they mean, and what is refused in which words."""

from __future__ import annotations

import base64

import pytest

from kopfka_broker.config.confluent import RECORD_NAME, TOPIC_NAME, TOPIC_RECORD_NAME
from kopfka_broker.config.used import USED
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.schemas.settings import Part, RegistrySettings, parts_to_check
from kopfka_runtime.errors import SettingsError

URL = {"confluent.schema.registry.url": "http://one:8081"}


def settings(**given):
    return RegistrySettings.from_config(BrokerConfig({name.replace("_", "."): value for name, value in given.items()}))


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_addresses():
    found = settings(confluent_schema_registry_url="http://one:8081, http://u%40x:p%3Aw@two:8081/base/ ,https://three")
    shown = [(each.url, each.authorization) for each in found.addresses]
    assert shown == [
        ("http://one:8081", None), ("http://two:8081/base", basic("u@x:p:w")), ("https://three", None),
    ]  # fmt: skip
    assert settings().addresses == ()


def test_credentials():
    source = "confluent_basic_auth_credentials_source"
    user = {source: "USER_INFO", "confluent_basic_auth_user_info": "me:secret"}
    [address] = settings(confluent_schema_registry_url="http://u:p@one", **user).addresses
    assert (address.url, address.authorization) == ("http://one", basic("me:secret"))
    [address] = settings(
        confluent_schema_registry_url="http://u:p@one", confluent_basic_auth_user_info="no:no"
    ).addresses
    assert address.authorization == basic("u:p")
    token = {"confluent_bearer_auth_credentials_source": "STATIC_TOKEN", "confluent_bearer_auth_token": "abc"}
    [address] = settings(confluent_schema_registry_url="http://one", **token).addresses
    assert address.authorization == "Bearer abc"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"confluent_schema_registry_url": "one:8081"}, "confluent.schema.registry.url: one:8081 is no address"),
        ({"confluent_schema_registry_url": "http://u:secret@"}, "confluent.schema.registry.url: http:// is no address"),
        ({"confluent_basic_auth_credentials_source": "USER_INFO"}, "confluent.basic.auth.user.info is to be USER:PASS"),
        ({"confluent_basic_auth_credentials_source": "SASL_INHERIT"}, "String must be one of: URL, USER_INFO"),
        ({"confluent_bearer_auth_credentials_source": "STATIC_TOKEN"}, "confluent.bearer.auth.token is missing"),
        (
            {"confluent_schema_registry_url": "https://one", "confluent_ssl_truststore_location": "/missing.jks",
             "confluent_ssl_truststore_password": "x"},
            "confluent.schema.registry.ssl.*: cannot read /missing.jks",
        ),
        (
            {"confluent_schema_registry_url": "https://one", "confluent_schema_registry_ssl_keystore_location": "/x"},
            "confluent.schema.registry.ssl.keystore.password is missing",
        ),
        ({"confluent_schema_registry_uri": "x"}, "did you mean confluent.schema.registry.url?"),
    ],
)  # fmt: skip
def test_what_is_refused(given, why):
    with pytest.raises(SettingsError) as caught:
        settings(**given)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_every_setting_has_a_use():
    given = URL | {"confluent.ssl.keystore.type": "PEM", "confluent.basic.auth.user.info": "a:b"}
    assert BrokerConfig(given).unused(USED) == []


def test_what_a_topic_asks_for():
    value, key = "confluent.value.", "confluent.key."
    assert parts_to_check("t", {}) == ()
    assert parts_to_check("t", {value + "schema.validation": "false", key + "subject.name.strategy": RECORD_NAME}) == ()
    assert parts_to_check("t", {value + "schema.validation": " TRUE "}) == (Part("t", "value", TOPIC_NAME),)
    both = {
        value + "schema.validation": "true", key + "schema.validation": "true",
        key + "subject.name.strategy": TOPIC_RECORD_NAME,
    }  # fmt: skip
    assert parts_to_check("t", both) == (Part("t", "key", TOPIC_RECORD_NAME), Part("t", "value", TOPIC_NAME))


@pytest.mark.parametrize(
    ("strategy", "subject"), [(TOPIC_NAME, "t-key"), (RECORD_NAME, "com.A"), (TOPIC_RECORD_NAME, "t-com.A")]
)
def test_subjects(strategy, subject):
    assert Part("t", "key", strategy).subject("com.A") == subject
