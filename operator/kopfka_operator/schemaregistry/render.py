"""The Kubernetes objects of a `SchemaRegistry` with the bundled engine, as manifests. Pure.

Settings without secrets are in a file by Confluent's names. What comes from Secrets, and paths, are variables by the
convention of Confluent's image: `SCHEMA_REGISTRY_SSL_KEYSTORE_KEY` is `ssl.keystore.key`. So nothing secret is in a
ConfigMap, and mount paths occur only in the container's command line and variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kopfka_operator.api.names import REGISTRY_LABEL
from kopfka_operator.children import pods
from kopfka_operator.children.external import external_service, service_port
from kopfka_operator.children.owner import Owner, digest
from kopfka_operator.children.pods import CONFIG, CONFIG_HASH, HEALTH_PORT, SECRETS_HASH, Image, Installation
from kopfka_operator.kube.resources import (
    BUDGETS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    SCHEMA_REGISTRIES,
    SERVICE_ACCOUNTS,
    SERVICES,
    Ref,
    ResourceType,
)
from kopfka_operator.registry.login import USERS
from kopfka_runtime.settings import format_properties, variable_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_operator.api.schemaregistry import KafkaLogin, RegistryAccess, SchemaRegistrySpec
    from kopfka_operator.kube.resources import Manifest

PORT = 8081
FILE = "registry.properties"
USERS_FOLDER = "/etc/kopfka-users"
PREFIX = "SCHEMA_REGISTRY_"
"""Of the variables that stand for settings."""
DEFAULT_TOPIC = "_schemas"
DEFAULT_GROUP = "schema-registry"
# a registry reads its whole topic before it serves
START_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Registry(Owner):
    """A SchemaRegistry: who it is and what it wants."""

    TYPE: ClassVar[ResourceType] = SCHEMA_REGISTRIES
    LABEL: ClassVar[str] = REGISTRY_LABEL
    APP: ClassVar[str] = "schema-registry"
    COMPONENT: ClassVar[str] = "registry"

    spec: SchemaRegistrySpec
    installation: Installation

    @property
    def config_map(self) -> Ref:
        """The registry's settings."""
        return self.ref(CONFIG_MAPS, "-registry")

    @property
    def account(self) -> Ref:
        """The account the pods run as; it has no rights."""
        return self.ref(SERVICE_ACCOUNTS, "-registry")

    @property
    def service(self) -> Ref:
        """The service that clients inside Kubernetes connect to."""
        return self.ref(SERVICES, "-registry")

    @property
    def external(self) -> Ref:
        """The service that clients outside Kubernetes connect to."""
        return self.ref(SERVICES, "-registry-external")

    @property
    def budget(self) -> Ref:
        """The disruption budget."""
        return self.ref(BUDGETS, "-registry")

    @property
    def deployment(self) -> Ref:
        """What runs the pods."""
        return self.ref(DEPLOYMENTS, "-registry")

    @property
    def scheme(self) -> str:
        """What the registry speaks."""
        return "http" if self.spec.tls is None else "https"

    @property
    def url(self) -> str:
        """Where clients inside Kubernetes connect."""
        return self.spec.url or service_url(self.namespace, self.name, tls=self.spec.tls is not None)

    @property
    def topic(self) -> str:
        """The topic that keeps the schemas."""
        return (self.spec.config or {}).get("kafkastore.topic", DEFAULT_TOPIC)

    @property
    def group(self) -> str:
        """The group in which instances choose their leader.

        Registries over one topic have to choose one; those over others must not take part.
        """
        default = DEFAULT_GROUP if self.topic == DEFAULT_TOPIC else f"{DEFAULT_GROUP}-{self.topic}"
        return (self.spec.config or {}).get("schema.registry.group.id", default)

    @property
    def mounted_secrets(self) -> tuple[str, ...]:
        """Names of the Secrets that the pods need."""
        spec = self.spec
        login = spec.authentication.basic if spec.authentication is not None else None
        named = (part.secret_name for part in (spec.kafka, spec.tls, login) if part is not None)
        return tuple(sorted({name for name in named if name is not None}))


def service_url(namespace: str, name: str, *, tls: bool) -> str:
    """Return where clients inside Kubernetes reach a registry of Kopfka's."""
    return f"{'https' if tls else 'http'}://{service_host(namespace, name)}:{PORT}"


def service_host(namespace: str, name: str) -> str:
    """Return the host name of the service of a registry: its certificate has to be for that."""
    return f"{name}-registry.{namespace}.svc"


def config_map(registry: Registry, bootstrap: str, secrets: Mapping[str, Mapping[str, bytes]]) -> Manifest:
    """Return the ConfigMap with the registry's settings; `bootstrap` is where Kafka is."""
    return registry.child(registry.config_map, data={FILE: _properties(registry, bootstrap, secrets)})


def service(registry: Registry) -> Manifest:
    """Return the Service for clients inside Kubernetes."""
    spec = {"type": "ClusterIP", "selector": registry.selector, "ports": [service_port(registry.scheme, PORT)]}
    return registry.child(registry.service, spec=spec)


def outside_service(registry: Registry, wanted: RegistryAccess) -> Manifest:
    """Return the Service for clients outside Kubernetes."""
    return external_service(registry, registry.external, wanted, registry.scheme, PORT)


def deployment(registry: Registry, bootstrap: str, secrets: Mapping[str, Mapping[str, bytes]]) -> Manifest:
    """Return the Deployment; a new pod serves before an old one goes."""
    spec = {
        "replicas": registry.spec.replicas,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": registry.selector},
        "template": pod_template(registry, bootstrap, secrets),
    }
    return registry.child(registry.deployment, spec=spec)


def pod_template(registry: Registry, bootstrap: str, secrets: Mapping[str, Mapping[str, bytes]]) -> Manifest:
    """Return the template of the pods, annotated with its own hash."""
    spec = registry.spec
    volumes: list[Manifest] = [{"name": "config", "configMap": {"name": registry.config_map.name}}]
    mounts: list[Manifest] = [{"name": "config", "mountPath": CONFIG, "readOnly": True}]
    if spec.authentication is not None and spec.authentication.basic is not None:
        entry = {"secretName": spec.authentication.basic.secret_name, "items": [{"key": USERS, "path": USERS}]}
        volumes.append({"name": "users", "secret": entry})
        mounts.append({"name": "users", "mountPath": USERS_FOLDER, "readOnly": True})
    arguments = (
        "registry",
        "--config",
        f"{CONFIG}/{FILE}",
        "--listen",
        f"0.0.0.0:{PORT}" if spec.tls is None else f"https://0.0.0.0:{PORT}",
        "--health",
        f"0.0.0.0:{HEALTH_PORT}",
    )
    container = pods.container(
        "registry",
        Image.of(spec.image, spec.image_pull_policy, registry.installation),
        arguments,
        [pods.container_port(registry.scheme, PORT), pods.container_port("health", HEALTH_PORT)],
        mounts,
        resources=spec.resources,
        start_seconds=START_SECONDS,
        environment=_environment(registry, secrets),
    )
    annotations = {CONFIG_HASH: digest(_properties(registry, bootstrap, secrets))}
    if secrets:
        annotations[SECRETS_HASH] = digest(
            {name: {key: value.hex() for key, value in entries.items()} for name, entries in secrets.items()}
        )
    return pods.pod_template(
        registry,
        registry.account,
        [container],
        volumes,
        extra=spec.template.pod if spec.template is not None else None,
        annotations=annotations,
    )


def _properties(registry: Registry, bootstrap: str, secrets: Mapping[str, Mapping[str, bytes]]) -> str:
    spec = registry.spec
    settings = dict(spec.config or {})
    settings |= {"kafkastore.topic": registry.topic, "schema.registry.group.id": registry.group}
    settings["kafkastore.bootstrap.servers"] = bootstrap
    if spec.kafka is not None:
        settings |= _kafka_settings(spec.kafka, secrets)
    if spec.tls is not None:
        settings |= {"ssl.keystore.type": "PEM", "ssl.client.authentication": spec.tls.client_authentication}
        settings["inter.instance.protocol"] = "https"
        # pods reach each other by addresses, which no certificate is for
        settings["kopfka.inter.instance.name"] = service_host(registry.namespace, registry.name)
        if "ca.crt" in secrets[spec.tls.secret_name]:
            settings["ssl.truststore.type"] = "PEM"
    login = spec.authentication
    if login is not None:
        methods = (("BASIC", login.basic), ("BEARER", login.jwt))
        settings["authentication.method"] = ",".join(name for name, wanted in methods if wanted is not None)
    if login is not None and login.basic is not None:
        settings["authentication.roles"] = ",".join(login.roles or ("*",))
    if login is not None and login.jwt is not None:
        jwt = {
            "jwks.endpoint.url": login.jwt.jwks_url,
            "expected.issuer": login.jwt.issuer,
            "expected.audience": login.jwt.audience,
            "sub.claim.name": login.jwt.subject_claim,
        }
        settings |= {f"oauthbearer.{name}": value for name, value in jwt.items() if value is not None}
    return format_properties(settings)


def _kafka_settings(login: KafkaLogin, secrets: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
    entries = secrets[login.secret_name] if login.secret_name is not None else {}
    out: dict[str, str] = {"kafkastore.security.protocol": login.security_protocol}
    if login.sasl_mechanism is not None:
        out["kafkastore.sasl.mechanism"] = login.sasl_mechanism
    if "ca.crt" in entries:
        out["kafkastore.ssl.truststore.type"] = "PEM"
    if "tls.key" in entries:
        out["kafkastore.ssl.keystore.type"] = "PEM"
    return out


def _environment(registry: Registry, secrets: Mapping[str, Mapping[str, bytes]]) -> list[Manifest]:
    spec = registry.spec
    # the address at which other pods reach this one
    out: list[Manifest] = [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    if spec.kafka is not None and spec.kafka.secret_name is not None:
        out += _kafka_environment(spec.kafka, spec.kafka.secret_name, secrets[spec.kafka.secret_name])
    if spec.tls is not None:
        out += _from_secret(
            spec.tls.secret_name,
            secrets[spec.tls.secret_name],
            {
                "tls.crt": "ssl.keystore.certificate.chain",
                "tls.key": "ssl.keystore.key",
                "ca.crt": "ssl.truststore.certificates",
            },
        )
    if spec.authentication is not None and spec.authentication.basic is not None:
        out.append(
            {"name": variable_of(PREFIX, "kopfka.authentication.users.file"), "value": f"{USERS_FOLDER}/{USERS}"}
        )
    return out


def _kafka_environment(login: KafkaLogin, name: str, entries: Mapping[str, bytes]) -> list[Manifest]:
    out = _from_secret(
        name,
        entries,
        {
            "ca.crt": "kafkastore.ssl.truststore.certificates",
            "tls.crt": "kafkastore.ssl.keystore.certificate.chain",
            "tls.key": "kafkastore.ssl.keystore.key",
        },
    )
    if login.sasl_mechanism is None:
        return out
    if "sasl.jaas.config" in entries:
        return out + _from_secret(name, entries, {"sasl.jaas.config": "kafkastore.sasl.jaas.config"})
    # not put together to a JAAS line: a password may have quotation marks in it
    return out + _from_secret(
        name, entries, {"username": "kafkastore.sasl.username", "password": "kafkastore.sasl.password"}
    )


def _from_secret(name: str, entries: Mapping[str, bytes], settings: Mapping[str, str]) -> list[Manifest]:
    return [
        {"name": variable_of(PREFIX, setting), "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
        for key, setting in settings.items()
        if key in entries
    ]
