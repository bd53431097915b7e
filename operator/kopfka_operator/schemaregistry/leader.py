"""Which pod of a registry leads: what Kafka's group coordinator was told by the election, read from outside. Pure.

The assignment is Confluent's, in the group protocol `sr`, so this holds for its registry too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_operator.kube.resources import Manifest

SETTLING = frozenset({"PreparingRebalance", "CompletingRebalance"})
"""States of a group that is about to choose a leader."""


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
    """Return the name of the pod with an address, None where none of them has it."""
    for pod in pods:
        if host is not None and (pod.get("status") or {}).get("podIP") == host:
            return str(pod["metadata"]["name"])
    return None
