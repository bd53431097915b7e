"""Settings of security: Confluent's names, what contradicts itself, what must not be passed over."""

from __future__ import annotations

import pytest

from kopfka_registry.security.settings import Method
from kopfka_registry.settings import read_settings
from kopfka_registry.variables import settings_of_environment
from kopfka_runtime.errors import SettingsError
from support.certificates import Authority

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("localhost")
BASE = {"kafkastore.bootstrap.servers": "localhost:9092"}
TLS = {
    "listeners": "https://localhost:8081",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.key": PAIR.key_pem(),
    "ssl.keystore.certificate.chain": PAIR.pem,
}
TRUST = {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": AUTHORITY.pair.pem}
USERS = {"kopfka.authentication.users.file": "/users"}
JWKS = {"oauthbearer.jwks.endpoint.url": "https://id/keys"}


def read(*parts):
    given = dict(BASE)
    for part in parts:
        given |= part
    return read_settings(given)


def test_nothing_is_asked_where_nothing_is_set():
    found = read().security
    assert (found.methods, found.required, found.roles, found.tls) == (frozenset(), False, None, None)


@pytest.mark.parametrize(
    ("settings", "methods", "required"),
    [
        ({"authentication.method": "NONE"}, set(), False),
        ({"authentication.method": "BASIC"} | USERS, {Method.BASIC}, True),
        ({"authentication.method": "basic, bearer"} | USERS | JWKS, {Method.BASIC, Method.BEARER}, True),
        (JWKS, {Method.BEARER}, True),
        (TLS, set(), False),
        (TLS | TRUST | {"ssl.client.authentication": "REQUIRED"}, {Method.MTLS}, False),
        (TLS | TRUST | {"ssl.client.authentication": "REQUESTED"}, {Method.MTLS}, False),
        (TLS | TRUST | {"ssl.client.auth": "true"}, {Method.MTLS}, False),
        (TLS | TRUST | {"ssl.client.auth": "true", "ssl.client.authentication": "NONE"}, set(), False),
        (TLS | TRUST | {"ssl.client.authentication": "REQUIRED", "authentication.method": "NONE"}, set(), False),
        (TLS | TRUST | {"ssl.client.authentication": "REQUIRED", "authentication.method": "MTLS"}, {Method.MTLS}, True),
        # a certificate that is asked for besides is no login of its own
        (
            TLS | TRUST | USERS | {"ssl.client.authentication": "REQUIRED", "authentication.method": "BASIC"},
            {Method.BASIC},
            True,
        ),
        (
            TLS | TRUST | {"ssl.client.authentication": "REQUIRED", "kopfka.role.dev.read": "*"},
            {Method.MTLS},
            True,
        ),
    ],
)
def test_ways_to_log_in(settings, methods, required):
    found = read(settings).security
    assert (found.methods, found.required) == (methods, required)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"authentication.method": "BASIC"}, "kopfka.authentication.users.file is missing"),
        ({"authentication.method": "BEARER"}, "oauthbearer.jwks.endpoint.url is missing"),
        ({"authentication.method": "DIGEST"}, "write NONE, BASIC, BEARER, MTLS"),
        ({"authentication.method": "BEARER"} | JWKS | USERS, "does not have BASIC"),
        (USERS, "does not have BASIC"),
        ({"authentication.method": "BASIC"} | JWKS | USERS, "does not have BEARER"),
        ({"authentication.method": "NONE"} | JWKS, "does not have BEARER"),
        ({"authentication.method": "MTLS"}, "https listener"),
        ({"authentication.method": "MTLS"} | TLS, "ssl.client.authentication"),
        (TLS | {"ssl.client.authentication": "REQUIRED"}, "ssl.truststore.location is missing"),
        (TLS | {"ssl.client.authentication": "SOMETIMES"}, "NONE, REQUESTED, REQUIRED"),
        (TLS | {"ssl.client.auth": "perhaps"}, "ssl.client.auth=perhaps"),
        ({"listeners": "https://localhost:8081"}, "ssl.keystore.location is missing"),
        ({"kopfka.role.dev.read": "*"}, "nobody can log in"),
        ({"kopfka.super.roles": "root"}, "nobody can log in"),
        ({"kopfka.role.dev.reed": "*"}, "kopfka.role.dev.read"),
        ({"kopfka.rolls.dev.read": "*"}, "unknown setting"),
        ({"authentication.methods": "BASIC"}, "did you mean authentication.method"),
        ({"ssl.keystore.pasword": "x"}, "did you mean ssl.keystore.password"),
        ({"ssl.principal.mapping.rules": "x"}, "malformed"),
        (
            {"ssl.principal.mapping.rules": "DEFAULT", "auth.ssl.principal.mapping.rules": "RULE:a/b/"},
            "say different things",
        ),
        ({"ssl.endpoint.identification.algorithm": "ldaps"}, "write https"),
        ({"authentication.realm": 'a"b'}, "quotes"),
        ({"idle.timeout.ms": "soon"}, "idle.timeout.ms=soon"),
        ({"server.connection.limit": "-1"}, "server.connection.limit"),
        # what guards a registry of Confluent's must not be passed over in silence
        ({"confluent.schema.registry.authorizer.class": "x.RbacAuthorizer"}, "kopfka.role"),
        ({"rest.servlet.initializor.classes": "x.AuthenticationHandler"}, "authentication.method"),
        ({"resource.extension.class": "x.security.SchemaRegistrySecurityResourceExtension"}, "kopfka.role"),
        ({"schema.registry.resource.extension.class": "x.Security"}, "kopfka.role"),
        (TLS | {"ssl.engine.factory.class": "x"}, "Java classes"),
    ],
)
def test_what_is_refused(settings, said):
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        read(settings)


def test_names_of_confluents_that_mean_the_same():
    mapped = [
        read({name: "RULE:^CN=(.*)$/$1/"}).security.mapping.name("CN=ann")
        for name in (
            "ssl.principal.mapping.rules",
            "auth.ssl.principal.mapping.rules",
            "confluent.schema.registry.auth.ssl.principal.mapping.rules",
        )
    ]
    assert mapped == ["ann"] * 3
    both = {"listeners": "http://localhost:8081,https://localhost:8082"}
    assert read(TLS, both, {"inter.instance.protocol": "http"}).scheme == "http"
    assert read(TLS, both, {"schema.registry.inter.instance.protocol": "https"}).scheme == "https"
    assert read({"resource.extension.class": "x.Metrics"}).security == read().security


def test_roles_that_are_let_in_and_other_values():
    found = read(USERS, {"authentication.method": "BASIC", "authentication.roles": "admin, dev"}).security
    assert found.allowed_roles == {"admin", "dev"}
    for everybody in ("*", "**", "admin,*"):
        given = {"authentication.method": "BASIC", "authentication.roles": everybody}
        assert read(USERS, given).security.allowed_roles is None
    assert read({"idle.timeout.ms": "500"}).security.limits.idle_seconds == 0.5
    assert read({"server.connection.limit": "7"}).security.limits.connections == 7
    assert read().security.limits.connections >= 64
    assert not read({"ssl.endpoint.identification.algorithm": ""}).security.check_hostname


def test_the_variables_of_confluents_image():
    given = {
        "SCHEMA_REGISTRY_SSL_KEYSTORE_KEY": "k",
        "SCHEMA_REGISTRY_KOPFKA_AUTHENTICATION_USERS_FILE": "/users",
        "SCHEMA_REGISTRY_KAFKASTORE_SASL_JAAS_CONFIG": "x",
        "SCHEMA_REGISTRY_KOPFKA_ROLE_DEV_READ": "*",
        "SCHEMA_REGISTRY_HOST_PORT": "8081",
        "SCHEMA_REGISTRY_SCHEMA_REGISTRY_GROUP_ID": "g",
        # of the image and its JVM
        "SCHEMA_REGISTRY_HEAP_OPTS": "-Xmx1g",
        "SCHEMA_REGISTRY_LOG4J_ROOT_LOGLEVEL": "INFO",
        "SCHEMA_REGISTRY_OPTS": "-Djava.security.auth.login.config=/x",
        # of a Kubernetes service called schema-registry, or schema-registry-ui
        "SCHEMA_REGISTRY_SERVICE_HOST": "10.0.0.1",
        "SCHEMA_REGISTRY_SERVICE_PORT": "8081",
        "SCHEMA_REGISTRY_SERVICE_PORT_HTTP": "8081",
        "SCHEMA_REGISTRY_PORT": "tcp://10.0.0.1:8081",
        "SCHEMA_REGISTRY_PORT_8081_TCP": "tcp://10.0.0.1:8081",
        "SCHEMA_REGISTRY_PORT_8081_TCP_ADDR": "10.0.0.1",
        "SCHEMA_REGISTRY_UI_SERVICE_HOST": "10.0.0.1",
        "SCHEMA_REGISTRY_UI_PORT_80_TCP_PROTO": "tcp",
        "PATH": "/bin",
    }
    assert settings_of_environment(given) == {
        "ssl.keystore.key": "k",
        "kopfka.authentication.users.file": "/users",
        "kafkastore.sasl.jaas.config": "x",
        "kopfka.role.dev.read": "*",
        "host.port": "8081",
        "schema.registry.group.id": "g",
    }
