"""Objects on disk and in memory, and what happened to them: one SQLite file, one revision counter, one stream of
changes.

Objects are JSON bytes here: encoded once when written, then shared by every list and watch, and immutable by nature.
The whole of a local cluster is a few hundred objects, so all are kept in memory; SQLite makes them durable.

Durability: WAL with `synchronous=NORMAL`. A write is in the operating system's hands when it is acknowledged, so
`kill -9` of this process at any moment loses nothing. A power cut may lose the last moments, never the file's
consistency; every client of this server stops with the same machine, so none has seen what the file forgot, and an
fsync a write (as etcd does for clients on other machines) would buy nothing but slowness.

History for watches is kept in memory only. After a restart a client that resumes at the last revision goes on, one that
lags behind is told 410 and lists again, as after a compaction of etcd.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson

from kopfka_local.api.errors import expired, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HISTORY = 2048
_LAGGING = 8192

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);
INSERT OR IGNORE INTO revision VALUES (1, 1);
"""
_PUT = "INSERT OR REPLACE INTO objects (resource, namespace, name, body) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"


class Key(NamedTuple):
    """Where an object is stored; the namespace is empty for cluster-scoped ones."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One object created (no `before`), changed, or deleted (no `after`; `before` carries the deletion's revision)."""

    revision: int
    key: Key
    before: bytes | None
    after: bytes | None


class Subscription:
    """The changes of one resource from some revision on, for one reader; it waits without polling."""

    def __init__(self, resource: str, namespace: str | None, close: Callable[[Subscription], None]) -> None:
        self.resource = resource
        self.namespace = namespace
        self._close = close
        self._pending: deque[Change] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._overrun = False
        self.ended = False

    def offer(self, change: Change) -> None:
        """Take a change if it is of this resource and namespace."""
        if change.key.resource != self.resource or self.namespace not in (None, change.key.namespace):
            return
        if len(self._pending) >= _LAGGING:
            self._overrun = True
            self._pending.clear()
        if not self._overrun:
            self._pending.append(change)
        self._wake()

    def end(self) -> None:
        """Let the reader finish with what is pending."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self, seconds: float | None = None) -> list[Change] | None:
        """Return what changed since the last call, waiting for at least one; empty after `seconds`, None at the end.

        Raises:
            ApiError: 410, the reader was too slow.
        """
        if not self._pending and not self._overrun and not self.ended:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._waiting
            except TimeoutError:
                return []
            finally:
                self._waiting = None
        if self._overrun:
            raise expired("too old resource version: this watch fell too far behind")
        if self.ended and not self._pending:
            return None
        changes = list(self._pending)
        self._pending.clear()
        return changes

    def close(self) -> None:
        """Take no more changes."""
        self._close(self)


class Storage:
    """The objects of one state folder. Not thread-safe: it belongs to one event loop."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        path.chmod(0o600)
        self.revision: int = self._db.execute("SELECT revision FROM revision").fetchone()[0]
        self._compacted = self.revision
        self._objects: dict[str, dict[tuple[str, str], bytes]] = {}
        for resource, namespace, name, body in self._db.execute("SELECT resource, namespace, name, body FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = body
        self._history: deque[Change] = deque()
        self._subscriptions: set[Subscription] = set()

    def get(self, key: Key) -> bytes | None:
        """Return an object, None where there is none."""
        return self._objects.get(key.resource, {}).get((key.namespace, key.name))

    def items(self, resource: str, namespace: str | None = None) -> Iterator[tuple[Key, bytes]]:
        """Yield the objects of a resource, of one namespace or of all, in the order of namespace and name."""
        for place, body in sorted(self._objects.get(resource, {}).items()):
            if namespace in (None, place[0]):
                yield Key(resource, *place), body

    def put(self, key: Key, obj: dict[str, object]) -> bytes:
        """Write an object with the next revision as its resourceVersion; durable when this returns."""
        revision = self.revision + 1
        obj["metadata"]["resourceVersion"] = str(revision)  # type: ignore[index]
        body = orjson.dumps(obj)
        before = self.get(key)
        self._commit(revision, _PUT, (*key, body))
        self._objects.setdefault(key.resource, {})[key.namespace, key.name] = body
        self._publish(Change(revision, key, before, body))
        return body

    def delete(self, key: Key) -> bytes:
        """Delete an object that is there, and return its last state, which carries the deletion's revision."""
        revision = self.revision + 1
        last = orjson.loads(self._objects[key.resource][key.namespace, key.name])
        last["metadata"]["resourceVersion"] = str(revision)
        body = orjson.dumps(last)
        self._commit(revision, _DELETE, tuple(key))
        del self._objects[key.resource][key.namespace, key.name]
        self._publish(Change(revision, key, body, None))
        return body

    def _commit(self, revision: int, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(statement, values)
            self._db.execute("UPDATE revision SET revision = ?", (revision,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise unwritable(str(error)) from error
        self.revision = revision

    def _publish(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > HISTORY:
            self._compacted = self._history.popleft().revision
        for subscription in tuple(self._subscriptions):
            subscription.offer(change)

    def subscribe(self, resource: str, namespace: str | None, since: int) -> Subscription:
        """Return the changes of a resource after the revision `since`.

        Raises:
            ApiError: 410, the history does not reach back so far.
        """
        if since < self._compacted:
            raise expired(f"too old resource version: {since} ({self._compacted})")
        subscription = Subscription(resource, namespace, self._subscriptions.discard)
        for change in self._history:
            if change.revision > since:
                subscription.offer(change)
        self._subscriptions.add(subscription)
        return subscription

    def end_watches(self, resource: str | None = None) -> None:
        """Let every reader (of a resource) finish: at shutdown, or when the resource is no longer served."""
        for subscription in tuple(self._subscriptions):
            if resource in (None, subscription.resource):
                subscription.end()

    def close(self) -> None:
        """End every watch and close the file."""
        self.end_watches()
        self._db.close()
