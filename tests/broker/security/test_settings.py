"""A listener's settings: mistakes are told at the start by the setting's name; what is altered counts at once."""

from __future__ import annotations

import pytest

from broker.live import live_broker
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.network.listeners import Listener
from kopfka_broker.security.entrance import entrance
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import ApiKey

MODULES = "org.apache.kafka.common.security"
PLAIN = f"{MODULES}.plain.PlainLoginModule"
OAUTH = f"{MODULES}.oauthbearer.OAuthBearerLoginModule"


def x(name):
    return f"listener.name.x.{name}"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "sasl.enabled.mechanisms: GSSAPI"),
        ({"sasl.enabled.mechanisms": "PLAIN,NTLM"}, "sasl.enabled.mechanisms: NTLM"),
        ({x("sasl.enabled.mechanisms"): "PLAIN"}, "listener.name.x.plain.sasl.jaas.config is missing"),
        (
            {x("plain.sasl.jaas.config"): "other.Module required;"},
            "listener.name.x.plain.sasl.jaas.config: Java classes",
        ),
        ({x("plain.sasl.jaas.config"): f"{PLAIN} required"}, "listener.name.x.plain.sasl.jaas.config is malformed"),
        ({x("plain.sasl.server.callback.handler.class"): "my.Handler"}, "plain.sasl.server.callback.handler.class"),
        ({"principal.builder.class": "my.Builder"}, "principal.builder.class"),
        ({x("sasl.enabled.mechanisms"): "OAUTHBEARER"}, "oauthbearer.sasl.jaas.config is missing"),
        (
            {
                x("sasl.enabled.mechanisms"): "OAUTHBEARER",
                x("oauthbearer.sasl.jaas.config"): f"{OAUTH} required;",
                x("oauthbearer.sasl.server.callback.handler.class"): (
                    f"{MODULES}.oauthbearer.OAuthBearerValidatorCallbackHandler"
                ),
            },
            "jwks.endpoint.url is missing",
        ),
        ({"listener.name.x.plain.sasl.jass.config": "x"}, "unknown setting listener.name.x.plain.sasl.jass.config"),
        ({"listener.name.x.max.connections": "many"}, "max.connections"),
    ],
)
def test_mistakes_are_told_by_the_setting(settings, named):
    defaults = {"sasl.enabled.mechanisms": "PLAIN"} if any("plain" in name for name in settings) else {}
    with pytest.raises(SettingsError) as told:
        entrance(Listener("X", "", 1, "SASL_PLAINTEXT"), BrokerConfig(defaults | settings), lookup=None)
    assert named in str(told.value)


async def test_a_user_of_plain_is_added_while_the_broker_runs(tmp_path):
    jaas = "listener.name.sasl.plain.sasl.jaas.config"
    settings = {
        "listeners": "SASL://127.0.0.1:0",
        "listener.security.protocol.map": "SASL:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "connection.failed.authentication.delay.ms": "0",
        jaas: f'{PLAIN} required user_ann="right";',
    }

    async def log_in(live, user):
        live.port = live.broker.cluster.listeners.advertised["SASL"].port
        client = await live.client()
        assert (await client.call(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN")).error_code == 0
        token = f"\0{user}\0right".encode()
        return (await client.call(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=token)).error_code.name

    async with live_broker(tmp_path / "data", **settings) as live:
        assert [await log_in(live, user) for user in ("ann", "bob")] == ["none", "sasl_authentication_failed"]
        cluster = live.broker.cluster
        with pytest.raises(SettingsError, match="malformed"):
            cluster.config.check("1", {jaas: f"{PLAIN} required"})
        cluster.alter_broker_config("1", {jaas: f'{PLAIN} required user_bob="right";'})
        assert [await log_in(live, user) for user in ("ann", "bob")] == ["sasl_authentication_failed", "none"]
