"""What `kubectl get` shows of built-in kinds: the cells of each row, in the words Kubernetes uses for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kopfka_local.api.podcells import pod

if TYPE_CHECKING:
    from collections.abc import Callable

    Object = dict[str, Any]

_NONE, _UNSET, _UNKNOWN = "<none>", "<unset>", "<unknown>"


def of(storage: str, obj: Object) -> list[Any]:
    """Return the cells of an object; the name and the age where nothing is known of its kind."""
    name = obj["metadata"].get("name", "")
    age_ = age(obj["metadata"].get("creationTimestamp"))
    row = _ROWS.get(storage)
    if row is None:
        return [name, age_]
    return row(name, obj, obj.get("spec") or {}, obj.get("status") or {}, age_)


def age(timestamp: str | None) -> str:
    """Return how long ago a time was, as kubectl shows it."""
    if not timestamp:
        return _UNKNOWN
    return span((datetime.now(UTC) - parse_time(timestamp)).total_seconds())


def parse_time(timestamp: str) -> datetime:
    """Read a `metav1.Time` or `MicroTime`."""
    try:
        time = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    except ValueError:
        return datetime.now(UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def span(seconds: float) -> str:  # noqa: PLR0911
    """Return a length of time in two units at most: 42s, 3m7s, 12m, 5h12m, 3d4h, 45d, 2y30d."""
    left = int(seconds)
    if left < 0:
        return "0s" if left >= -1 else "<invalid>"
    minutes, hours, days = left // 60, left // 3600, left // 86400
    if left < 120:
        return f"{left}s"
    if minutes < 10:
        return _two(minutes, "m", left % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(first: int, unit: str, second: int, below: str) -> str:
    return f"{first}{unit}{second}{below}" if second else f"{first}{unit}"


def _images(spec: Object) -> tuple[str, str]:
    containers = spec.get("template", spec).get("spec", {}).get("containers") or []
    return ",".join(c["name"] for c in containers), ",".join(c.get("image", "") for c in containers)


def _selector(selector: Object | None) -> str:
    if selector is None:
        return _NONE
    terms = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
        operator = expression.get("operator")
        terms.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(operator, f"!{key}")
        )
    return ",".join(terms) or _NONE


def _map(values: Object | None) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((values or {}).items())) or _NONE


def _modes(modes: list[str] | None) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return ",".join(short.get(mode, mode) for mode in modes or [])


def _replicas(spec: Object) -> int:
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def _condition(status: Object, kind: str) -> str:
    return next((c.get("status", "") for c in status.get("conditions") or [] if c.get("type") == kind), "")


def _deployment(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    ready = f"{status.get('readyReplicas', 0)}/{_replicas(spec)}"
    up, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    return [name, ready, str(up), str(available), age_, *_images(spec), _selector(spec.get("selector"))]


def _replica_set(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    counts = [_replicas(spec), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [name, *counts, age_, *_images(spec), _selector(spec.get("selector"))]


def _stateful_set(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    return [name, f"{status.get('readyReplicas', 0)}/{_replicas(spec)}", age_, *_images(spec)]


def _daemon_set(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    node = _map(spec.get("template", {}).get("spec", {}).get("nodeSelector"))
    return [name, *(status.get(f, 0) for f in fields), node, age_, *_images(spec), _selector(spec.get("selector"))]


def _job(name: str, obj: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    if _condition(status, "Complete") == "True":
        state = "Complete"
    elif _condition(status, "Failed") == "True":
        state = "Failed"
    elif obj["metadata"].get("deletionTimestamp"):
        state = "Terminating"
    elif _condition(status, "Suspended") == "True":
        state = "Suspended"
    else:
        state = next((k for k in ("FailureTarget", "SuccessCriteriaMet") if _condition(status, k) == "True"), "Running")
    succeeded = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        parallelism = spec.get("parallelism") or 0
        completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    duration = ""
    if status.get("startTime"):
        end = parse_time(status["completionTime"]) if status.get("completionTime") else datetime.now(UTC)
        duration = span((end - parse_time(status["startTime"])).total_seconds())
    return [name, state, completions, duration, age_, *_images(spec), _selector(spec.get("selector"))]


def _cron_job(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    last = age(status["lastScheduleTime"]) if status.get("lastScheduleTime") else _NONE
    template = spec.get("jobTemplate", {}).get("spec", {})
    zone, suspend = spec.get("timeZone") or _NONE, bool(spec.get("suspend"))
    active = len(status.get("active") or [])
    selector = _selector(template.get("selector"))
    return [name, spec.get("schedule", ""), zone, suspend, active, last, age_, *_images(template), selector]


def _service(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    kind = spec.get("type", "ClusterIP")
    external = ",".join(spec.get("externalIPs") or []) or _NONE
    if kind == "LoadBalancer":
        found = [i.get("ip") or i.get("hostname") for i in status.get("loadBalancer", {}).get("ingress") or []]
        external = ",".join([*filter(None, found), *(spec.get("externalIPs") or [])]) or "<pending>"
    elif kind == "ExternalName":
        external = spec.get("externalName", "")
    ports = []
    for port in spec.get("ports") or []:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        ports.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return [
        name,
        kind,
        spec.get("clusterIP") or _NONE,
        external,
        ",".join(ports) or _NONE,
        age_,
        _map(spec.get("selector")),
    ]


def _endpoints(name: str, obj: Object, *rest: Any) -> list[Any]:
    found = []
    for subset in obj.get("subsets") or []:
        addresses, ports = subset.get("addresses") or [], subset.get("ports") or []
        found += [f"{a['ip']}:{p['port']}" for p in ports for a in addresses] if ports else [a["ip"] for a in addresses]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return [name, (",".join(found[:3]) + more) or _NONE, rest[-1]]


def _endpoint_slice(name: str, obj: Object, *rest: Any) -> list[Any]:
    ports = [str(port.get("port", "*")) for port in obj.get("ports") or []]
    found = [address for endpoint in obj.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    shown = [_UNSET, _UNSET]
    for place, values in enumerate((ports, found)):
        if values:
            shown[place] = ",".join(values[:3]) + (f" + {len(values) - 3} more..." if len(values) > 3 else "")
    return [name, obj.get("addressType", ""), *shown, rest[-1]]


def _claim(name: str, obj: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    capacity = status.get("capacity", {}).get("storage", "") if bound else ""
    modes = _modes(status.get("accessModes")) if bound else ""
    class_, attributes = spec.get("storageClassName") or "", spec.get("volumeAttributesClassName") or _UNSET
    return [
        name,
        phase,
        spec.get("volumeName", ""),
        capacity,
        modes,
        class_,
        attributes,
        age_,
        spec.get("volumeMode") or _UNSET,
    ]


def _volume(name: str, obj: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    claim = spec.get("claimRef") or {}
    bound = f"{claim.get('namespace', '')}/{claim['name']}" if claim else ""
    head = [name, spec.get("capacity", {}).get("storage", ""), _modes(spec.get("accessModes"))]
    head += [spec.get("persistentVolumeReclaimPolicy", ""), phase, bound, spec.get("storageClassName", "")]
    return [
        *head,
        spec.get("volumeAttributesClassName") or _UNSET,
        status.get("reason", ""),
        age_,
        spec.get("volumeMode") or _UNSET,
    ]


def _node(name: str, obj: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    ready = {"True": "Ready", "False": "NotReady"}.get(
        _condition(status, "Ready"), "Unknown" if not _condition(status, "Ready") else "NotReady"
    )
    state = ready + (",SchedulingDisabled" if spec.get("unschedulable") else "")
    prefix = "node-role.kubernetes.io/"
    roles = sorted(k.removeprefix(prefix) for k in obj["metadata"].get("labels") or {} if k.startswith(prefix))
    addresses = {a["type"]: a["address"] for a in reversed(status.get("addresses") or [])}
    info = status.get("nodeInfo", {})
    wide = [addresses.get("InternalIP", _NONE), addresses.get("ExternalIP", _NONE)]
    wide += [info.get(field) or _UNKNOWN for field in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    return [name, state, ",".join(filter(None, roles)) or _NONE, age_, info.get("kubeletVersion", ""), *wide]


def _event(name: str, obj: Object, *_: Any) -> list[Any]:
    series = obj.get("series") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    about = obj.get("involvedObject") or {}
    what = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    origin = ", ".join(filter(None, (component, host)))
    count = series.get("count") or obj.get("count") or 1
    text = (obj.get("message") or "").strip()
    head = [age(last), obj.get("type", ""), obj.get("reason", ""), what, about.get("fieldPath", ""), origin, text]
    return [*head, age(first), count, name]


def _binding(name: str, obj: Object, *rest: Any) -> list[Any]:
    role = obj.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or []:
        shown = (
            f"{subject.get('namespace', '')}/{subject['name']}"
            if subject["kind"] == "ServiceAccount"
            else subject["name"]
        )
        by_kind.setdefault(subject["kind"], []).append(shown)
    subjects = [", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [name, f"{role.get('kind', '')}/{role.get('name', '')}", rest[-1], *subjects]


def _created(name: str, obj: Object, *_: Any) -> list[Any]:
    return [name, obj["metadata"].get("creationTimestamp", "")]


def _budget(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    bounds = ["N/A" if value is None else str(value) for value in (least, most)]
    return [name, *bounds, status.get("disruptionsAllowed", 0), age_]


def _ingress(name: str, _: Object, spec: Object, status: Object, age_: str) -> list[Any]:
    hosts = ",".join(filter(None, (rule.get("host") for rule in spec.get("rules") or []))) or "*"
    found = [i.get("ip") or i.get("hostname", "") for i in status.get("loadBalancer", {}).get("ingress") or []]
    ports = "80, 443" if spec.get("tls") else "80"
    return [name, spec.get("ingressClassName") or _NONE, hosts, ",".join(found), ports, age_]


def _storage_class(name: str, obj: Object, *rest: Any) -> list[Any]:
    marked = (obj["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    shown = f"{name} (default)" if marked else name
    policy, mode = obj.get("reclaimPolicy", "Delete"), obj.get("volumeBindingMode", "Immediate")
    return [shown, obj.get("provisioner", ""), policy, mode, bool(obj.get("allowVolumeExpansion")), rest[-1]]


def _controller_revision(name: str, obj: Object, *rest: Any) -> list[Any]:
    owner = next((o for o in obj["metadata"].get("ownerReferences") or [] if o.get("controller")), None)
    if owner is None:
        return [name, _NONE, obj.get("revision", 0), rest[-1]]
    group = owner["apiVersion"].rpartition("/")[0]
    kind = owner["kind"].lower() + (f".{group}" if group else "")
    return [name, f"{kind}/{owner['name']}", obj.get("revision", 0), rest[-1]]


def _priority_class(name: str, obj: Object, *rest: Any) -> list[Any]:
    return [name, obj.get("value", 0), bool(obj.get("globalDefault")), rest[-1], obj.get("preemptionPolicy", "")]


_ROWS: dict[str, Callable[[str, Object, Object, Object, str], list[Any]]] = {
    "pods": pod,
    "services": _service,
    "endpoints": _endpoints,
    "events": _event,
    "events.events.k8s.io": _event,
    "nodes": _node,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "configmaps": lambda n, o, *r: [n, len(o.get("data") or {}) + len(o.get("binaryData") or {}), r[-1]],
    "secrets": lambda n, o, *r: [n, o.get("type", ""), len(o.get("data") or {}), r[-1]],
    "serviceaccounts": lambda n, o, *r: [n, len(o.get("secrets") or []), r[-1]],
    "namespaces": lambda n, o, *r: [n, r[1].get("phase", ""), r[-1]],
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "controllerrevisions.apps": _controller_revision,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "leases.coordination.k8s.io": lambda n, o, *r: [n, r[0].get("holderIdentity", ""), r[-1]],
    "ingresses.networking.k8s.io": _ingress,
    "networkpolicies.networking.k8s.io": lambda n, o, *r: [n, _selector(r[0].get("podSelector")), r[-1]],
    "poddisruptionbudgets.policy": _budget,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "roles.rbac.authorization.k8s.io": _created,
    "clusterroles.rbac.authorization.k8s.io": _created,
    "customresourcedefinitions.apiextensions.k8s.io": _created,
    "storageclasses.storage.k8s.io": _storage_class,
    "priorityclasses.scheduling.k8s.io": _priority_class,
}
