"""How clients outside Kubernetes reach a resource's pods: the Service, and the address that came of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kopfka_operator.api.external import ExternalAccess
    from kopfka_operator.children.owner import Owner
    from kopfka_operator.kube.resources import Manifest, Ref


@dataclass(frozen=True, slots=True)
class ExternalAddress:
    """What clients outside Kubernetes are told to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def external_service(owner: Owner, ref: Ref, wanted: ExternalAccess, target: str, default_port: int) -> Manifest:
    """Return the Service for clients outside Kubernetes; `target` is the name of the container's port."""
    port: Manifest = {**service_port(target, wanted.port or default_port)}
    if wanted.node_port is not None:
        port["nodePort"] = wanted.node_port
    return owner.child(ref, spec={"type": wanted.type, "selector": owner.selector, "ports": [port]})


def external_address(
    owner: Owner, service: Manifest | None, wanted: ExternalAccess | None, *, host: str | None = None
) -> ExternalAddress | None:
    """Return the address that clients outside are told; None where nothing is wanted or known yet.

    `host` is what the spec says of the host; with a load balancer it is the balancer's own if the spec says nothing.
    """
    if wanted is None or service is None or not owner.owns(service):
        return None
    port = (service["spec"].get("ports") or [{}])[0]
    if wanted.type == "NodePort":
        return ExternalAddress(host, port["nodePort"]) if host and port.get("nodePort") else None
    balancers = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    host = host or next((each.get("hostname") or each.get("ip") for each in balancers), None)
    return ExternalAddress(host, port["port"]) if host and port.get("port") else None


def service_port(name: str, number: int) -> Manifest:
    """Return a Service's port that leads to the container's port of the same name."""
    return {"name": name, "port": number, "targetPort": name, "protocol": "TCP"}
