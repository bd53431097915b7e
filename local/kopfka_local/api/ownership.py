"""Which manager owns which field of an object (`metadata.managedFields`), after updates and after server-side apply.

A manager that updates owns what it changed. A manager that applies owns what its configuration says; what it said
before and no longer says is removed, unless another manager owns it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kopfka_local.api import fields, meta
from kopfka_local.api.errors import ApiError

if TYPE_CHECKING:
    from kopfka_local.api.fields import Path, Paths
    from kopfka_local.api.schemas import Node

    Object = dict[str, Any]

#: Set by the server, so nobody's.
_UNOWNED = frozenset({
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion",
})  # fmt: skip


class Manager(NamedTuple):
    """Who owns: one client, by one way of writing. An applier is the same in every version."""

    name: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        below = f' with subresource "{self.subresource}"' if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == "Update" else ""
        return f'"{self.name}"{below}{using}'


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns, since when, and in the terms of which version."""

    paths: frozenset[Path]
    time: str
    api_version: str


Managers = dict[Manager, Owned]


def read(entries: Any) -> Managers:
    """Read `managedFields`; entries that make no sense own nothing."""
    managers: Managers = {}
    for entry in entries or []:
        if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1"), dict) or not entry.get("operation"):
            continue
        version = entry.get("apiVersion", "")
        manager = _manager(entry.get("manager", ""), entry["operation"], version, entry.get("subresource", ""))
        managers[manager] = Owned(frozenset(fields.decode(entry["fieldsV1"])), entry.get("time", ""), version)
    return managers


def write(managers: Managers) -> list[Object]:
    """Return `managedFields`, appliers first, then the oldest."""
    entries = []
    for manager, owned in sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0])):
        entry = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": owned.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.encode(owned.paths),
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    return entries


def updated(node: Node, live: Object, obj: Object, name: str, subresource: str, given: Any = None) -> list[Object]:  # noqa: PLR0917
    """Return the `managedFields` after `name` made `obj` of `live`.

    `given` is what the client sent as managedFields: entries it changed count, and an empty list forgets all.
    """
    entries = live.get("metadata", {}).get("managedFields")
    managers = read(entries)
    if given is not None and given != entries:
        managers = read(given)
    version = obj["apiVersion"]
    me = _manager(name, "Update", version, subresource)
    change = fields.compare(_ownable(live), _ownable(obj), node)
    _withdraw(managers, me, change.added | change.modified | change.removed)
    before = managers.get(me)
    mine = ((before.paths if before else frozenset()) - change.removed) | change.added | change.modified
    _own(managers, me, mine - {("f:metadata",), ()}, version)
    return write(managers)


class Applied(NamedTuple):
    """What an apply makes of a live object."""

    obj: Object
    managed: list[Object]


def applied(node: Node, live: Object, config: Object, name: str, subresource: str, *, force: bool) -> Applied:
    """Return the object and its `managedFields` after `name` applied `config`.

    Raises:
        ApiError: 409, a field belongs to another manager, has another value there, and `force` is not set.
    """
    managers = read(live.get("metadata", {}).get("managedFields"))
    version = config["apiVersion"]
    me = _manager(name, "Apply", version, subresource)
    before = managers.get(me)
    mine = fields.of(_ownable(config), node) - {("f:metadata",), ()}
    merged = fields.merge(live, config, node)
    others: Paths = set()
    for manager, owned in managers.items():
        if manager != me:
            others |= owned.paths
    if before:
        merged = _without_abandoned(merged, node, set(before.paths), mine | others)
    change = fields.compare(_ownable(live), _ownable(merged), node)
    touched = change.added | change.modified
    conflicts = [
        (m, p) for m, o in sorted(managers.items()) if m != me for p in sorted(o.paths & touched, key=_leaves_first)
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    _withdraw(managers, me, touched | change.removed)
    _own(managers, me, frozenset(mine), version)
    return Applied(merged, write(managers))


def _leaves_first(path: Path) -> tuple[tuple[bool, str], ...]:
    """Order fields as Kubernetes names them: what ends at a level before what goes deeper."""
    return tuple((index < len(path) - 1, element) for index, element in enumerate(path))


def _without_abandoned(merged: Object, node: Node, before: Paths, kept: Paths) -> Object:
    held = {path[:length] for path in kept for length in range(1, len(path) + 1)}
    return dict(fields.remove(merged, node, {path for path in before if path not in held}))


def _withdraw(managers: Managers, me: Manager, paths: Paths) -> None:
    for manager, owned in list(managers.items()):
        if manager == me or not owned.paths & paths:
            continue
        left = owned.paths - paths
        if left:
            managers[manager] = Owned(left, owned.time, owned.api_version)
        else:
            del managers[manager]


def _own(managers: Managers, me: Manager, paths: frozenset[Path], version: str) -> None:
    before = managers.get(me)
    if not paths:
        managers.pop(me, None)
    elif before is None or before.paths != paths or before.api_version != version:
        managers[me] = Owned(paths, meta.now(), version)


def _manager(name: str, operation: str, version: str, subresource: str) -> Manager:
    return Manager(name, operation, version if operation == "Update" else "", subresource)


def _ownable(obj: Object) -> Object:
    kept = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}
    kept["metadata"] = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _UNOWNED}
    return kept


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": fields.shown(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        message = f"Apply failed with 1 conflict: conflict with {manager}: {fields.shown(path)}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in conflicts}):
            lines.append(f"conflicts with {manager}:")
            lines += [f"- {fields.shown(path)}" for each, path in conflicts if each == manager]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})
