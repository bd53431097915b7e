"""Services: addresses and node ports, and Endpoints and EndpointSlices that follow the pods. `endpoints_of` is pure.

A cluster address is a loopback address from 127.96.0.0/16; the node listens on it where the machine can.
"""

from __future__ import annotations

import errno
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_self, owned_by
from kopfka_local.kinds import (
    ENDPOINTS,
    PODS,
    SERVICES,
    SLICES,
    Key,
    Object,
    deleting,
    key_of,
    name_of,
    owner_reference,
    uid_of,
)
from kopfka_local.node.addresses import try_bind
from kopfka_local.node.routes import OWN_ADDRESS
from kopfka_local.podstate import is_ended, is_ready, named_port
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kopfka_local.watching import Informers

FIRST_NODE_PORT, LAST_NODE_PORT = 30000, 32767
MANAGED_BY = "endpointslice-controller.k8s.io"

Port = tuple[str, int, str, str]  # name, number, protocol, appProtocol


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod behind a service, with the ports its targets come to."""

    pod: Object
    address: str
    ports: tuple[Port, ...]
    ready: bool  # as the service sees it
    serving: bool
    terminating: bool


def endpoints_of(service: Object, pods: Iterable[Object]) -> list[Endpoint]:
    """Return the endpoints of a service with a selector, by pod name."""
    spec = service["spec"]
    selector = spec.get("selector") or {}
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        address = (pod.get("status") or {}).get("podIP")
        if not address or is_ended(pod) or any(labels.get(key) != value for key, value in selector.items()):
            continue
        ports = _ports(spec.get("ports") or (), pod)
        if not ports and spec.get("ports"):
            continue
        serving = is_ready(pod)
        ready = (serving and not deleting(pod)) or bool(spec.get("publishNotReadyAddresses"))
        found.append(Endpoint(pod, address, ports, ready, serving, deleting(pod)))
    return sorted(found, key=lambda one: name_of(one.pod))


def _ports(ports: Sequence[Object], pod: Object) -> tuple[Port, ...]:
    found = []
    for port in ports:
        target = port.get("targetPort") or port["port"]
        number = named_port(pod, target) if isinstance(target, str) and not target.isdigit() else int(target)
        if number is not None:
            found.append((port.get("name") or "", number, port.get("protocol") or "TCP", port.get("appProtocol") or ""))
    return tuple(found)


def render_slices(service: Object, endpoints: Sequence[Endpoint], node: str = "") -> list[Object]:
    """Return the EndpointSlices of a service: one for each set of ports. Pure."""
    groups: dict[tuple[Port, ...], list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        groups[endpoint.ports].append(endpoint)
    if not groups:
        groups[()] = []
    suffix = hashlib.blake2b(uid_of(service).encode(), digest_size=3).hexdigest()[:5]
    labels = {
        **(service["metadata"].get("labels") or {}),
        "kubernetes.io/service-name": name_of(service),
        "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
    }
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name_of(service)}-{suffix}" + (f"-{number}" if number else ""),
                "namespace": service["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [owner_reference(service, "v1", "Service")],
            },
            "addressType": "IPv4",
            "ports": [_render_port(port) for port in ports],
            "endpoints": [_render_endpoint(endpoint, service) for endpoint in group],
        }
        for number, (ports, group) in enumerate(groups.items())
    ]


def _render_port(port: Port) -> Object:
    name, number, protocol, app_protocol = port
    rendered: Object = {"name": name, "port": number, "protocol": protocol}
    return rendered | ({"appProtocol": app_protocol} if app_protocol else {})


def _render_endpoint(endpoint: Endpoint, service: Object) -> Object:
    rendered: Object = {
        "addresses": [endpoint.address],
        "conditions": {"ready": endpoint.ready, "serving": endpoint.serving, "terminating": endpoint.terminating},
        "targetRef": _target(endpoint.pod),
        "nodeName": endpoint.pod["spec"].get("nodeName") or "",
    }
    if host := _host(endpoint.pod, service):
        rendered["hostname"] = host
    return rendered


def render_endpoints(service: Object, endpoints: Sequence[Endpoint]) -> list[Object]:
    """Return the subsets of a service's Endpoints. Pure."""
    groups: dict[tuple[Port, ...], dict[str, list[Object]]] = {}
    for endpoint in endpoints:
        if endpoint.terminating and not endpoint.ready:
            continue
        field = "addresses" if endpoint.ready else "notReadyAddresses"
        address: Object = {"ip": endpoint.address, "targetRef": _target(endpoint.pod)}
        if endpoint.pod["spec"].get("nodeName"):
            address["nodeName"] = endpoint.pod["spec"]["nodeName"]
        if host := _host(endpoint.pod, service):
            address["hostname"] = host
        groups.setdefault(endpoint.ports, {}).setdefault(field, []).append(address)
    return [{**addresses, "ports": [_render_port(port) for port in ports]} for ports, addresses in groups.items()]


def _target(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": name_of(pod), "uid": uid_of(pod)}


def _host(pod: Object, service: Object) -> str:
    return str(pod["spec"].get("hostname") or "") if pod["spec"].get("subdomain") == name_of(service) else ""


def allocate(service: Object, others: Iterable[Object], in_use: Callable[[str, int], bool]) -> Object:
    """Return the merge patch that gives a service the addresses and node ports its type needs; {} where it has all.

    The search starts at a place that follows from the service's uid, so that two clusters on one machine seldom meet.
    `in_use` tells whether something else listens on an address and port of this machine.
    """
    spec = service["spec"]
    kind = spec.get("type") or "ClusterIP"
    others = [other for other in others if uid_of(other) != uid_of(service)]
    start = int.from_bytes(hashlib.blake2b(uid_of(service).encode(), digest_size=4).digest())
    patch: Object = {}
    if kind == "ExternalName":
        return patch
    if not spec.get("clusterIP"):
        taken = {other["spec"].get("clusterIP") for other in others}
        ports = [port["port"] for port in spec.get("ports") or ()]
        candidates = (f"127.96.{number // 256}.{number % 256}" for number in _around(range(1, 65535), start))
        address = next(
            candidate
            for candidate in candidates
            if candidate not in taken and not any(in_use(candidate, port) for port in ports)
        )
        patch |= {"clusterIP": address, "clusterIPs": [address]}
    if kind in ("NodePort", "LoadBalancer") and any(not port.get("nodePort") for port in spec.get("ports") or ()):
        used = {port.get("nodePort") for other in others for port in other["spec"].get("ports") or ()}
        used |= {port.get("nodePort") for port in spec["ports"]}
        numbers = _around(range(FIRST_NODE_PORT, LAST_NODE_PORT + 1), start)
        free = (number for number in numbers if number not in used and not in_use(OWN_ADDRESS, number))
        patch["ports"] = [port if port.get("nodePort") else port | {"nodePort": next(free)} for port in spec["ports"]]
    return {"spec": patch} if patch else {}


def _around(numbers: range, start: int) -> Iterator[int]:
    """All of `numbers` once, from the one that `start` falls on."""
    return (numbers[(start + step) % len(numbers)] for step in range(len(numbers)))


def listened_on(address: str, port: int) -> bool:
    """Tell whether another listener has the port; an address this machine does not have is nobody's."""
    return try_bind(address, port) == errno.EADDRINUSE


class Services:
    """Keeps every Service reachable."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._services, self._pods = informers[SERVICES], informers[PODS]
        self._slices, self._endpoints = informers[SLICES], informers[ENDPOINTS]
        self.worker = Worker("service", self.reconcile)
        enqueue_self(self._services, self.worker)
        self._pods.on_change(self._pod_changed)

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        for pod in (before, after):
            if pod is None:
                continue
            labels = pod["metadata"].get("labels") or {}
            for service in self._services.all(pod["metadata"]["namespace"]):
                selector = service["spec"].get("selector")
                if selector and all(labels.get(key) == value for key, value in selector.items()):
                    self.worker.add(key_of(service))

    async def reconcile(self, key: Key) -> float | None:
        """Give one service what it needs."""
        service = self._services.get(*key)
        if service is None or deleting(service):
            return None
        if patch := allocate(service, self._services.all(), listened_on):
            service = await self._writer.patch(SERVICES, service, patch)
        if service["spec"].get("type") == "LoadBalancer":
            await self._writer.status(
                SERVICES, service, {"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}}
            )
        if not service["spec"].get("selector"):
            return None
        endpoints = endpoints_of(service, self._pods.all(key[0]))
        wanted = render_slices(service, endpoints)
        known = {name_of(one): one for one in owned_by(self._slices, service)}
        for one in wanted:
            await self._put_slice(one, known.pop(name_of(one), None))
        for one in known.values():
            await self._writer.delete(SLICES, one)
        await self._put_endpoints(service, render_endpoints(service, endpoints))
        return None

    async def _put_slice(self, wanted: Object, known: Object | None) -> None:
        if known is None:
            await self._writer.create(SLICES, wanted)
        elif any((known.get(field) or []) != wanted[field] for field in ("ports", "endpoints")):
            await self._writer.patch(SLICES, known, {"ports": wanted["ports"], "endpoints": wanted["endpoints"]})

    async def _put_endpoints(self, service: Object, subsets: list[Object]) -> None:
        namespace, name = key_of(service)
        known = self._endpoints.get(namespace, name)
        if known is None:
            await self._writer.create(ENDPOINTS, {
                "apiVersion": "v1", "kind": "Endpoints", "subsets": subsets,
                "metadata": {
                    "name": name, "namespace": namespace, "labels": service["metadata"].get("labels") or {},
                    "ownerReferences": [owner_reference(service, "v1", "Service")],
                },
            })  # fmt: skip
        elif (known.get("subsets") or []) != subsets:
            await self._writer.patch(ENDPOINTS, known, {"subsets": subsets})
