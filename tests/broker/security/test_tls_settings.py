"""TLS settings of a listener: what cannot be is refused by name."""

from __future__ import annotations

import pytest

from kopfka_broker.config.listener import ListenerConfig
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.security.tls import TlsContexts
from kopfka_runtime.errors import SettingsError
from support.certificates import Authority

PAIR = Authority().issue("localhost")


def contexts(settings):
    named = {f"listener.name.x.{name}": value for name, value in settings.items()}
    config = BrokerConfig(named)
    return TlsContexts(ListenerConfig(config, "X"), client_auth=True)


GOOD = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.key": PAIR.key_pem(),
    "ssl.keystore.certificate.chain": PAIR.pem,
}


def test_settings_in_the_file_alone():
    made = contexts(GOOD | {"ssl.client.auth": "required", "ssl.cipher.suites": "TLS_AES_256_GCM_SHA384"})
    assert made.context.minimum_version.name == made.context.maximum_version.name == "TLSv1_3"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "ssl.keystore.location is missing"),
        ({"ssl.keystore.location": "/nowhere"}, "ssl.keystore.password"),
        ({"ssl.keystore.location": "/nowhere", "ssl.keystore.password": "x"}, "/nowhere"),
        ({"ssl.keystore.location": "/nowhere", "ssl.keystore.type": "BKS"}, "ssl.keystore.type"),
        (GOOD | {"ssl.keystore.type": "JKS"}, "ssl.keystore.key"),
        (GOOD | {"ssl.keystore.location": "/nowhere"}, "ssl.keystore.key"),
        (GOOD | {"ssl.keystore.password": "x"}, "ssl.keystore.password"),
        ({"ssl.keystore.type": "PEM", "ssl.keystore.key": "x"}, "ssl.keystore.certificate.chain"),
        (
            GOOD | {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": "x", "ssl.client.auth": "required"},
            "trust",
        ),
        (GOOD | {"ssl.enabled.protocols": "SSLv3"}, "ssl.enabled.protocols"),
        (GOOD | {"ssl.cipher.suites": "NONE"}, "ssl.cipher.suites"),
        (GOOD | {"ssl.client.auth": "maybe"}, "ssl.client.auth"),
        (GOOD | {"ssl.engine.factory.class": "my.Factory"}, "ssl.engine.factory.class"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings, named):
    with pytest.raises(SettingsError, match=named):
        contexts(settings)
