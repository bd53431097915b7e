"""Which registry a SchemaSubject of a file is held against: one that is named, one of the files, or the cluster's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kopfka_operator.errors import OperatorError
from kopfka_operator.kube.resources import SCHEMA_REGISTRIES, Ref
from kopfka_operator.mirror import Mirror
from kopfka_operator.registry.login import Login, basic, login_from

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.registry.registries import Registries

URL = "KOPFKA_REGISTRY_URL"
USER_INFO = "KOPFKA_REGISTRY_USER_INFO"
TOKEN = "KOPFKA_REGISTRY_TOKEN"


class TargetError(OperatorError):
    """It is not known where a registry is."""


class Targets:
    """The registries that subjects are held against; use it as a context."""

    def __init__(self, url: str | None, authority: Path | None, files: Mapping[Ref, Manifest]) -> None:
        self._url = url or os.environ.get(URL) or None
        self._authority = authority
        self._files = files
        self._clients: dict[str, RegistryClient] = {}
        self._session: aiohttp.ClientSession | None = None
        self._kube: KubeClient | None = None
        self._mirror = Mirror()
        self._registries: Registries | None = None

    async def __aenter__(self) -> Targets:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.close()
        if self._registries is not None:
            await self._registries.close()
        if self._session is not None:
            await self._session.close()

    async def of(self, registry: Ref) -> RegistryClient:
        """Return the client of a SchemaRegistry.

        Raises:
            OperatorError: it is not known where it is, or how to log in.
        """
        url = self._url or ((self._files.get(registry) or {}).get("spec") or {}).get("url")
        if url:
            return self._client(str(url))
        registries = await self._cluster(registry)
        return await registries.of(registry.namespace, registry.name)

    def _client(self, url: str) -> RegistryClient:
        from kopfka_operator.registry.client import RegistryClient  # noqa: PLC0415 - aiohttp, at first need

        if url not in self._clients:
            self._clients[url] = RegistryClient(url, self._login())
        return self._clients[url]

    def _login(self) -> Login:
        try:
            authority = self._authority.read_bytes() if self._authority is not None else b""
        except OSError as error:
            raise TargetError(f"cannot read {self._authority}: {error.strerror}") from error
        login = login_from({"ca.crt": authority} if authority else {}, str(self._authority))
        user, colon, password = os.environ.get(USER_INFO, "").partition(":")
        if colon:
            return Login(basic(user, password), login.tls)
        token = os.environ.get(TOKEN)
        return Login(f"Bearer {token}", login.tls) if token else login

    async def _cluster(self, registry: Ref) -> Registries:
        """Look a SchemaRegistry up in Kubernetes."""
        from kopfka_operator.kube.client import KubeClient, new_session  # noqa: PLC0415
        from kopfka_operator.kube.connection import find_connection  # noqa: PLC0415
        from kopfka_operator.registry.registries import Registries  # noqa: PLC0415

        try:
            if self._kube is None:
                connection = find_connection()
                self._session = new_session(connection)
                self._kube = KubeClient(connection, self._session)
                self._registries = Registries(self._mirror, self._kube)
            body = await self._kube.get(registry)
        except OperatorError as error:
            raise TargetError(f"where {registry.name} is cannot be asked: {error}; or pass --registry URL") from error
        if body is None:
            raise TargetError(f"there is no {registry}: apply it, or pass --registry URL")
        self._mirror.put(SCHEMA_REGISTRIES, body)
        assert self._registries is not None
        return self._registries
