"""What is served, as clients discover it: aggregated (`APIGroupDiscoveryList`), in the legacy form, and the version."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_local.api.resources import Resource, Resources

KUBERNETES = "1.34"

#: What answers in a subresource that is not the object itself: group, version, kind, verbs.
_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "scale": ("autoscaling", "v1", "Scale", ("get", "patch", "update")),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "binding": ("", "v1", "Binding", ("create",)),
}
_VERBS = {"status": ("get", "patch", "update"), "finalize": ("update",), "log": ("get",)}


def version() -> dict[str, str]:
    """Return what `/version` says: the Kubernetes whose API this is."""
    major, _, minor = KUBERNETES.partition(".")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{KUBERNETES}.0+kopfka",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "CPython",
        "platform": f"{platform.system().lower()}/{machine}",
    }


def aggregated(resources: Resources, *, core: bool) -> dict[str, Any]:
    """Return the aggregated discovery document of the core group (`/api`) or of all others (`/apis`)."""
    items = []
    for group, versions in groups(resources).items():
        if (not group) != core:
            continue
        entries = [
            {"version": v, "resources": [_discovered(r) for r in found], "freshness": "Current"}
            for v, found in versions.items()
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": entries})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def groups(resources: Iterable[Resource]) -> dict[str, dict[str, list[Resource]]]:
    """Return resources by group and version, in the order they are served."""
    found: dict[str, dict[str, list[Resource]]] = {}
    for resource in resources:
        found.setdefault(resource.group, {}).setdefault(resource.gvr.version, []).append(resource)
    return found


def _discovered(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.gvr.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_discovered_below(resource, name) for name in resource.subresources]
    return entry


def _discovered_below(resource: Resource, name: str) -> dict[str, Any]:
    group, version_, kind, verbs = _answering(resource, name)
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version_, "kind": kind},
        "verbs": list(verbs),
    }


def _answering(resource: Resource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    return _SUBRESOURCES.get(name) or (resource.group, resource.gvr.version, resource.kind, _VERBS[name])


def api_versions(address: str) -> dict[str, Any]:
    """Return the legacy document at `/api`."""
    clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}


def api_groups(resources: Resources) -> dict[str, Any]:
    """Return the legacy document at `/apis`."""
    found = [api_group(resources, group) for group in groups(resources) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def api_group(resources: Resources, group: str) -> dict[str, Any] | None:
    """Return the legacy document of one group, None where there is no such group."""
    versions = [
        {"groupVersion": f"{group}/{version_}", "version": version_} for version_ in groups(resources).get(group, {})
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]} if versions else None


def api_resources(resources: Resources, group: str, version_: str) -> dict[str, Any] | None:
    """Return the legacy document of one version of a group, None where there is none."""
    entries: list[dict[str, Any]] = []
    for resource in groups(resources).get(group, {}).get(version_, []):
        entry: dict[str, Any] = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        entries.append(entry)
        entries += [_listed_below(resource, name) for name in resource.subresources]
    if not entries:
        return None
    group_version = f"{group}/{version_}" if group else version_
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _listed_below(resource: Resource, name: str) -> dict[str, Any]:
    group, version_, kind, verbs = _answering(resource, name)
    entry: dict[str, Any] = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    if (group, version_) != (resource.group, resource.gvr.version):
        entry |= {"group": group, "version": version_}
    return entry | {"kind": kind, "verbs": list(verbs)}
