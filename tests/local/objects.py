"""Objects as the API server has them, for tests of what is pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
TIME = "2026-01-02T03:04:05Z"


def pod(
    name: str, *, ready: bool = True, phase: str = "Running", deleting: bool = False, labels: dict[str, str] | None =
    None, ports: dict[str, int] | None = None, ip: str = "127.0.0.1", since: str = TIME, **spec: Any,
) -> Object:  # fmt: skip
    metadata: Object = {
        "name": name,
        "namespace": "n",
        "uid": f"uid-{name}",
        "labels": labels or {},
        "creationTimestamp": since,
    }
    if deleting:
        metadata["deletionTimestamp"] = TIME
    container = {
        "name": "c",
        "ports": [{"name": key, "containerPort": number} for key, number in (ports or {}).items()],
    }
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], "nodeName":
        "laptop"} | spec, "status": {"phase": phase, "podIP": ip, "conditions": [condition]},
    }  # fmt: skip


def meta(name: str, **more: Any) -> Object:
    return {"name": name, "namespace": "n", "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"} | more
