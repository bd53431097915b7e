"""Which pod of a registry leads: what Kafka's group coordinator was told by the election, read from outside. Pure.

The assignment is Confluent's, in the group protocol `sr`, so this holds for its registry too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kopfka_operator.kafka.admin import GroupState
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.schemaregistry.render import Registry

_STABLE = "Stable"
"""State of a group that has chosen."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """How it stands with the leader of a registry."""

    pod: str | None = None
    """The pod that leads; None where none of the registry's does, or where that is not known."""
    settled: bool = True
    """Whether it is to stay so for now."""
    problem: Problem | None = None
    """What is to be told where nobody leads."""


def leadership(registry: Registry, group: GroupState | None, pods: Sequence[Manifest]) -> Leadership:
    """Return who leads, from the group that chooses; `pods` are those that serve."""
    if group is None or group.state != _STABLE:
        return Leadership(settled=False)  # pods have just begun to serve, or come and go
    host = leading_host(group.assignments)
    if host is not None:
        return Leadership(leading_pod(host, pods))
    said = (
        f"no pod leads, so nothing can be registered: kubectl logs -n {registry.namespace} "
        f"deployment/{registry.deployment.name} says why"
    )
    return Leadership(settled=False, problem=Problem(Reason.NO_LEADER, said))


def leading_host(assignments: Iterable[bytes]) -> str | None:
    """Return the host of the instance that leads, None where there is none or it cannot be read."""
    for assignment in assignments:
        try:
            identity = json.loads(assignment).get("master_identity") or {}
            host = identity.get("host")
        except (ValueError, AttributeError):
            continue
        if host:
            return str(host)
    return None


def leading_pod(host: str | None, pods: Iterable[Manifest]) -> str | None:
    """Return the name of the pod with an address or a host name, None where none of them has it."""
    for pod in pods:
        name = str(pod["metadata"]["name"])
        if host is not None and host in (name, (pod.get("status") or {}).get("podIP")):
            return name
    return None
