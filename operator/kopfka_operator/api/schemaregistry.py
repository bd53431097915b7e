"""`SchemaRegistry`: a schema registry, run by Kopfka beside a Kafka cluster, or one that is there already."""

# ruff: noqa: TC001 - pydantic reads annotations

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kopfka_operator.api.conditions import CONDITIONS, OBSERVED_GENERATION, Condition
from kopfka_operator.api.external import PORT_RULES, ExternalAccess
from kopfka_operator.api.meta import NAME_RULE, ApiModel, Column, Kind, StatusModel, rules
from kopfka_operator.api.pods import PULL_POLICY, ImageName, PullPolicy, Resources, Template
from kopfka_operator.api.schemas import CompatibilityLevel, Mode
from kopfka_operator.api.values import Settings

OWN_SETTINGS = ("kafkastore.bootstrap.servers", "kafkastore.connection.url", "listeners", "host.name")
"""Settings of the registry that follow from the rest of the spec and so cannot be set in `config`."""

_DEPLOYED = ("cluster", "bootstrapServers", "kafka", "config", "authentication", "tls", "external")

URL_RULE = (
    "has(self.url) == (self.engine == 'external')",
    "url says where an external registry is: write it with engine: external, and nowhere else",
)
KAFKA_RULE = (
    "self.engine != 'bundled' || has(self.cluster) != has(self.bootstrapServers)",
    "a registry keeps its schemas in one Kafka cluster: write either cluster, the name of a KafkaCluster, "
    "or bootstrapServers",
)
# formulas know no field whose values may be anything: config is looked at by the operator alone
_SEEN = " || ".join(f"has(self.{name})" for name in _DEPLOYED if name != "config")
EXTERNAL_RULE = (
    f"self.engine != 'external' || !({_SEEN})",
    f"engine: external deploys nothing: remove {', '.join(_DEPLOYED)}; how to log in is said by credentials",
)
LOGIN_RULE = (
    "has(self.basic) || has(self.jwt)",
    "nobody could log in: write basic or jwt, or leave authentication out",
)
NODE_PORT_RULE = (
    "self.type != 'NodePort' || has(self.advertisedHost) || has(self.advertisedUrl)",
    "clients have to be told which node to connect to: write advertisedHost, a name or address of a node, "
    "or advertisedUrl",
)
SASL_RULE = (
    "self.securityProtocol.startsWith('SASL') == has(self.saslMechanism)",
    "saslMechanism belongs to securityProtocol: SASL_SSL or SASL_PLAINTEXT: write both, or neither",
)
SASL_SECRET_RULE = (
    "!self.securityProtocol.startsWith('SASL') || has(self.secretName)",
    "SASL needs a name and a password: write secretName, a Secret with username and password",
)
# no CEL: the API server knows nothing of maps whose values are strings, numbers or booleans
CONFIG_MESSAGE = f"{', '.join(OWN_SETTINGS)} follow from the spec: remove them from config"

SecretName = Annotated[str, Field(min_length=1, max_length=253)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=2048)]


class KafkaLogin(ApiModel):
    """How the registry logs in to Kafka."""

    model_config = rules(SASL_RULE, SASL_SECRET_RULE)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        description="Kafka's security.protocol."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="Kafka's sasl.mechanism."
    )
    secret_name: SecretName | None = Field(
        default=None,
        description="A Secret with what it takes: username and password for SASL, ca.crt where the system's "
        "authorities do not know the brokers' certificates, tls.crt and tls.key for mutual TLS.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        sasl = self.security_protocol.startswith("SASL")
        if sasl != (self.sasl_mechanism is not None):
            raise ValueError(SASL_RULE[1])
        if sasl and self.secret_name is None:
            raise ValueError(SASL_SECRET_RULE[1])
        return self


class Tls(ApiModel):
    """TLS of the registry's own listener."""

    secret_name: SecretName = Field(
        description="A Secret with tls.crt and tls.key, as cert-manager makes it; with ca.crt where the system's "
        "authorities do not know the certificate, or clients show certificates."
    )
    client_authentication: Literal["NONE", "REQUESTED", "REQUIRED"] = Field(
        default="NONE",
        description="Whether clients show a certificate; the operator then shows the one in credentials.",
    )


class BasicLogin(ApiModel):
    """Users with passwords."""

    secret_name: SecretName = Field(
        description="A Secret whose users.properties has a line for each user, as Confluent's registry reads it: "
        "`alice: secret,admin,developer` is a name, a password and roles."
    )


class JwtLogin(ApiModel):
    """JSON Web Tokens of an identity provider (bearer tokens)."""

    jwks_url: Url = Field(description="Where the provider's public keys are: oauthbearer.jwks.endpoint.url.")
    issuer: str = Field(min_length=1, max_length=2048, description="Who issues tokens: oauthbearer.expected.issuer.")
    audience: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="Whom tokens have to be meant for: oauthbearer.expected.audience.",
    )
    subject_claim: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="The claim that names the user, sub if omitted: oauthbearer.sub.claim.name.",
    )


class Authentication(ApiModel):
    """Who may use the registry."""

    model_config = rules(LOGIN_RULE)

    basic: BasicLogin | None = Field(default=None, description="Users with passwords (HTTP basic authentication).")
    jwt: JwtLogin | None = Field(default=None, description="Bearer tokens.")
    roles: tuple[Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^,\s]+$")], ...] | None = Field(
        default=None,
        max_length=64,
        description="Roles of basic's users that may use the registry (authentication.roles); all if omitted.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.basic is None and self.jwt is None:
            raise ValueError(LOGIN_RULE[1])
        return self


class Credentials(ApiModel):
    """How the operator itself logs in to the registry."""

    secret_name: SecretName = Field(
        description="A Secret with username and password, or token (a bearer token); ca.crt where the system's "
        "authorities do not know the registry's certificate; tls.crt and tls.key where it asks for one."
    )


class RegistryAccess(ExternalAccess):
    """How clients outside Kubernetes reach the registry."""

    model_config = rules(NODE_PORT_RULE, *PORT_RULES)

    advertised_url: Url | None = Field(
        default=None,
        description="URL that clients outside are told, where it is not that of the Service: of an Ingress, say.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.type == "NodePort" and self.advertised_host is None and self.advertised_url is None:
            raise ValueError(NODE_PORT_RULE[1])
        return self


class SchemaRegistrySpec(ApiModel):
    """The registry as it is wanted."""

    model_config = rules(URL_RULE, KAFKA_RULE, EXTERNAL_RULE)

    engine: Literal["bundled", "external"] = Field(
        default="bundled",
        description="What runs the registry. bundled: Kopfka's own. external: one that is there already "
        "(Confluent's, or one with its API); nothing is deployed, and its subjects are managed as any.",
    )
    url: Url | None = Field(default=None, description="Where the external registry is.")
    credentials: Credentials | None = Field(
        default=None,
        description="How the operator itself logs in to the registry. If omitted: as the first user of "
        "authentication.basic, and without a login where there is none.",
    )
    cluster: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name of the KafkaCluster, in the same namespace, that keeps the schemas.",
    )
    bootstrap_servers: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        pattern=r"^[^\s,]+:[0-9]+(\s*,\s*[^\s,]+:[0-9]+)*$",
        description="Addresses of any other Kafka cluster that keeps the schemas: HOST:PORT,HOST:PORT.",
    )
    kafka: KafkaLogin | None = Field(
        default=None, description="How the registry logs in to Kafka; in plain text and as nobody if omitted."
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Number of pods. One leads and writes; all serve, and pass writes on to it.",
    )
    compatibility: CompatibilityLevel | None = Field(
        default=None,
        description="Compatibility of subjects that have none of their own; as it is in the registry if omitted.",
    )
    mode: Mode | None = Field(
        default=None, description="Mode of subjects that have none of their own; as it is in the registry if omitted."
    )
    config: Settings | None = Field(
        default=None,
        description="Settings of the registry by Confluent's own names, for instance kafkastore.topic: _schemas. "
        "Values are strings, numbers, true or false. A change restarts the pods, one by one. No passwords: they "
        "belong into Secrets. Not here: " + ", ".join(OWN_SETTINGS) + ", which follow from the spec.",
    )
    authentication: Authentication | None = Field(
        default=None, description="Who may use the registry; everybody if omitted."
    )
    tls: Tls | None = Field(default=None, description="TLS of the registry's listener; plain HTTP if omitted.")
    external: RegistryAccess | None = Field(
        default=None, description="Access for clients outside Kubernetes; none if omitted."
    )
    resources: Resources | None = Field(default=None, description="Compute resources of the registry's containers.")
    image: ImageName | None = Field(
        default=None, description="Image of the registry; the operator's own image if omitted."
    )
    image_pull_policy: PullPolicy | None = Field(default=None, description=PULL_POLICY)
    template: Template | None = Field(default=None, description="What to add to the resources that Kopfka makes.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.url is not None) != (self.engine == "external"):
            raise ValueError(URL_RULE[1])
        if self.engine == "bundled" and (self.cluster is None) == (self.bootstrap_servers is None):
            raise ValueError(KAFKA_RULE[1])
        deployed = (self.cluster, self.bootstrap_servers, self.kafka, self.config)
        if self.engine == "external" and any(
            part is not None for part in (*deployed, self.authentication, self.tls, self.external)
        ):
            raise ValueError(EXTERNAL_RULE[1])
        own = [name for name in OWN_SETTINGS if name in (self.config or {})]
        if own:
            raise ValueError(f"config sets {', '.join(own)}: {CONFIG_MESSAGE}")
        return self


class SchemaRegistryStatus(StatusModel):
    """The registry as it is."""

    observed_generation: int | None = OBSERVED_GENERATION
    conditions: tuple[Condition, ...] = CONDITIONS
    url: str | None = Field(default=None, description="Where clients inside Kubernetes connect.")
    external_url: str | None = Field(default=None, description="Where clients outside Kubernetes connect.")
    replicas: int | None = Field(default=None, description="Number of pods that exist.")
    ready_replicas: int | None = Field(default=None, description="Number of pods that serve clients.")
    leader: str | None = Field(
        default=None, description="Pod that leads, and so writes; not told where Kafka is not a KafkaCluster."
    )
    compatibility: str | None = Field(
        default=None, description="Compatibility of subjects that have none of their own, where the spec says one."
    )
    mode: str | None = Field(
        default=None, description="Mode of subjects that have none of their own, where the spec says one."
    )
    version: str | None = Field(default=None, description="Version of Kopfka that the pods are made for.")


KIND = Kind(
    kind="SchemaRegistry",
    plural="schemaregistries",
    short_names=("sr",),
    description="A schema registry with Confluent's REST API.",
    spec=SchemaRegistrySpec,
    status=SchemaRegistryStatus,
    columns=(
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status', description="Whether clients are served"),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', description="Why it is, or is not"),
        Column("Pods", ".status.readyReplicas", "integer", description="Pods that serve clients"),
        Column("URL", ".status.url", description="Where clients inside Kubernetes connect"),
        Column("External", ".status.externalUrl", priority=1),
        Column("Leader", ".status.leader", priority=1),
        Column("Engine", ".spec.engine", priority=1),
        Column("Version", ".status.version", priority=1),
        Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
    rules=(NAME_RULE,),
    example="""\
apiVersion: kopfka.io/v1alpha1
kind: SchemaRegistry
metadata:
  name: schemas
spec:
  cluster: events
  replicas: 2
  compatibility: BACKWARD_TRANSITIVE
""",
)
