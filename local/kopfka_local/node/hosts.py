"""The names of services and pods in hosts(5) form: what stands for cluster DNS. Pure, except `write_hosts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_local.files import write_atomically
from kopfka_local.kinds import deleting, name_of
from kopfka_local.podstate import is_ready, named_port

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kopfka_local.kinds import Object

DOMAIN = "cluster.local"


def names_of_service(name: str, namespace: str) -> list[str]:
    """Return the names a service has in a cluster, the longest last."""
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.{DOMAIN}"]


def render_hosts(services: Iterable[Object], pods: Iterable[Object], proxied: dict[tuple[str, str], str]) -> str:
    """Return the hosts file for services and pods.

    A headless service is the address of a ready pod, and so is any other whose ports are those of its pods; one that
    renumbers ports is its cluster address where that one is `proxied` (by namespace and name). The short name of a
    service is given to the first namespace, in alphabetical order, that has one: processes of one file share one name
    space.
    """
    by_namespace: dict[str, list[Object]] = {}
    for pod in pods:
        if (pod.get("status") or {}).get("podIP"):
            by_namespace.setdefault(pod["metadata"]["namespace"], []).append(pod)
    lines: list[str] = []
    for service in sorted(services, key=lambda one: (one["metadata"]["namespace"], name_of(one))):
        lines += _service_lines(service, by_namespace, proxied)
    return "# names of services and pods; written by kopfka, and again at each change\n127.0.0.1 localhost\n" + "".join(
        f"{line}\n" for line in lines
    )


def _service_lines(
    service: Object, pods: dict[str, list[Object]], proxied: dict[tuple[str, str], str]
) -> Iterable[str]:
    spec, name, namespace = service["spec"], name_of(service), service["metadata"]["namespace"]
    names = names_of_service(name, namespace)
    selected = [pod for pod in pods.get(namespace, ()) if spec.get("selector") and _selects(spec["selector"], pod)]
    unready_too = spec.get("publishNotReadyAddresses", False)
    usable = [pod for pod in selected if unready_too or (is_ready(pod) and not deleting(pod))]
    usable.sort(key=lambda pod: (not is_ready(pod), name_of(pod)))
    headless = spec.get("clusterIP") == "None"
    if not headless and (namespace, name) in proxied and _renumbers(service, usable):
        yield f"{proxied[namespace, name]} {' '.join(names)}"
    elif usable:
        yield f"{usable[0]['status']['podIP']} {' '.join(names)}"
    elif (namespace, name) in proxied:
        yield f"{proxied[namespace, name]} {' '.join(names)}"
    for pod in usable:
        if headless and pod["spec"].get("hostname") and pod["spec"].get("subdomain") == name:
            host = pod["spec"]["hostname"]
            yield f"{pod['status']['podIP']} {' '.join(f'{host}.{full}' for full in names)}"


def _selects(selector: dict[str, str], pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _renumbers(service: Object, pods: list[Object]) -> bool:
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        if isinstance(target, str):
            target = named_port(pods[0], target) if pods else None
        if target != port["port"]:
            return True
    return False


def write_hosts(path: Path, text: str) -> bool:
    """Write the hosts file if it differs; tell whether it did."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    write_atomically(path, text.encode(), 0o644)
    return True


def read_hosts(path: Path) -> dict[str, str]:
    """Return the addresses by name; none where there is no file."""
    if not path.exists():
        return {}
    fields = [line.partition("#")[0].split() for line in path.read_text("utf-8").splitlines()]
    return {name: entry[0] for entry in reversed(fields) for name in entry[1:]}
