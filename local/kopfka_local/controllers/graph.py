"""Who owns whom, and what follows from it: the thinking of the garbage collector. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_local.api.resources import Gvr
    from kopfka_local.kinds import Object

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner reference."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Node:
    """What the collector knows of one object."""

    gvr: Gvr
    namespace: str
    name: str
    uid: str
    owners: tuple[Owner, ...]
    deleting: bool
    finalizers: tuple[str, ...]

    @staticmethod
    def of(gvr: Gvr, metadata: Object) -> Node:
        """Read it from an object's metadata."""
        owners = tuple(
            Owner(one["apiVersion"], one["kind"], one["name"], one["uid"], bool(one.get("blockOwnerDeletion")))
            for one in metadata.get("ownerReferences") or ()
        )
        return Node(
            gvr, metadata.get("namespace", ""), metadata["name"], metadata["uid"], owners,
            "deletionTimestamp" in metadata, tuple(metadata.get("finalizers") or ()),
        )  # fmt: skip

    @property
    def waits_for_dependents(self) -> bool:
        """Whether it is deleted in the foreground."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def lets_go(self) -> bool:
        """Whether it is deleted with its dependents orphaned."""
        return self.deleting and ORPHAN in self.finalizers


class Ownership(Enum):
    """What an owner reference leads to."""

    SOLID = "there"
    WAITING = "there, and waiting for its dependents to go"
    ABSENT = "gone"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object, with this propagation."""

    node: Node
    propagation: str


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Take these owners off the object."""

    node: Node
    uids: frozenset[str]


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """Take the finalizer off the object."""

    node: Node
    finalizer: str


Action = Delete | DropOwners | DropFinalizer


class Graph:
    """All objects by uid, and their dependents."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._dependents: dict[str, set[str]] = {}

    def put(self, node: Node) -> set[str]:
        """Take over an object; return the uids of what is to be looked at because of it."""
        before = self.nodes.get(node.uid)
        self.nodes[node.uid] = node
        old, new = _owner_uids(before), _owner_uids(node)
        for uid in old - new:
            self._dependents.get(uid, set()).discard(node.uid)
        for uid in new - old:
            self._dependents.setdefault(uid, set()).add(node.uid)
        affected = set(old - new)
        if new - old or node.waits_for_dependents or node.lets_go:
            affected.add(node.uid)
        if node.waits_for_dependents and not (before and before.waits_for_dependents):
            affected |= self._dependents.get(node.uid, set())
        return affected

    def remove(self, uid: str) -> set[str]:
        """Forget an object that is gone; return the uids of what is to be looked at because of it."""
        node = self.nodes.pop(uid, None)
        for owner in _owner_uids(node):
            self._dependents.get(owner, set()).discard(uid)
        return self._dependents.pop(uid, set()) | _owner_uids(node)

    def dependents(self, uid: str) -> list[Node]:
        """Return the objects that name this one as an owner."""
        return [self.nodes[one] for one in self._dependents.get(uid, ()) if one in self.nodes]

    def plan(self, uid: str, ownership: Callable[[Node, Owner], Ownership]) -> list[Action]:
        """Return what is to be done about one object. `ownership` looks an owner up where it really is."""
        node = self.nodes.get(uid)
        if node is None:
            return []
        if node.lets_go:
            released: list[Action] = [DropOwners(one, frozenset({uid})) for one in self._sorted(self.dependents(uid))]
            return [*released, DropFinalizer(node, ORPHAN)]
        if node.waits_for_dependents:
            return self._wait_for_dependents(node)
        return [] if node.deleting or not node.owners else self._judge(node, ownership)

    def _wait_for_dependents(self, node: Node) -> list[Action]:
        uid = node.uid
        blocking = [one for one in self.dependents(uid) if any(o.uid == uid and o.blocks for o in one.owners)]
        if not blocking:
            return [DropFinalizer(node, FOREGROUND)]
        return [self._deletion(one) for one in self._sorted(blocking) if not one.deleting]

    def _judge(self, node: Node, ownership: Callable[[Node, Owner], Ownership]) -> list[Action]:
        found = {owner: ownership(node, owner) for owner in node.owners}
        if Ownership.SOLID in found.values():
            loose = frozenset(owner.uid for owner, what in found.items() if what is not Ownership.SOLID)
            return [DropOwners(node, loose)] if loose else []
        return [self._deletion(node) if Ownership.WAITING in found.values() else Delete(node, "Background")]

    def _deletion(self, node: Node) -> Delete:
        return Delete(node, "Foreground" if self.dependents(node.uid) else "Background")

    @staticmethod
    def _sorted(nodes: Iterable[Node]) -> list[Node]:
        return sorted(nodes, key=lambda node: (node.gvr.resource, node.namespace, node.name))


def _owner_uids(node: Node | None) -> set[str]:
    return {owner.uid for owner in node.owners} if node else set()
