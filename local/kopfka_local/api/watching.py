"""A watch, as lines for HTTP: initial events, changes, bookmarks, the end of its time, and 410 when it lags."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import tables
from kopfka_local.api.errors import ApiError, bad_request, expired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kopfka_local.api.objects import Objects
    from kopfka_local.api.resources import Resource
    from kopfka_local.api.selectors import FieldSelector, LabelSelector
    from kopfka_local.api.storage import Change, Subscription

    Object = dict[str, Any]

_BOOKMARK_SECONDS = 60.0
#: Default of kube-apiserver's --min-request-timeout; a watch without a timeout of its own ends after this.
_LONGEST_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asked to watch, and how."""

    resource: Resource
    namespace: str | None
    labels: LabelSelector
    fields: FieldSelector
    resource_version: str
    timeout_seconds: int | None
    bookmarks: bool = False
    initial_events: bool = False
    form: str = ""
    include_object: str = "Metadata"


class Watching:
    """One watch. It does nothing between changes; a bookmark is sent only when the revision moved on meanwhile."""

    def __init__(self, objects: Objects, wanted: Wanted) -> None:
        self._objects = objects
        self._wanted = wanted
        self._columns_sent = False
        version = wanted.resource_version
        if version and not version.isdigit():
            raise bad_request(f'invalid resource version "{version}"')

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield encoded events until the watch's time is over or the server stops."""
        try:
            async for line in self._events():
                yield line
        except ApiError as error:
            yield b'{"type":"ERROR","object":' + orjson.dumps(error.body()) + b"}\n"

    async def _events(self) -> AsyncIterator[bytes]:
        wanted, storage = self._wanted, self._objects.storage
        since = int(wanted.resource_version or 0)
        from_now = not since or wanted.initial_events
        if since > storage.revision:
            raise expired(f"too old resource version: {since} ({storage.revision})")
        subscription = storage.subscribe(
            wanted.resource.storage, wanted.namespace, storage.revision if from_now else since
        )
        try:
            if from_now:
                for line in self._initial():
                    yield line
            async for line in self._changes(subscription):
                yield line
        finally:
            subscription.close()

    def _initial(self) -> list[bytes]:
        wanted, storage = self._wanted, self._objects.storage
        lines = []
        for _, body in storage.items(wanted.resource.storage, wanted.namespace):
            obj = self._parsed(body)
            if self._matches(obj):
                lines.append(self._line("ADDED", obj))
        if wanted.initial_events and wanted.bookmarks:
            lines.append(self._bookmark(initial=True))
        return lines

    async def _changes(self, subscription: Subscription) -> AsyncIterator[bytes]:
        wanted, storage = self._wanted, self._objects.storage
        clock = asyncio.get_running_loop()
        end = clock.time() + min(wanted.timeout_seconds or _LONGEST_SECONDS, 24 * 3600)
        told = storage.revision
        while (left := end - clock.time()) > 0:
            wait = min(left, _BOOKMARK_SECONDS) if wanted.bookmarks else left
            changes = await subscription.next(wait)
            if changes is None:
                return
            lines = [line for change in changes for line in self._change(change)]
            if lines:
                yield b"".join(lines)
                told = storage.revision
            elif wanted.bookmarks and told != storage.revision:
                told = storage.revision
                yield self._bookmark()

    def _change(self, change: Change) -> list[bytes]:
        before = self._parsed(change.before) if change.before else None
        after = self._parsed(change.after) if change.after else None
        was = before is not None and self._matches(before)
        if after is not None and self._matches(after):
            return [self._line("MODIFIED" if was else "ADDED", after)]
        if was and before is not None:
            before["metadata"]["resourceVersion"] = str(change.revision)
            return [self._line("DELETED", before)]
        return []

    def _parsed(self, body: bytes) -> Object:
        return self._objects.kinds.outgoing(self._wanted.resource, orjson.loads(body))

    def _matches(self, obj: Object) -> bool:
        return self._wanted.labels.matches(obj["metadata"].get("labels") or {}) and self._wanted.fields.matches(obj)

    def _line(self, kind: str, obj: Object) -> bytes:
        wanted = self._wanted
        if wanted.form == "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = tables.table(wanted.resource, [obj], metadata, wanted.include_object, columns=not self._columns_sent)
            self._columns_sent = True
        elif wanted.form:
            obj = tables.partial(obj)
        return b'{"type":"' + kind.encode() + b'","object":' + orjson.dumps(obj) + b"}\n"

    def _bookmark(self, *, initial: bool = False) -> bytes:
        resource = self._wanted.resource
        metadata: Object = {"resourceVersion": str(self._objects.storage.revision), "creationTimestamp": None}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        mark: Object = {"kind": resource.kind, "apiVersion": resource.gvr.api_version, "metadata": metadata}
        if self._wanted.form == "Table":
            mark = tables.bookmark(mark, columns=not self._columns_sent)
        elif self._wanted.form:
            mark = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return b'{"type":"BOOKMARK","object":' + orjson.dumps(mark) + b"}\n"
