"""A broker with a listener of every security protocol, and who may log in to which: the same for both kinds of broker.

The settings are Kafka's own. An identity provider with one key runs in the test's process, on loopback.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kopfka_bench.brokers.java import LAUNCH_FLAGS
from kopfka_runtime.settings import format_properties
from support.certificates import Authority, pem_keystore, server_settings, subject
from support.kafka import ApacheKafka
from support.prerequisites import need_java
from support.processes import BrokerProcess, free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MODULES = "org.apache.kafka.common.security"
PLAIN_MODULE = f"{_MODULES}.plain.PlainLoginModule"
SCRAM_MODULE = f"{_MODULES}.scram.ScramLoginModule"
OAUTH_MODULE = f"{_MODULES}.oauthbearer.OAuthBearerLoginModule"
PROTOCOLS = {
    "PLAINTEXT": "PLAINTEXT",
    "TLS": "SSL",
    "MTLS": "SSL",
    "SASL": "SASL_PLAINTEXT",
    "SASLTLS": "SASL_SSL",
    "OAUTH": "SASL_PLAINTEXT",
}
"""The listeners, and their security protocols."""


class IdentityProvider:
    """Issues tokens (to clients whose secret is their name and `-secret`), and serves the public halves of its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": self._curve()}
        self.requests = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _curve() -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/keys"

    def jwks(self) -> bytes:
        """Return the key set."""
        algorithms = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}
        keys = []
        for name, key in self.keys.items():
            public = algorithms[name[:5]].to_jwk(key.public_key(), as_dict=True)
            keys.append(public | {"kid": name, "use": "sig", "alg": name[:5]})
        return json.dumps({"keys": keys}).encode()

    def token(
        self, user: str | None, algorithm: str = "RS256", key: str = "", seconds: float = 600, **claims: Any
    ) -> str:
        """Return a signed token."""
        now = int(time.time())
        body = {"sub": user, "iss": "tests", "aud": "kafka", "iat": now, "exp": now + seconds, "scope": "a b"} | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, self.keys[key or algorithm], algorithm, headers={"kid": key or algorithm})

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests += 1
                self._send(provider.jwks())

            def do_POST(self) -> None:
                basic = self.headers["authorization"].removeprefix("Basic ")
                user, _, secret = base64.b64decode(basic).decode().partition(":")
                if secret != f"{user}-secret":
                    self._send(b'{"error":"invalid_client"}', 401)
                    return
                self._send(json.dumps({"access_token": provider.token(user), "expires_in": 600}).encode())

            def _send(self, content: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class SecuredSettings:
    """The settings of one broker, and what its clients need."""

    folder: Path
    provider: IdentityProvider
    authority: Authority = field(default_factory=Authority)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PROTOCOLS})

    def listener(self, name: str) -> str:
        """Return HOST:PORT of a listener."""
        return f"localhost:{self.ports[name]}"

    def broker(self) -> dict[str, str]:
        """Return the broker's settings, all but where controllers are."""
        server = self.authority.issue(subject(CN="localhost", O="Kopfka"))
        settings = {
            "node.id": "1",
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()),
            "advertised.listeners": ",".join(f"{name}://localhost:{port}" for name, port in self.ports.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "offsets.topic.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "ssl.principal.mapping.rules": "RULE:^CN=(.*?),OU=people$/$1/L,DEFAULT",
            "connection.failed.authentication.delay.ms": "20",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.tls.ssl.client.auth": "requested",
        }
        for listener in ("tls", "mtls", "sasltls"):
            for name, value in server_settings(self.folder / listener, server, self.authority).items():
                settings[f"listener.name.{listener}.{name}"] = value
        users = 'user_ann="ann-secret" user_mallory="mallory-secret"'
        for listener in ("sasl", "sasltls"):
            prefix = f"listener.name.{listener}."
            settings |= {
                f"{prefix}sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                f"{prefix}plain.sasl.jaas.config": f"{PLAIN_MODULE} required {users};",
                f"{prefix}scram-sha-256.sasl.jaas.config": f"{SCRAM_MODULE} required;",
                f"{prefix}scram-sha-512.sasl.jaas.config": f"{SCRAM_MODULE} required;",
                f"{prefix}plain.connections.max.reauth.ms": "3000",
            }
        prefix = "listener.name.oauth."
        return settings | {
            f"{prefix}sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{prefix}oauthbearer.sasl.jaas.config": f"{OAUTH_MODULE} required;",
            f"{prefix}oauthbearer.sasl.server.callback.handler.class": (
                f"{_MODULES}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            "sasl.oauthbearer.jwks.endpoint.url": self.provider.url,
            "sasl.oauthbearer.expected.audience": "kafka",
            "sasl.oauthbearer.expected.issuer": "tests",
        }

    # -- clients, by the settings of Apache Kafka's -------------------------------------------------------------------

    def _java(self, listener: str, **more: str) -> dict[str, str]:
        trust = self.folder / "clients-trust.pem"
        trust.parent.mkdir(parents=True, exist_ok=True)
        trust.write_text(self.authority.pair.pem)
        settings = {"bootstrap.servers": self.listener(listener), "security.protocol": PROTOCOLS[listener]}
        if "SSL" in PROTOCOLS[listener]:
            settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(trust)}
        return settings | {name.replace("_", "."): value for name, value in more.items()}

    def password(self, listener: str, mechanism: str, user: str, password: str) -> dict[str, str]:
        """Return the settings of a client with a password."""
        module = PLAIN_MODULE if mechanism == "PLAIN" else SCRAM_MODULE
        jaas = f'{module} required username="{user}" password="{password}";'
        return self._java(listener, sasl_mechanism=mechanism, sasl_jaas_config=jaas)

    def certificate(
        self, listener: str, name: str, days: float = 2, authority: Authority | None = None
    ) -> dict[str, str]:
        """Return the settings of a client with a certificate."""
        pair = (authority or self.authority).issue(subject(OU="people", CN=name), days)
        path = self.folder / f"client-{name}-{days}-{id(authority)}.pem"
        pem_keystore(path, pair)
        return self._java(listener, ssl_keystore_type="PEM", ssl_keystore_location=str(path))

    def anonymous(self, listener: str) -> dict[str, str]:
        """Return the settings of a client that proves nothing."""
        return self._java(listener)

    def credentials(self, client: str, secret: str) -> dict[str, str]:
        """Return the settings of a client that asks the identity provider for its token."""
        return self._java(
            "OAUTH",
            sasl_mechanism="OAUTHBEARER",
            sasl_jaas_config=f'{OAUTH_MODULE} required clientId="{client}" clientSecret="{secret}";',
            sasl_oauthbearer_token_endpoint_url=self.provider.url,
            sasl_login_callback_handler_class=f"{_MODULES}.oauthbearer.OAuthBearerLoginCallbackHandler",
        )

    def bearer(self, name: str, token: str) -> dict[str, str]:
        """Return the settings of a client with a token."""
        path = self.folder / f"{name}.jwt"
        path.write_text(token)
        return self._java(
            "OAUTH",
            sasl_mechanism="OAUTHBEARER",
            sasl_jaas_config=f"{OAUTH_MODULE} required;",
            sasl_oauthbearer_token_endpoint_url=path.as_uri(),
            sasl_login_callback_handler_class=f"{_MODULES}.oauthbearer.OAuthBearerLoginCallbackHandler",
            sasl_oauthbearer_jwt_retriever_class=f"{_MODULES}.oauthbearer.FileJwtRetriever",
        )


USERS = ("ann", "bob", "cleo", "dora")
"""Each may write to the topic of its name, and to no other."""


@dataclass(frozen=True)
class Guarded:
    """A running broker with all these listeners."""

    kind: str
    settings: SecuredSettings
    broker: BrokerProcess | ApacheKafka
    admin: AdminClient


@contextlib.contextmanager
def running_guarded(kind: str, provider: IdentityProvider, folder: Path) -> Iterator[Guarded]:
    """Run a broker of one kind, with users and what they may do."""
    need_java()
    settings = SecuredSettings(folder / "files", provider)
    own = settings.broker()
    port = settings.ports["PLAINTEXT"]
    broker: BrokerProcess | ApacheKafka
    if kind == "kopfka":
        broker = _Listening(folder / "data", format_properties(own), port)
    else:
        controller = free_port()
        own["listeners"] += f",CONTROLLER://127.0.0.1:{controller}"
        own["listener.security.protocol.map"] += ",CONTROLLER:PLAINTEXT"
        own["controller.quorum.voters"] = f"1@127.0.0.1:{controller}"
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={provider.url}"
        broker = ApacheKafka(folder / "data", format_properties(own), port=port, flags=(*LAUNCH_FLAGS, allowed))
    broker.start()
    try:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        _prepare(admin)
        yield Guarded(kind, settings, broker, admin)
    finally:
        broker.stop()


class _Listening(BrokerProcess):
    """A broker that listens where its settings say, and nowhere else."""

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("--listen")
        return command[:at] + command[at + 2 :]


def _prepare(admin: AdminClient) -> None:
    acls = [
        AclBinding(
            ResourceType.TOPIC, name, ResourcePatternType.LITERAL, f"User:{name}", "*", AclOperation.WRITE,
            AclPermissionType.ALLOW,
        )
        for name in USERS
    ]  # fmt: skip
    kinds = {"bob": ScramMechanism.SCRAM_SHA_256, "cleo": ScramMechanism.SCRAM_SHA_512}
    changes = [
        UserScramCredentialUpsertion(user, ScramCredentialInfo(kind, 4096), f"{user}-secret".encode())
        for user, kind in kinds.items()
    ]
    topics = [NewTopic(name, 1, 1) for name in USERS]
    for futures in (admin.create_topics(topics), admin.create_acls(acls), admin.alter_user_scram_credentials(changes)):
        for made in futures.values():
            made.result(timeout=30)
    # Apache Kafka's authorizer learns of them beside all else
    every = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    eventually(lambda: len(admin.describe_acls(every).result(timeout=30)) == len(acls), what="ACLs to be in force")
