"""What the operator writes for its pods is what the registry reads."""

from __future__ import annotations

import ssl

import pytest

from kopfka_operator.api.schemaregistry import SchemaRegistrySpec
from kopfka_operator.children.pods import Installation
from kopfka_operator.schemaregistry import render
from kopfka_registry.security.settings import Method
from kopfka_registry.settings import read_settings
from kopfka_registry.variables import settings_of_environment
from kopfka_runtime.settings import parse_properties
from kopfka_wire.client.settings import client_settings
from support.certificates import Authority

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("registry")
STORES = {"tls.crt": PAIR.pem.encode(), "tls.key": PAIR.key_pem().encode(), "ca.crt": AUTHORITY.pair.pem.encode()}
SECRETS = {
    "kafka": STORES | {"username": b"u", "password": b"p"},
    "tls": STORES,
    "users": {"users.properties": b"alice: s3cret,admin"},
}


def read(**spec):
    """Return the settings that a pod of this resource has."""
    given = SchemaRegistrySpec.model_validate({"cluster": "events"} | spec)
    registry = render.Registry("ns", "schemas", "u1", given, Installation("kopfka:test", "1.2.3"))
    text = render.config_map(registry, "events:9092", SECRETS)["data"]["registry.properties"]
    (container,) = render.pod_template(registry, "events:9092", SECRETS)["spec"]["containers"]
    environment: dict[str, str] = {}
    for each in container["env"]:
        value = each.get("value")
        reference = each.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            value = SECRETS[reference["name"]][reference["key"]].decode()
        for name, known in environment.items():
            value = value and value.replace(f"$({name})", known)
        environment[each["name"]] = value or ""
    arguments = container["args"]
    return read_settings(
        parse_properties(text) | settings_of_environment(environment), listen=arguments[arguments.index("--listen") + 1]
    )


@pytest.mark.parametrize("client", ["NONE", "REQUESTED", "REQUIRED"])
def test_everything_at_once(client):
    found = read(
        kafka={"securityProtocol": "SASL_SSL", "saslMechanism": "SCRAM-SHA-512", "secretName": "kafka"},
        tls={"secretName": "tls", "clientAuthentication": client},
        authentication={
            "basic": {"secretName": "users"},
            "jwt": {"jwksUrl": "https://id/keys", "issuer": "https://id", "audience": "sr", "subjectClaim": "email"},
            "roles": ["admin", "dev"],
        },
        config={"kopfka.role.dev.write": "team-*", "kopfka.super.roles": "admin", "schema.cache.size": 10},
    )
    security = found.security
    assert security.methods == {Method.BASIC, Method.BEARER}
    assert security.required
    assert security.allowed_roles == {"admin", "dev"}
    assert str(security.users) == "/etc/kopfka-users/users.properties"
    rules = security.jwt.rules
    assert (rules.issuer, rules.audience, rules.principal_claim) == ("https://id", ("sr",), "email")
    assert security.tls.client_auth is {
        "NONE": ssl.CERT_NONE, "REQUESTED": ssl.CERT_OPTIONAL, "REQUIRED": ssl.CERT_REQUIRED,
    }[client]  # fmt: skip
    assert security.replica_name == "schemas-registry.ns.svc"
    assert security.roles.of("ann", ["admin"]).may_any()
    assert (found.scheme, found.listeners[0].scheme) == ("https", "https")
    store = client_settings(found.kafka)
    assert (store.security_protocol, store.login.mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert found.unused == ()


def test_certificates_alone_are_a_login():
    security = read(tls={"secretName": "tls", "clientAuthentication": "REQUIRED"}).security
    assert security.methods == {Method.MTLS}


def test_nothing_at_all():
    found = read()
    assert (found.security.methods, found.security.required, found.scheme) == (frozenset(), False, "http")
