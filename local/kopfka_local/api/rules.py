"""Rules of built-in kinds that are not in their schemas: what Kubernetes refuses with 422, as far as users meet it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kopfka_local.api import podrules, quantity
from kopfka_local.api.defaults import is_base64
from kopfka_local.api.errors import Cause, forbidden_field, invalid_value, not_supported, required
from kopfka_local.api.selectors import from_object

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LARGEST_DATA = 1024 * 1024
_SET_MAY_CHANGE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)  # fmt: skip


def check(storage: str, obj: Object, live: Object | None) -> list[Cause]:
    """Return what is wrong with an object, or with its change from `live`."""
    causes = []
    for each in _KINDS.get(storage, ()):
        causes += each(obj, live)
    return causes


def _workload(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _not_negative(
        spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
    )
    selector, template = spec.get("selector") or {}, spec.get("template") or {}
    empty = not selector.get("matchLabels") and not selector.get("matchExpressions")
    if empty and spec.get("selector") is not None:
        why = f"empty selector is invalid for {obj['kind'].lower()}"
        causes.append(invalid_value("spec.selector", selector, why))
    labels = (template.get("metadata") or {}).get("labels") or {}
    if spec.get("selector") is None or not from_object(selector).matches(labels):
        why = "`selector` does not match template `labels`"
        causes.append(invalid_value("spec.template.metadata.labels", labels, why))
    if live is not None and selector != live["spec"].get("selector"):
        causes.append(invalid_value("spec.selector", selector, "field is immutable"))
    causes += podrules.check(template.get("spec") or {}, "spec.template.spec", spec.get("volumeClaimTemplates") or [])
    if (template.get("spec") or {}).get("restartPolicy") not in (None, "Always"):
        causes.append(not_supported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ["Always"]))
    return causes


def _stateful_set(obj: Object, live: Object | None) -> list[Cause]:
    if live is None:
        return []
    fixed = {k: v for k, v in obj["spec"].items() if k not in _SET_MAY_CHANGE}
    if fixed == {k: v for k, v in live["spec"].items() if k not in _SET_MAY_CHANGE}:
        return []
    names = ", ".join(f"'{name}'" for name in _SET_MAY_CHANGE[:-1])
    why = f"updates to statefulset spec for fields other than {names} and '{_SET_MAY_CHANGE[-1]}' are forbidden"
    return [forbidden_field("spec", why)]


def _job(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _not_negative(spec, "spec", "parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished")
    template = spec.get("template") or {}
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy not in ("Never", "OnFailure"):
        why = 'valid values: "OnFailure", "Never"'
        causes.append(Cause("spec.template.spec.restartPolicy", "FieldValueRequired", f"Required value: {why}"))
    causes += podrules.check(template.get("spec") or {}, "spec.template.spec", [])
    if live is not None:
        for field in ("selector", "template", "completionMode"):
            if spec.get(field) != live["spec"].get(field):
                causes.append(invalid_value(f"spec.{field}", spec.get(field), "field is immutable"))
    return causes


def _cron_job(obj: Object, live: Object | None) -> list[Cause]:
    schedule = (obj.get("spec") or {}).get("schedule", "")
    if not schedule:
        return [required("spec.schedule")]
    if len(schedule.split()) != 5 and not schedule.startswith("@"):
        why = f"expected exactly 5 fields, found {len(schedule.split())}: [{schedule}]"
        return [invalid_value("spec.schedule", schedule, why)]
    return []


def _service(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    ports, kind, address = spec.get("ports") or [], spec.get("type"), spec.get("clusterIP")
    causes: list[Cause] = []
    if not ports and address != "None" and kind != "ExternalName":
        causes.append(required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        causes.append(required("spec.externalName"))
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name", "")
        if len(ports) > 1 and not name:
            causes.append(required(f"{path}.name"))
        if name and name in names:
            causes.append(Cause(f"{path}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"'))
        names.add(name)
        causes += podrules.port(f"{path}.port", port.get("port"))
        target = port.get("targetPort")
        if isinstance(target, int):
            causes += podrules.port(f"{path}.targetPort", target)
    old = (live or {}).get("spec") or {}
    if (
        old.get("clusterIP")
        and kind != "ExternalName"
        and old.get("type") != "ExternalName"
        and address != old["clusterIP"]
    ):
        causes.append(invalid_value("spec.clusterIPs[0]", [address or ""], "may not change once set"))
    return causes


def _data(obj: Object, live: Object | None) -> list[Cause]:
    causes = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for key in [*data, *binary]:
        if not _KEY.fullmatch(key) or len(key) > 253 or key in (".", ".."):
            causes.append(invalid_value(f"data[{key}]", key, _KEY_RULE))
    for key in data.keys() & binary.keys():
        causes.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
    if sum(len(value) for value in [*data.values(), *binary.values()]) > _LARGEST_DATA:
        causes.append(Cause("", "FieldValueTooLong", f"Too long: may not be more than {_LARGEST_DATA} bytes"))
    if live is not None and live.get("immutable"):
        if not obj.get("immutable"):
            causes.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
        for field in ("data", "binaryData"):
            if obj.get(field) != live.get(field):
                causes.append(forbidden_field(field, "field is immutable when `immutable` is set"))
    return causes


def _secret(obj: Object, live: Object | None) -> list[Cause]:
    causes = [
        invalid_value(f"data[{key}]", "<secret contents redacted>", "must be base64")
        for key, value in (obj.get("data") or {}).items()
        if not is_base64(value)
    ]
    if live is not None and obj.get("type") != live.get("type"):
        causes.append(invalid_value("type", obj.get("type"), "field is immutable"))
    wanted = {"kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/dockerconfigjson": (".dockerconfigjson",)}
    for key in wanted.get(obj.get("type", ""), ()):
        if key not in (obj.get("data") or {}):
            causes.append(required(f"data[{key}]"))
    return causes


def _claim(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    if not spec.get("accessModes"):
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        causes.append(required("spec.resources[storage]"))
    elif not quantity.is_valid(size) or quantity.parse(str(size)) <= 0:
        causes.append(invalid_value("spec.resources[storage]", size, "must be greater than zero"))
    if live is None or causes:
        return causes
    old = live["spec"]
    before = ((old.get("resources") or {}).get("requests") or {}).get("storage")
    if before is not None and quantity.parse(str(size)) < quantity.parse(str(before)):
        causes.append(forbidden_field("spec.resources.requests.storage", "field can not be less than previous value"))
    may = ["resources", "volumeAttributesClassName", "volumeName"]
    if old.get("storageClassName") is None:
        may.append("storageClassName")  # a controller gives it the default class afterwards
    if {k: v for k, v in spec.items() if k not in may} != {k: v for k, v in old.items() if k not in may}:
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        causes.append(forbidden_field("spec", why))
    if old.get("volumeName") and spec.get("volumeName") != old["volumeName"]:
        causes.append(forbidden_field("spec.volumeName", "field is immutable once set"))
    return causes


def _pod(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    return podrules.check(spec, "spec", []) if live is None else podrules.check_change(spec, live.get("spec") or {})


def _budget(obj: Object, live: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        return [invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")]
    return []


def _binding(obj: Object, live: Object | None) -> list[Cause]:
    role = obj.get("roleRef") or {}
    causes = []
    if role.get("kind") not in ("Role", "ClusterRole"):
        causes.append(not_supported("roleRef.kind", role.get("kind", ""), ["Role", "ClusterRole"]))
    if not role.get("name"):
        causes.append(required("roleRef.name"))
    if live is not None and role != live.get("roleRef"):
        causes.append(invalid_value("roleRef", role, "cannot change roleRef"))
    return causes


def _lease(obj: Object, live: Object | None) -> list[Cause]:
    seconds = (obj.get("spec") or {}).get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        return [invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
    return []


def _event(obj: Object, live: Object | None) -> list[Cause]:
    namespace, about = obj["metadata"].get("namespace"), (obj.get("involvedObject") or {}).get("namespace") or ""
    if about == namespace or (not about and namespace in ("default", "kube-system")):
        return []
    return [invalid_value("involvedObject.namespace", about, "does not match event.namespace")]


def _storage_class(obj: Object, live: Object | None) -> list[Cause]:
    if live is None:
        return []
    fixed = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
    return [forbidden_field(f, "updates to " + f + " are forbidden.") for f in fixed if obj.get(f) != live.get(f)]


def _not_negative(spec: Object, path: str, *names: str) -> list[Cause]:
    why = "must be greater than or equal to 0"
    return [invalid_value(f"{path}.{n}", spec[n], why) for n in names if isinstance(spec.get(n), int) and spec[n] < 0]


_KINDS: dict[str, tuple[Callable[[Object, Object | None], list[Cause]], ...]] = {
    "pods": (_pod,),
    "events": (_event,),
    "deployments.apps": (_workload,),
    "replicasets.apps": (_workload,),
    "daemonsets.apps": (_workload,),
    "statefulsets.apps": (_workload, _stateful_set),
    "jobs.batch": (_job,),
    "cronjobs.batch": (_cron_job,),
    "services": (_service,),
    "configmaps": (_data,),
    "secrets": (_data, _secret),
    "persistentvolumeclaims": (_claim,),
    "poddisruptionbudgets.policy": (_budget,),
    "rolebindings.rbac.authorization.k8s.io": (_binding,),
    "clusterrolebindings.rbac.authorization.k8s.io": (_binding,),
    "leases.coordination.k8s.io": (_lease,),
    "storageclasses.storage.k8s.io": (_storage_class,),
}
