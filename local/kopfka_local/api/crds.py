"""CustomResourceDefinitions: whether one makes sense, the resources it defines, and the status that says they are
served.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kopfka_local.api import jsonpath, meta
from kopfka_local.api.errors import Cause, invalid_value, not_supported, required
from kopfka_local.api.resources import Gvr, Resource

if TYPE_CHECKING:
    from kopfka_local.api.resources import Resources

    Object = dict[str, Any]

#: The finalizer that keeps a definition until its last instance is gone.
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
STORAGE = "customresourcedefinitions.apiextensions.k8s.io"
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def complete(definition: Object) -> None:
    """Fill in the defaults of a definition, in place."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})


def check(definition: Object, live: Object | None) -> list[Cause]:
    """Return what is wrong with a definition, or with its change."""
    spec = definition["spec"]
    names, group = spec.get("names") or {}, spec.get("group", "")
    plural = names.get("plural", "")
    causes = [required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
    if not group:
        causes.append(required("spec.group"))
    expected = f"{plural}.{group}"
    if definition["metadata"].get("name") != expected:
        causes.append(
            invalid_value(
                "metadata.name", definition["metadata"].get("name", ""), 'must be spec.names.plural+"."+spec.group'
            )
        )
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        causes.append(not_supported("spec.scope", spec.get("scope", ""), ["Cluster", "Namespaced"]))
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.append(
            invalid_value("spec.versions", versions, "must have exactly one version marked as storage version")
        )
    if spec["conversion"].get("strategy") != "None":
        causes.append(not_supported("spec.conversion.strategy", spec["conversion"].get("strategy"), ["None"]))
    for index, version in enumerate(versions):
        causes += _check_version(f"spec.versions[{index}]", version)
    if live is not None:
        for field in ("group", "scope"):
            if spec.get(field) != live["spec"].get(field):
                causes.append(invalid_value(f"spec.{field}", spec.get(field), "field is immutable"))
    return causes


def _check_version(path: str, version: Object) -> list[Cause]:
    causes = []
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        return [required(f"{path}.schema.openAPIV3Schema", "schemas are required")]
    root = f"{path}.schema.openAPIV3Schema"
    if schema.get("type") != "object":
        causes.append(invalid_value(f"{root}.type", schema.get("type", ""), "must be object at the root"))
    causes += _check_schema(root, schema, root=True)
    for index, column in enumerate(version.get("additionalPrinterColumns") or []):
        problem = jsonpath.check(column.get("jsonPath", ""))
        if problem:
            causes.append(
                invalid_value(f"{path}.additionalPrinterColumns[{index}].jsonPath", column.get("jsonPath"), problem)
            )
    return causes


def _check_schema(path: str, schema: Object, *, root: bool = False) -> list[Cause]:
    causes = []
    free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
    if not schema.get("type") and not free:
        causes.append(required(f"{path}.type", "must not be empty for specified object fields"))
    if schema.get("$ref"):
        causes.append(Cause(f"{path}.$ref", "FieldValueForbidden", "Forbidden: $ref is not supported"))
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or []):
        causes += _check_rule(f"{path}.x-kubernetes-validations[{index}]", rule, schema, root=root)
    for name, child in (schema.get("properties") or {}).items():
        causes += _check_schema(f"{path}.properties[{name}]", child)
    if isinstance(schema.get("additionalProperties"), dict):
        causes += _check_schema(f"{path}.additionalProperties", schema["additionalProperties"])
    if schema.get("type") == "array":
        if not isinstance(schema.get("items"), dict):
            causes.append(required(f"{path}.items", "must be specified"))
        else:
            causes += _check_schema(f"{path}.items", schema["items"])
    return causes


def _check_rule(path: str, rule: Object, schema: Object, *, root: bool) -> list[Cause]:
    from kopfka_local.api import celfields, celrules  # noqa: PLC0415 - only definitions with rules pay for it

    optional_old = bool(rule.get("optionalOldSelf"))

    causes = []
    for field in ("rule", "messageExpression"):
        problem = celrules.check(rule[field]) if rule.get(field) else None
        if rule.get(field) and not problem:
            unknown = celfields.undefined(rule[field], schema, root=root, optional_old=optional_old)
            problem = f"undefined field '{unknown}'" if unknown else None
        if problem:
            causes.append(invalid_value(f"{path}.{field}", rule[field], f"compilation failed: {problem}"))
    if not rule.get("rule"):
        causes.append(required(f"{path}.rule"))
    return causes


def resources_of(definition: Object) -> list[Resource]:
    """Return a resource for each version that is served, in the order of preference (v2, v1, v1beta1)."""
    spec, names = definition["spec"], definition["spec"]["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    served.sort(key=lambda version: _priority(version["name"]), reverse=True)
    return [
        Resource(
            Gvr(spec["group"], version["name"], names["plural"]),
            names["kind"],
            spec["scope"] == "Namespaced",
            names.get("singular", ""),
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            subresources=tuple(sorted(version.get("subresources") or ())),
            custom=version,
            storage_version=next(each["name"] for each in spec["versions"] if each.get("storage")),
        )
        for version in served
    ]


def _priority(version: str) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(version)
    if found is None:
        return (0, 0, 0)
    stage = {None: 3, "beta": 2, "alpha": 1}[found[2]]
    return (stage, int(found[1]), int(found[3] or 0))


def establish(definition: Object, resources: Resources) -> None:
    """Write the status of a definition: its names are accepted, its resources served, unless another has the names."""
    spec = definition["spec"]
    status = definition.setdefault("status", {})
    kind, plural, group = spec["names"]["kind"], spec["names"]["plural"], spec["group"]
    taken = any(r.group == group and r.kind == kind and r.plural != plural for r in resources)
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    if taken:
        _set(conditions, "NamesAccepted", "False", "KindConflict", f'"{kind}" is already in use')
        _set(conditions, "Established", "False", "NotAccepted", "not all names are accepted")
    else:
        _set(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
        _set(conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        status["acceptedNames"] = spec["names"]
    status["conditions"] = list(conditions.values())
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stored = status.setdefault("storedVersions", [])
    if storage not in stored:
        stored.append(storage)


def is_established(definition: Object) -> bool:
    """Tell whether the resources of a definition are served."""
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _set(conditions: dict[str, Object], kind: str, state: str, reason: str, message: str) -> None:
    if conditions.get(kind, {}).get("status") != state:
        changed = {
            "lastTransitionTime": meta.now(),
            "message": message,
            "reason": reason,
            "status": state,
            "type": kind,
        }
        conditions[kind] = changed
