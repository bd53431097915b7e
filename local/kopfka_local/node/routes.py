"""Which service addresses lead where. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_local.kinds import key_of
from kopfka_local.node.proxy import Frontend, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopfka_local.kinds import Key, Object

OWN_ADDRESS = "127.0.0.1"  # of node ports and load balancers


def frontends(services: Iterable[Object], slices: Iterable[Object]) -> dict[Frontend, Sequence[Target]]:
    """Return every address to listen on for services, with the ready endpoints behind it."""
    by_service: dict[Key, list[Object]] = {}
    for one in slices:
        service = (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if service:
            by_service.setdefault((one["metadata"]["namespace"], service), []).append(one)
    found: dict[Frontend, Sequence[Target]] = {}
    for service in services:
        spec = service["spec"]
        if spec.get("clusterIP") in (None, "", "None"):
            continue
        for port in spec.get("ports") or ():
            if port.get("protocol", "TCP") != "TCP":
                continue
            targets = _targets(
                by_service.get(key_of(service), ()), port.get("name") or "", spec.get("publishNotReadyAddresses", False)
            )
            found[Frontend(spec["clusterIP"], port["port"])] = targets
            if spec.get("type") in ("NodePort", "LoadBalancer") and port.get("nodePort"):
                found[Frontend(OWN_ADDRESS, port["nodePort"])] = targets
            if spec.get("type") == "LoadBalancer":
                found.setdefault(Frontend(OWN_ADDRESS, port["port"]), targets)
    return found


def _targets(slices: Iterable[Object], port_name: str, unready_too: bool) -> list[Target]:
    found = []
    for one in slices:
        ports = [port["port"] for port in one.get("ports") or () if (port.get("name") or "") == port_name]
        for endpoint in one.get("endpoints") or ():
            if ports and (unready_too or (endpoint.get("conditions") or {}).get("ready", True)):
                found.append((endpoint["addresses"][0], int(ports[0])))
    return found
