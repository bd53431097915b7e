"""One registry by its REST API.

It asks only for what all registries with Confluent's API have, and takes the little that older ones lack for absent.
Nothing is retried here, as the callers are level-triggered and come back; but a connection that was kept, and that the
other side has closed meanwhile, is opened anew once: every request may be made twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import yarl
from aiohttp.resolver import ThreadedResolver

from kopfka_operator.errors import RegistryRefusedError, RegistryUnreachableError
from kopfka_operator.registry.codes import SCHEMA_NOT_FOUND, SUBJECT_NOT_FOUND, SUBJECT_SOFT_DELETED, VERSION_NOT_FOUND
from kopfka_operator.registry.login import Login
from kopfka_operator.registry.model import Level, Registered, Verdict
from kopfka_runtime.network import resolve

if TYPE_CHECKING:
    import socket

    from aiohttp.abc import ResolveResult

    from kopfka_operator.registry.model import Schema

JSON = "application/vnd.schemaregistry.v1+json"
_SECONDS = aiohttp.ClientTimeout(total=30, sock_connect=5)
_AT_ONCE = 16
LARGEST = 16 * 1024 * 1024
"""Bytes of an answer; a schema has at most a million characters, and a verbose verdict may quote several."""

_NOTHING_THERE = frozenset({SUBJECT_NOT_FOUND, VERSION_NOT_FOUND, SCHEMA_NOT_FOUND})


class _Names(ThreadedResolver):
    """Names as `kopfka_runtime.network` knows them; certificates are still held against the name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | None = None
    ) -> list[ResolveResult]:
        found = await super().resolve(resolve(host), port, *(() if family is None else (family,)))
        return [{**each, "hostname": host} for each in found]


class RegistryClient:
    """The registry at `url`. It belongs to the event loop it is made in, and is to be closed there."""

    def __init__(self, url: str, login: Login | None = None) -> None:
        login = login or Login()
        self.url = url.rstrip("/")
        headers = {"Accept": f"{JSON}, application/json", "Content-Type": JSON, "User-Agent": "kopfka-operator"}
        if login.authorization is not None:
            headers["Authorization"] = login.authorization
        tls: Any = login.tls if login.tls is not None else True
        connector = aiohttp.TCPConnector(ssl=tls, limit=_AT_ONCE, resolver=_Names(), use_dns_cache=False)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def lookup(self, subject: str, schema: Schema, *, normalize: bool = False) -> Registered | None:
        """Return where a schema is in a subject; None where the subject does not have it."""
        try:
            found = await self._ask("POST", f"/subjects/{_q(subject)}", schema.body(), _normalize(normalize))
        except RegistryRefusedError as error:
            if error.code in _NOTHING_THERE:
                return None
            raise
        return Registered(int(found["id"]), int(found["version"]), found.get("guid"))

    async def versions(self, subject: str) -> list[int]:
        """Return the versions a subject has; none where there is no such subject."""
        try:
            found = await self._ask("GET", f"/subjects/{_q(subject)}/versions")
        except RegistryRefusedError as error:
            if error.code in _NOTHING_THERE:
                return []
            raise
        return sorted(int(each) for each in found)

    async def has_version(self, subject: str, version: int) -> bool:
        """Tell whether a subject has a version."""
        return version in await self.versions(subject)

    async def check(self, subject: str, schema: Schema, *, normalize: bool = False) -> Verdict:
        """Return whether a schema could be registered, and why not: a dry run against all versions that count."""
        path, query = f"/compatibility/subjects/{_q(subject)}/versions", {"verbose": "true", **_normalize(normalize)}
        try:
            try:
                found = await self._ask("POST", path, schema.body(), query)
            except RegistryRefusedError as error:
                # registries before Confluent's 6.1 compare with one version only
                if error.code not in (404, 405):
                    raise
                found = await self._ask("POST", f"{path}/latest", schema.body(), query)
        except RegistryRefusedError as error:
            if error.code in _NOTHING_THERE:
                return Verdict(True)  # there is nothing yet that it could break
            raise
        return Verdict(bool(found.get("is_compatible")), tuple(map(str, found.get("messages") or ())))

    async def register(self, subject: str, schema: Schema, *, normalize: bool = False) -> int:
        """Register a schema and return its id; one that is there already stays as it is."""
        found = await self._ask("POST", f"/subjects/{_q(subject)}/versions", schema.body(), _normalize(normalize))
        return int(found["id"])

    async def compatibility(self, subject: str | None = None) -> Level | None:
        """Return the compatibility of a subject's own, or that of all others where none is named."""
        found = await self._setting("config", subject)
        level = found.pop("compatibilityLevel", None)
        return Level(str(level), alone=not any(value is not None for value in found.values())) if level else None

    async def mode(self, subject: str | None = None) -> str | None:
        """Return the mode of a subject's own, or that of all others where none is named."""
        mode = (await self._setting("mode", subject)).get("mode")
        return str(mode) if mode else None

    async def set_compatibility(self, subject: str | None, level: str | None) -> None:
        """Set a compatibility, or take it away."""
        await self._set("config", subject, None if level is None else {"compatibility": level})

    async def set_mode(self, subject: str | None, mode: str | None) -> None:
        """Set a mode, or take it away."""
        await self._set("mode", subject, None if mode is None else {"mode": mode})

    async def delete(self, subject: str) -> None:
        """Delete a subject for good; one that is gone already is no error."""
        for query in ({}, {"permanent": "true"}):
            try:
                await self._ask("DELETE", f"/subjects/{_q(subject)}", query=query)
            except RegistryRefusedError as error:
                if error.code not in (SUBJECT_NOT_FOUND, SUBJECT_SOFT_DELETED):
                    raise

    async def _setting(self, what: str, subject: str | None) -> dict[str, Any]:
        path = f"/{what}" if subject is None else f"/{what}/{_q(subject)}"
        try:
            return dict(await self._ask("GET", path))
        except RegistryRefusedError as error:
            if error.status == 404:
                return {}  # nothing of its own, or a registry that knows of no such setting
            raise

    async def _set(self, what: str, subject: str | None, body: dict[str, str] | None) -> None:
        path = f"/{what}" if subject is None else f"/{what}/{_q(subject)}"
        try:
            await self._ask("DELETE" if body is None else "PUT", path, body)
        except RegistryRefusedError as error:
            if body is not None or error.status != 404:
                raise

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> Any:
        url = yarl.URL(self.url + path, encoded=True).with_query(query or {})
        data = None if body is None else json.dumps(body).encode()
        try:
            try:
                return await self._once(method, url, data)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                return await self._once(method, url, data)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = str(error) or type(error).__name__
            raise RegistryUnreachableError(f"the registry at {self.url} does not answer: {said}") from error
        except RuntimeError as error:
            if not self._session.closed:
                raise
            # somebody else has found that it no longer leads to the registry
            raise RegistryUnreachableError(f"the connection to the registry at {self.url} was closed") from error
        except ValueError as error:
            raise RegistryRefusedError(502, 502, f"{self.url} does not answer as a schema registry does") from error

    async def _once(self, method: str, url: yarl.URL, data: bytes | None) -> Any:
        async with self._session.request(method, url, data=data) as answer:
            text = bytearray()
            async for chunk in answer.content.iter_any():
                text += chunk
                if len(text) > LARGEST:
                    raise RegistryRefusedError(502, 502, f"{self.url} answers with more than {LARGEST} bytes")
            if answer.status >= 400:
                raise self._error(answer.status, bytes(text))
            return json.loads(text) if text else {}

    def _error(self, status: int, text: bytes) -> RegistryRefusedError | RegistryUnreachableError:
        try:
            said = json.loads(text)
            code, message = int(said["error_code"]), str(said.get("message") or "")
        except (ValueError, KeyError, TypeError):
            words = text.decode("utf-8", "replace").strip()[:200]
            if status in (502, 503, 504):
                return RegistryUnreachableError(f"the registry at {self.url} does not answer: HTTP {status} {words}")
            return RegistryRefusedError(status, status, words or f"HTTP status {status}")
        return RegistryRefusedError(status, code, message)


def _q(subject: str) -> str:
    return quote(subject, safe="")


def _normalize(wanted: bool) -> dict[str, str]:
    return {"normalize": "true"} if wanted else {}
