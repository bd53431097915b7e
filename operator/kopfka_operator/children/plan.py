"""Steps that plans of all kinds with children are made of. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a field of a dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.reasons import Reason
from kopfka_operator.children.owner import APPLIED
from kopfka_operator.covers import covers
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_operator.children.owner import Owner
    from kopfka_operator.kube.resources import Manifest, Ref


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there of a resource's objects, and of what others make of them."""

    objects: Mapping[Ref, Manifest]

    def get(self, ref: Ref) -> Manifest | None:
        """Return an object, or None where there is none."""
        return self.objects.get(ref)


def apply(owner: Owner, observed: Observed, ref: Ref, manifest: Manifest) -> list[Action]:
    """Return what makes an object say what the manifest says; nothing where it does, or where it is not ours to say."""
    live = observed.get(ref)
    if live is None:
        return [Apply(ref, manifest)]
    if live["metadata"].get("deletionTimestamp") or owner.owned_before(live) or owner.is_kept_from(live):
        return []
    wanted = manifest["metadata"]["annotations"][APPLIED]
    same = (live["metadata"].get("annotations") or {}).get(APPLIED) == wanted
    return [] if same and covers(live, manifest) else [Apply(ref, manifest)]


def remove(owner: Owner, observed: Observed, ref: Ref) -> list[Action]:
    """Return what takes away an object that is no longer wanted."""
    live = observed.get(ref)
    if live is None or live["metadata"].get("deletionTimestamp") or not owner.owns(live):
        return []
    return [Delete(ref, live["metadata"]["uid"])]


def leaving(owner: Owner, observed: Observed, made: Iterable[Ref]) -> list[Ref]:
    """Return the objects that have to be gone before they can be made again."""
    return [
        ref
        for ref in made
        if (body := observed.get(ref)) is not None
        and (body["metadata"].get("deletionTimestamp") or owner.owned_before(body))
    ]


def taken(owner: Owner, observed: Observed, made: Iterable[Ref]) -> list[Problem]:
    """Return a problem for every object of a wanted name that is somebody else's."""
    kind = owner.TYPE.kind
    return [
        Problem(
            Reason.NAME_TAKEN,
            f"{ref} exists and is not this {kind}'s: delete or rename it, or choose another name for the {kind}",
        )
        for ref in made
        if (body := observed.get(ref)) is not None and owner.is_kept_from(body)
    ]
