"""What the watches have told so far: the last known state of every watched object, in memory.

Answers of the operator's own writes are put in too, so that it sees what it has just done. Older states never replace
newer ones: resourceVersions of one type are compared as numbers, as the API's own informers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.kube.resources import Ref, ref_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_operator.kube.resources import Manifest, ResourceType


class Mirror:
    """The watched objects, by reference."""

    def __init__(self) -> None:
        self._objects: dict[ResourceType, dict[tuple[str, str], Manifest]] = {}
        self._seen: dict[ResourceType, dict[str, int]] = {}

    def get(self, ref: Ref) -> Manifest | None:
        """Return the last known state of an object; None if it does not exist as far as is known."""
        return self._objects.get(ref.type, {}).get((ref.namespace, ref.name))

    def all(self, type_: ResourceType, namespace: str | None = None) -> Iterator[Manifest]:
        """Return every known object of a type, in one namespace or in all."""
        for (where, _), body in list(self._objects.get(type_, {}).items()):
            if namespace is None or where == namespace:
                yield body

    def labelled(self, type_: ResourceType, namespace: str, label: str, value: str) -> list[Manifest]:
        """Return the objects of a namespace that carry a label."""
        return [body for body in self.all(type_, namespace) if label_of(body, label) == value]

    def put(self, type_: ResourceType, body: Manifest) -> None:
        """Take in a state, unless a newer one of the same object is known."""
        ref = ref_of(type_, body)
        known = self.get(ref)
        if known is not None and _same(known, body) and version(known) > version(body):
            return
        self._objects.setdefault(type_, {})[ref.namespace, ref.name] = body

    def remove(self, type_: ResourceType, body: Manifest) -> None:
        """Forget an object that is gone, unless another one of its name has come since."""
        ref = ref_of(type_, body)
        known = self.get(ref)
        if known is not None and _same(known, body):
            del self._objects[type_][ref.namespace, ref.name]

    # what the watches, and only they, have delivered: the base of the liveness check

    def saw(self, type_: ResourceType, body: Manifest) -> None:
        """Note that a watch delivered this state."""
        self._seen.setdefault(type_, {})[body["metadata"]["uid"]] = version(body)

    def saw_end(self, type_: ResourceType, body: Manifest) -> None:
        """Note that a watch delivered the deletion of this object."""
        self._seen.get(type_, {}).pop(body["metadata"]["uid"], None)

    def seen(self, type_: ResourceType) -> dict[str, int]:
        """Return the newest version that the watches delivered of each object, by uid."""
        return dict(self._seen.get(type_, {}))


def version(body: Manifest) -> int:
    """Return an object's resourceVersion as a number, 0 where it has none."""
    text = str(body["metadata"].get("resourceVersion") or "")
    return int(text) if text.isascii() and text.isdigit() else 0


def label_of(body: Manifest, label: str) -> str:
    """Return a label of an object, empty where it has none of that name."""
    return str((body["metadata"].get("labels") or {}).get(label) or "")


def _same(one: Manifest, other: Manifest) -> bool:
    return bool(one["metadata"].get("uid") == other["metadata"].get("uid"))
