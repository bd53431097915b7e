"""How the operator reaches the registries of its SchemaRegistries, and the clients it keeps.

Credentials are read from their Secrets whenever a client is asked for: one that was rotated counts at once. The
service's name is cluster DNS in a pod and stands in a hosts file under `kopfka up`. Where neither knows it (an operator
run from a laptop), the registry's external URL is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kopfka_operator.children.owner import digest
from kopfka_operator.errors import ApiError, RegistryUnreachableError
from kopfka_operator.kube.resources import SCHEMA_REGISTRIES, SECRETS, Ref
from kopfka_operator.reach import is_known
from kopfka_operator.registry.login import USERS, Login, LoginError, basic, first_user, login_from, secret_data
from kopfka_operator.schemaregistry.render import service_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.mirror import Mirror
    from kopfka_operator.registry.client import RegistryClient


_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"


class Registries:
    """Clients by SchemaRegistry."""

    def __init__(self, mirror: Mirror, client: KubeClient) -> None:
        self._mirror = mirror
        self._client = client
        self._known: dict[tuple[str, str], tuple[str, RegistryClient]] = {}

    async def of(self, namespace: str, name: str) -> RegistryClient:
        """Return the client of a SchemaRegistry.

        Raises:
            RegistryUnreachableError: its address is not known here.
            LoginError: its Secrets cannot be read, or do not hold what it takes to log in.
        """
        body = self._mirror.get(Ref(SCHEMA_REGISTRIES, namespace, name))
        if body is None:
            raise RegistryUnreachableError(f"there is no SchemaRegistry {name} in namespace {namespace}")
        spec = body.get("spec") or {}
        url = await self._url(namespace, name, body)
        secrets = {each: await self._secret(namespace, each) for each in _named(spec)}
        made_from = digest([url, secrets_digest(secrets)])
        known = self._known.get((namespace, name))
        if known is not None and known[0] == made_from:
            return known[1]
        login = _login(spec, {each: secret_data(secret) for each, secret in secrets.items()})
        from kopfka_operator.registry.client import RegistryClient  # noqa: PLC0415 - only where there are registries

        client = RegistryClient(url, login)
        self._known[namespace, name] = made_from, client
        if known is not None:
            await known[1].close()
        return client

    async def forget(self, namespace: str, name: str) -> None:
        """Close the client of a registry."""
        known = self._known.pop((namespace, name), None)
        if known is not None:
            await known[1].close()

    async def close(self) -> None:
        """Close all clients."""
        for namespace, name in list(self._known):
            await self.forget(namespace, name)

    async def _secret(self, namespace: str, name: str) -> Manifest:
        try:
            secret = await self._client.get(Ref(SECRETS, namespace, name))
        except ApiError as error:
            if error.transient:
                raise
            raise LoginError(f"Secret {name} in namespace {namespace} cannot be read: {error}") from error
        if secret is None:
            raise LoginError(f"there is no Secret {name} in namespace {namespace}: create it")
        if secret.get("type") == _ACCOUNT_TOKEN:
            # else whoever may write a SchemaRegistry could have the token sent to where its url says
            raise LoginError(f"Secret {name} is a service account's token, which is not for registries: use another")
        return secret

    async def _url(self, namespace: str, name: str, body: Manifest) -> str:
        spec = body.get("spec") or {}
        if spec.get("url"):
            return str(spec["url"])
        inside = service_url(namespace, name, tls="tls" in spec)
        parts = urlsplit(inside)
        if await is_known(parts.hostname or "", parts.port or 0):
            return inside
        outside = (body.get("status") or {}).get("externalUrl")
        if outside:
            return str(outside)
        raise RegistryUnreachableError(
            f"{parts.hostname} cannot be resolved here: run the operator inside Kubernetes, "
            "or give the registry external access"
        )


def secrets_digest(secrets: Mapping[str, Manifest | None]) -> str:
    """Return a hash of what Secrets hold."""
    return digest({name: (secret or {}).get("data") for name, secret in secrets.items()})


def _named(spec: Manifest) -> list[str]:
    parts = (spec.get("credentials"), (spec.get("authentication") or {}).get("basic"), spec.get("tls"))
    return sorted({part["secretName"] for part in parts if part})


def _login(spec: Manifest, secrets: Mapping[str, Mapping[str, bytes]]) -> Login:
    own, tls = spec.get("credentials"), spec.get("tls")
    authority = secrets[tls["secretName"]].get("ca.crt", b"") if tls else b""
    login = login_from(secrets[own["secretName"]] if own else {}, own["secretName"] if own else "", authority=authority)
    users = (spec.get("authentication") or {}).get("basic")
    if login.authorization is None and users:
        name = users["secretName"]
        if USERS not in secrets[name]:
            raise LoginError(f"Secret {name} has no {USERS}: write one, with a line `name: password,role` a user")
        return Login(basic(*first_user(secrets[name][USERS], name)), login.tls)
    return login
