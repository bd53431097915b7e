"""Rules of pod specs: names, ports, mounts, resources, and the few fields of a pod that may change."""

from __future__ import annotations

import copy
from typing import Any

from kopfka_local.api import meta, quantity
from kopfka_local.api.errors import Cause, duplicate, forbidden_field, invalid_value, required

Object = dict[str, Any]


def check(spec: Object, path: str, claims: list[Object]) -> list[Cause]:
    """Return what is wrong with a pod spec; `claims` are the claim templates that are volumes too."""
    causes: list[Cause] = []
    if not spec.get("containers"):
        causes.append(required(f"{path}.containers"))
    volumes = {claim.get("metadata", {}).get("name") for claim in claims}
    names: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or []):
        causes += _name(f"{path}.volumes[{index}].name", volume.get("name", ""), names)
    volumes |= names
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or []):
            causes += _container(container, f"{path}.{field}[{index}]", seen, volumes)
    return causes


def _container(container: Object, path: str, seen: set[str], volumes: set[Any]) -> list[Cause]:
    causes = _name(f"{path}.name", container.get("name", ""), seen)
    if not container.get("image"):
        causes.append(required(f"{path}.image"))
    ports: set[str] = set()
    for index, each in enumerate(container.get("ports") or []):
        causes += port(f"{path}.ports[{index}].containerPort", each.get("containerPort") or None)
        if each.get("name"):
            if each["name"] in ports:
                causes.append(duplicate(f"{path}.ports[{index}].name", each["name"]))
            ports.add(each["name"])
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            causes.append(required(f"{path}.env[{index}].name"))
    mounts: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        below = f"{path}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            causes.append(Cause(f"{below}.name", "FieldValueNotFound", f'Not found: "{mount.get("name", "")}"'))
        if not mount.get("mountPath"):
            causes.append(required(f"{below}.mountPath"))
        elif mount["mountPath"] in mounts:
            causes.append(invalid_value(f"{below}.mountPath", mount["mountPath"], "must be unique"))
        mounts.add(mount.get("mountPath", ""))
    return causes + _resources(container.get("resources") or {}, f"{path}.resources")


def _resources(resources: Object, path: str) -> list[Cause]:
    causes = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if not quantity.is_valid(value):
                causes.append(invalid_value(f"{path}.{field}[{name}]", value, quantity.RULE))
    if causes:
        return causes
    for name, value in requests.items():
        limit = limits.get(name)
        if limit is not None and quantity.parse(str(value)) > quantity.parse(str(limit)):
            why = f"must be less than or equal to {name} limit of {limit}"
            causes.append(invalid_value(f"{path}.requests", value, why))
    return causes


def _name(path: str, name: str, seen: set[str]) -> list[Cause]:
    if not name:
        return [required(path)]
    if not meta.LABEL.fullmatch(name) or len(name) > 63:
        return [invalid_value(path, name, meta.LABEL_RULE)]
    if name in seen:
        return [duplicate(path, name)]
    seen.add(name)
    return []


def port(path: str, number: Any) -> list[Cause]:
    """Return what is wrong with a port number."""
    if number is None:
        return [required(path)]
    if not isinstance(number, int) or not 1 <= number <= 65535:
        return [invalid_value(path, number, "must be between 1 and 65535, inclusive")]
    return []


def check_change(spec: Object, live: Object) -> list[Cause]:
    """Return what is wrong with a change of a pod's spec: it may be bound to a node, and little else."""
    if _fixed(spec, live) == _fixed(live, live):
        return []
    fields = (
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
        "(allow it to be set to 1 if it was previously negative)"
    )
    return [forbidden_field("spec", f"pod updates may not change fields other than {fields}")]


def _fixed(spec: Object, live: Object) -> Object:
    fixed = copy.deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        fixed.pop(field, None)
    if not live.get("nodeName"):
        fixed.pop("nodeName", None)
    for field in ("containers", "initContainers"):
        for container in fixed.get(field) or []:
            container.pop("image", None)
    return fixed
