"""The environment and the command line of a container, from its spec and what it refers to. Pure.

Not given: the variables of services (`enableServiceLinks`), which nothing should rely on, and `KUBERNETES_SERVICE_*`,
whose place `KUBECONFIG` takes.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from kopfka_local.quantities import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_local.kinds import Object
    from kopfka_local.node.paths import MountPaths

    Find = Callable[[str], Object | None]

_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z][-._a-zA-Z0-9]*)\))")
_SUBSCRIPT = re.compile(r"^(metadata\.(?:labels|annotations))\['(.+)'\]$")


class MissingReferenceError(Exception):
    """A ConfigMap, Secret, key or field that a container needs is not there (yet)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a container without limits may use."""

    cpus: int
    memory: int  # bytes


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what a container or a volume refers to comes from."""

    config_map: Find
    secret: Find
    machine: Machine
    token: str = ""  # what a serviceAccountToken gives: this server knows one user


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand `$(NAME)` as Kubernetes does: unknown names stay as written, `$$` is a dollar."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)


def container_environment(container: Object, pod: Object, sources: Sources, paths: MountPaths) -> dict[str, str]:
    """Return the variables a container's spec gives it, in the order of their definition.

    Raises:
        MissingReferenceError: something that is not optional is missing.
    """
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix", "")
        for kind, find, label in (
            ("configMapRef", sources.config_map, "configmap"),
            ("secretRef", sources.secret, "secret"),
        ):
            if kind in source:
                obj = _referred(find, source[kind], label)
                texts = secret_texts(obj) if kind == "secretRef" else (obj or {}).get("data") or {}
                variables.update({prefix + name: value for name, value in texts.items()})
    for entry in container.get("env") or ():
        if "valueFrom" not in entry:
            variables[entry["name"]] = expand(paths.replace(entry.get("value") or ""), variables)
            continue
        found = _value_from(entry["valueFrom"], container, pod, sources)
        if found is not None:
            variables[entry["name"]] = found
    return variables


def _value_from(source: Object, container: Object, pod: Object, sources: Sources) -> str | None:
    if reference := source.get("configMapKeyRef"):
        return _key(_referred(sources.config_map, reference, "configmap"), reference, "configmap")
    if reference := source.get("secretKeyRef"):
        return _key(_referred(sources.secret, reference, "secret"), reference, "secret")
    if reference := source.get("fieldRef"):
        return field_value(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return resource_value(reference, container, pod, sources.machine)
    return None


def _referred(find: Find, reference: Object, label: str) -> Object | None:
    name = reference.get("name", "")
    obj = find(name)
    if obj is None and not reference.get("optional"):
        raise MissingReferenceError(f'{label} "{name}" not found')
    return obj


def _key(obj: Object | None, reference: Object, label: str) -> str | None:
    texts = (secret_texts(obj) if label == "secret" else obj.get("data") or {}) if obj else {}
    if reference["key"] not in texts:
        if reference.get("optional"):
            return None
        raise MissingReferenceError(f"couldn't find key {reference['key']} in {label} {reference.get('name', '')}")
    return str(texts[reference["key"]])


def secret_texts(secret: Object | None) -> dict[str, str]:
    """Return a Secret's data as text."""
    data = (secret or {}).get("data") or {}
    return {name: base64.b64decode(value).decode("utf-8", "surrogateescape") for name, value in data.items()}


def field_value(pod: Object, path: str) -> str:
    """Return what a `fieldRef` gives.

    Raises:
        MissingReferenceError: there is no such field.
    """
    if subscript := _SUBSCRIPT.match(path):
        section, name = subscript[1].split(".")[1], subscript[2]
        return str((pod["metadata"].get(section) or {}).get(name, ""))
    if path in ("metadata.labels", "metadata.annotations"):
        items = (pod["metadata"].get(path.split(".")[1]) or {}).items()
        return "\n".join(f'{name}="{_escaped(value)}"' for name, value in sorted(items))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if path == "status.podIPs":
        return ",".join(entry["ip"] for entry in value or ())
    if value is None and path not in ("spec.serviceAccountName", "status.hostIP", "status.podIP"):
        raise MissingReferenceError(f"unsupported fieldPath: {path}")
    return "" if value is None else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(reference: Object, container: Object, pod: Object, machine: Machine) -> str:
    """Return what a `resourceFieldRef` gives, in units of its divisor, rounded up; a missing limit is the machine's."""
    named = reference.get("containerName")
    if named:
        containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
        container = next((one for one in containers if one["name"] == named), container)
    section, _, name = reference["resource"].partition(".")
    amounts = (container.get("resources") or {}).get(section) or {}
    fallback = {"cpu": Decimal(machine.cpus), "memory": Decimal(machine.memory)} if section == "limits" else {}
    amount = parse_quantity(amounts[name]) if name in amounts else fallback.get(name, Decimal(0))
    divisor = parse_quantity(reference.get("divisor") or "1") or Decimal(1)
    return str((amount / divisor).to_integral_value(ROUND_CEILING))
