"""The requests to the Kubernetes API that the operator makes beside kopf's watches.

Writes are server-side applies under one field manager, so what the user set elsewhere stays. Nothing is retried here:
the callers are level-triggered and come back.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp

from kopfka_operator.api.names import FIELD_MANAGER
from kopfka_operator.errors import ApiError, ApiUnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kopfka_operator.kube.connection import Connection
    from kopfka_operator.kube.resources import Manifest, Ref, ResourceType

_SECONDS = aiohttp.ClientTimeout(total=20, sock_connect=5)
# annotations are up to 256 KiB, and managedFields may repeat their names
_LONGEST_LINE = 1024 * 1024
_METADATA_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def new_session(connection: Connection) -> aiohttp.ClientSession:
    """Return a session that carries the connection's credentials; kopf's watches hold one, the client another."""

    async def authorize(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        token = connection.token.current()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return await handler(request)

    connector = aiohttp.TCPConnector(ssl=connection.tls if connection.tls is not None else True, limit=0)
    return aiohttp.ClientSession(connector=connector, middlewares=(authorize,), headers={"User-Agent": FIELD_MANAGER})


class KubeClient:
    """A thin client of one API server. `on_write` is told method and path of each request that changes something."""

    def __init__(
        self,
        connection: Connection,
        session: aiohttp.ClientSession,
        on_write: Callable[[str, str], None] | None = None,
    ) -> None:
        self._server = connection.server
        self._session = session
        self._on_write = on_write
        self.default_namespace = connection.namespace

    async def get(self, ref: Ref) -> Manifest | None:
        """Return an object, or None where there is none of that name."""
        try:
            return await self._request("GET", ref.path())
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def read(self, path: str) -> Manifest:
        """Return what the API has at a path, for instance a discovery document."""
        return await self._request("GET", path)

    async def list_metadata(self, type_: ResourceType, namespace: str | None, selector: str = "") -> list[Manifest]:
        """Return the metadata of all objects of a type, in one namespace or in all."""
        query = {"labelSelector": selector} if selector else {}
        answer = await self._request("GET", type_.path(namespace), query=query, accept=_METADATA_ONLY)
        return list(answer.get("items") or [])

    async def watch_metadata(
        self, type_: ResourceType, namespace: str, version: str, seconds: int
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Yield type and object of what happens to the objects of a namespace, their metadata only.

        It begins after the resourceVersion `version`, with all there is if that is empty, and ends after some time.

        Raises:
            ApiError: the API refuses, or no longer knows that version (410).
            ApiUnreachableError: the connection broke, or brought nothing though its time was over.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        if version:
            query["resourceVersion"] = version
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=seconds + 15)
        try:
            async with self._session.get(
                self._server + type_.path(namespace),
                params=query,
                headers={"Accept": _METADATA_WATCH},
                timeout=timeout,
                read_bufsize=_LONGEST_LINE,
            ) as response:
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                async for line in response.content:
                    event = _document(line)
                    if event.get("type") == "ERROR":
                        said = event.get("object") or {}
                        raise ApiError(int(said.get("code") or 500), str(said.get("reason")), str(said.get("message")))
                    if event:
                        yield str(event["type"]), event["object"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiUnreachableError(f"the Kubernetes API at {self._server} does not answer: {error!r}") from error

    async def apply(self, ref: Ref, manifest: Manifest, subresource: str = "") -> Manifest:
        """Make the fields of `manifest` so, taking them over from whoever had them, and return the whole object."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request(
            "PATCH", ref.path(subresource), manifest, query=query, content_type="application/apply-patch+yaml"
        )

    async def merge(self, ref: Ref, patch: Manifest) -> Manifest:
        """Apply a JSON merge patch and return the whole object."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("PATCH", ref.path(), patch, query=query, content_type="application/merge-patch+json")

    async def create(self, type_: ResourceType, namespace: str, manifest: Manifest) -> Manifest:
        """Create an object and return it."""
        return await self._request("POST", type_.path(namespace), manifest, query={"fieldManager": FIELD_MANAGER})

    async def replace(self, ref: Ref, manifest: Manifest) -> Manifest:
        """Replace an object if it still has the manifest's resourceVersion, and return it."""
        return await self._request("PUT", ref.path(), manifest, query={"fieldManager": FIELD_MANAGER})

    async def delete(self, ref: Ref, uid: str, propagation: str = "Background") -> Manifest | None:
        """Delete an object if it still has this uid; return what is left of it while finalizers hold it, else None."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        try:
            answer = await self._request("DELETE", ref.path(), body)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return answer if answer.get("metadata", {}).get("deletionTimestamp") else None

    async def _request(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Manifest:
        if self._on_write is not None and method != "GET":
            self._on_write(method, path)
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        try:
            async with self._session.request(
                method, self._server + path, params=query, data=data, headers=headers, timeout=_SECONDS
            ) as response:
                text = await response.read()
                if response.status >= 400:
                    raise _error(response.status, text)
                return _document(text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachableError(f"the Kubernetes API at {self._server} does not answer: {error!r}") from error


def _document(text: bytes) -> Manifest:
    document: Any = json.loads(text) if text else {}
    return document if isinstance(document, dict) else {}


def _error(status: int, text: bytes) -> ApiError:
    try:
        answer = _document(text)
    except ValueError:
        answer = {}
    message = str(answer.get("message") or text.decode("utf-8", "replace").strip() or f"HTTP status {status}")
    return ApiError(status, str(answer.get("reason") or ""), message)
