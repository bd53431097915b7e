"""The row of a pod in `kubectl get pods`: readiness, the one word for its state, restarts, where it runs."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_NONE = "<none>"


def pod(name: str, obj: Object, spec: Object, status: Object, age: str) -> list[Any]:
    """Return the cells of a pod."""
    states = status.get("containerStatuses") or []
    containers = spec.get("containers") or []
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"}
    inits = status.get("initContainerStatuses") or []
    ready = sum(bool(s.get("ready")) for s in states) + sum(
        bool(s.get("ready")) for s in inits if s["name"] in sidecars
    )
    total = len(containers) + len(sidecars)
    gates = spec.get("readinessGates") or []
    conditions = {c["type"]: c.get("status") for c in status.get("conditions") or []}
    met = sum(conditions.get(gate["conditionType"]) == "True" for gate in gates)
    wide = [status.get("podIP") or _NONE, spec.get("nodeName") or _NONE, status.get("nominatedNodeName") or _NONE]
    shown_gates = f"{met}/{len(gates)}" if gates else _NONE
    return [name, f"{ready}/{total}", _state(obj, spec, status, conditions), _restarts(status), age, *wide, shown_gates]


def _state(obj: Object, spec: Object, status: Object, conditions: dict[str, Any]) -> str:
    reason = status.get("reason") or status.get("phase") or "Unknown"
    initializing = _initializing(spec, status)
    if initializing:
        reason = initializing
    else:
        running = False
        for state in reversed(status.get("containerStatuses") or []):
            current = state.get("state") or {}
            waiting, ended = current.get("waiting") or {}, current.get("terminated")
            if waiting.get("reason"):
                reason = waiting["reason"]
            elif ended is not None:
                reason = ended.get("reason") or _ended(ended)
            elif state.get("ready") and "running" in current:
                running = True
        if reason == "Completed" and running:
            reason = "Running" if conditions.get("Ready") == "True" else "NotReady"
    if obj["metadata"].get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(reason)


def _initializing(spec: Object, status: Object) -> str:
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"}
    total = len(spec.get("initContainers") or [])
    for index, state in enumerate(status.get("initContainerStatuses") or []):
        current = state.get("state") or {}
        ended, waiting = current.get("terminated"), current.get("waiting") or {}
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if state["name"] in sidecars and state.get("started"):
            continue
        if ended is not None:
            return "Init:" + (ended.get("reason") or _ended(ended))
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return "Init:" + str(waiting["reason"])
        return f"Init:{index}/{total}"
    return ""


def _ended(state: Object) -> str:
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _restarts(status: Object) -> str:
    from kopfka_local.api.cells import age  # noqa: PLC0415 - the two modules are one table

    states = status.get("containerStatuses") or []
    count = sum(state.get("restartCount", 0) for state in states)
    ended = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in states]
    last = max(filter(None, ended), default=None)
    return f"{count} ({age(last)} ago)" if count and last else str(count)
