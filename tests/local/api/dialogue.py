"""Requests whose answers are compared between this API server and a real one; `NS` is the test's namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from local.api.clients import APPLY, JSON_PATCH, MERGE, STRATEGIC

CORE, APPS, BATCH = "/api/v1/namespaces/NS", "/apis/apps/v1/namespaces/NS", "/apis/batch/v1/namespaces/NS"
THINGS = "/apis/dialogue.kopfka.io/v1/namespaces/default/things"
HERE = "/apis/dialogue.kopfka.io/v1/namespaces/NS/things"


@dataclass(frozen=True, slots=True)
class Step:
    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    steps: tuple[Step, ...]
    words: bool = True
    status: bool = True


def case(name: str, *steps: Step, words: bool = True, status: bool = True) -> Case:
    return Case(name, steps, words, status)


def get(path: str) -> Step:
    return Step("GET", path)


def post(path: str, body: Any) -> Step:
    return Step("POST", path, body)


def put(path: str, body: Any) -> Step:
    return Step("PUT", path, body)


def patch(path: str, body: Any, kind: str = MERGE) -> Step:
    return Step("PATCH", path, body, kind)


def apply(path: str, body: Any, manager: str = "a", force: bool = False) -> Step:
    return Step("PATCH", f"{path}?fieldManager={manager}&force={str(force).lower()}", body, APPLY)


def delete(path: str, body: Any = None) -> Step:
    return Step("DELETE", path, body)


DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.dialogue.kopfka.io"},
    "spec": {
        "group": "dialogue.kopfka.io",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing", "shortNames": ["thg"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [
                    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
                    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "maximum": 9},
                                    "replicas": {"type": "integer", "default": 1},
                                    "mode": {
                                        "type": "string",
                                        "maxLength": 9,
                                        "enum": ["fast", "safe"],
                                        "default": "safe",
                                    },
                                    "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5, "minLength": 2},
                                    "ratio": {"type": "number"},
                                    "fixed": {
                                        "type": "string",
                                        "x-kubernetes-validations": [
                                            {"rule": "self == oldSelf", "message": "fixed cannot change"}
                                        ],
                                    },
                                    "amount": {"x-kubernetes-int-or-string": True},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                    "tags": {
                                        "type": "array",
                                        "items": {"type": "string"},
                                        "x-kubernetes-list-type": "set",
                                    },
                                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "maybe": {"type": "string", "nullable": True},
                                    "items": {
                                        "type": "array",
                                        "maxItems": 3,
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {
                                                "name": {"type": "string", "maxLength": 20},
                                                "value": {"type": "string", "maxLength": 20},
                                                "weight": {"type": "integer", "default": 7},
                                            },
                                        },
                                    },
                                },
                                "x-kubernetes-validations": [
                                    {
                                        "rule": "self.mode != 'fast' || self.replicas <= 3",
                                        "message": "fast has at most 3",
                                    },
                                    {
                                        "rule": "!has(self.items) || self.items.all(i, i.name != 'no')",
                                        "messageExpression": "'with mode ' + self.mode + ' no item may be no'",
                                        "fieldPath": ".items",
                                        "reason": "FieldValueForbidden",
                                    },
                                ],
                            },
                            "status": {
                                "type": "object",
                                "properties": {
                                    "replicas": {"type": "integer"},
                                    "conditions": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                                        },
                                    },
                                },
                            },
                        },
                    }
                },
            }
        ],
    },
}


def thing(name: str, /, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "dialogue.kopfka.io/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod_spec(**more: Any) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "kopfka:1",
        "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "A", "value": "b"}, {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "readinessProbe": {"httpGet": {"port": "http"}},
        "livenessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 3},
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    return {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "x"}}], **more}


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec()}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def broken(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of an object with another value at a dotted path; numbers are indices, None removes."""
    import copy

    result = copy.deepcopy(obj)
    at: Any = result
    *parents, last = path.split(".")
    for name in parents:
        at = at[int(name)] if name.isdigit() else at.setdefault(name, {})
    key: Any = int(last) if last.isdigit() else last
    if value is None:
        del at[key]
    else:
        at[key] = value
    return result


SET = workload("StatefulSet", "s1", serviceName="s1")
SET["spec"]["volumeClaimTemplates"] = [
    {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
]
DEPLOYMENT = workload("Deployment", "d1")
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "svc1"},
    "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "claim1"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "none",
    },
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "j1"},
    "spec": {"suspend": True, "template": {"spec": pod_spec(restartPolicy="Never")}},
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p1"}, "spec": pod_spec(nodeSelector={"no": "where"})}

CASES = (
    case("unknown path", get("/apis/none.io/v1/things")),
    case("unknown resource", get("/api/v1/nothings")),
    case("missing object", get(f"{CORE}/configmaps/none")),
    case("missing custom object", get(f"{HERE}/none")),
    case(
        "config map",
        post(f"{CORE}/configmaps", config_map("m1", a="1")),
        post(f"{CORE}/configmaps", config_map("m1", a="1")),
        get(f"{CORE}/configmaps/m1"),
        patch(f"{CORE}/configmaps/m1", {"data": {"b": "2", "a": None}}),
        put(f"{CORE}/configmaps/m1", config_map("m1", c="3")),
        put(f"{CORE}/configmaps/m1", config_map("other", c="3")),
        put(f"{CORE}/configmaps/m1", {**config_map("m1", c="4"), "metadata": {"name": "m1", "resourceVersion": "1"}}),
        patch(f"{CORE}/configmaps/m1", [{"op": "add", "path": "/data/d", "value": "4"}], JSON_PATCH),
        delete(f"{CORE}/configmaps/m1"),
        delete(f"{CORE}/configmaps/m1"),
    ),
    case("bad names", post(f"{CORE}/configmaps", config_map("Not_A_Name")), post(f"{CORE}/configmaps", config_map(""))),
    case("bad service name", post(f"{CORE}/services", broken(SERVICE, "metadata.name", "1a"))),
    case("bad keys", post(f"{CORE}/configmaps", config_map("m2", **{"a b": "1"}))),
    case(
        "bad labels",
        post(f"{CORE}/configmaps", broken(config_map("m2"), "metadata.labels", {"a b": "1"})),
        post(f"{CORE}/configmaps", broken(config_map("m2"), "metadata.labels", {"a": "x y"})),
        post(f"{CORE}/configmaps", broken(config_map("m2"), "metadata.annotations", {"a b": "1"})),
    ),
    case("no namespace", post("/api/v1/namespaces/no-such-namespace/configmaps", config_map("m2"))),
    case("other namespace", post(f"{CORE}/configmaps", broken(config_map("m2"), "metadata.namespace", "default"))),
    case("version given", post(f"{CORE}/configmaps", broken(config_map("m2"), "metadata.resourceVersion", "5"))),
    case("other kind", post(f"{CORE}/configmaps", {**config_map("m2"), "kind": "Secret"}), words=False),
    case("malformed", post(f"{CORE}/configmaps", b"{"), words=False),
    case("protobuf", Step("POST", f"{CORE}/configmaps", b"x", "application/x-unknown"), words=False),
    case("bad patch type", Step("PATCH", f"{CORE}/configmaps/none", b"{}", "application/json"), words=False),
    case(
        "strict",
        post(
            f"{CORE}/configmaps?fieldValidation=Strict",
            {**config_map("m2"), "dta": {}, "metadata": {"name": "m2", "nme": 1}},
        ),
    ),
    case("warn", post(f"{CORE}/configmaps", {**config_map("m3"), "dta": {}}), delete(f"{CORE}/configmaps/m3")),
    case("wrong type", post(f"{CORE}/configmaps", {**config_map("m2"), "data": {"a": 1}}), words=False),
    case("dry run", post(f"{CORE}/configmaps?dryRun=All", config_map("m4")), get(f"{CORE}/configmaps/m4")),
    case(
        "finalizers",
        post(f"{CORE}/configmaps", broken(config_map("m5"), "metadata.finalizers", ["kopfka.io/x"])),
        delete(f"{CORE}/configmaps/m5"),
        patch(f"{CORE}/configmaps/m5", {"metadata": {"finalizers": None}}),
        get(f"{CORE}/configmaps/m5"),
    ),
    case(
        "secret",
        post(f"{CORE}/secrets", {"metadata": {"name": "x1"}, "stringData": {"a": "b"}}),
        patch(f"{CORE}/secrets/x1", {"stringData": {"c": "d"}}),
        patch(f"{CORE}/secrets/x1", {"type": "other"}),
        delete(f"{CORE}/secrets/x1"),
    ),
    case("secret not base64", post(f"{CORE}/secrets", {"metadata": {"name": "x2"}, "data": {"a": "%"}}), words=False),
    case("service", post(f"{CORE}/services", SERVICE), get(f"{CORE}/services/svc1"), delete(f"{CORE}/services/svc1")),
    case("headless", post(f"{CORE}/services?dryRun=All", broken(SERVICE, "spec.clusterIP", "None"))),
    case("node port", post(f"{CORE}/services?dryRun=All", broken(SERVICE, "spec.ports.0.port", 0))),
    case("no ports", post(f"{CORE}/services", broken(SERVICE, "spec.ports", None))),
    case(
        "deployment",
        post(f"{APPS}/deployments?dryRun=All", DEPLOYMENT),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.template.metadata.labels", {"x": "y"})),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.selector", None)),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.replicas", -1)),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.template.spec.containers.0.image", None)),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.template.spec.containers.0.ports.0.containerPort", 70000)),
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.template.spec.volumes", None)),
    ),
    case(
        "wrong type in deployment", post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.replicas", "x")), words=False
    ),
    case(
        "bad quantity",
        post(f"{APPS}/deployments", broken(DEPLOYMENT, "spec.template.spec.containers.0.resources.limits.cpu", "x")),
        words=False,
    ),
    case(
        "stateful set",
        post(f"{APPS}/statefulsets?dryRun=All", SET),
    ),
    case(
        "stateful set changes",
        post(f"{APPS}/statefulsets", SET),
        patch(f"{APPS}/statefulsets/s1", {"spec": {"serviceName": "other"}}),
        patch(f"{APPS}/statefulsets/s1", {"spec": {"selector": {"matchLabels": {"app": "x"}}}}),
        delete(f"{APPS}/statefulsets/s1"),
        words=False,
    ),
    case(
        "daemon set",
        post(
            f"{APPS}/daemonsets?dryRun=All",
            {
                **broken(workload("DaemonSet", "ds1"), "spec.replicas", None),
                "metadata": {"name": "ds1", "annotations": {"deprecated.daemonset.template.generation": "1"}},
            },
        ),
    ),
    case("replica set", post(f"{APPS}/replicasets?dryRun=All", workload("ReplicaSet", "rs1"))),
    case("claim", post(f"{CORE}/persistentvolumeclaims?dryRun=All", CLAIM)),
    case("claim without modes", post(f"{CORE}/persistentvolumeclaims", broken(CLAIM, "spec.accessModes", None))),
    case("claim without size", post(f"{CORE}/persistentvolumeclaims", broken(CLAIM, "spec.resources", None))),
    case("job policy", post(f"{BATCH}/jobs", broken(JOB, "spec.template.spec.restartPolicy", None))),
    case(
        "cron job",
        post(
            f"{BATCH}/cronjobs?dryRun=All",
            {"metadata": {"name": "cj"}, "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": JOB["spec"]}}},
        ),
    ),
    case(
        "others",
        post(f"{CORE}/serviceaccounts?dryRun=All", {"metadata": {"name": "sa"}}),
        post(
            "/apis/policy/v1/namespaces/NS/poddisruptionbudgets?dryRun=All",
            {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
        ),
        post(
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases?dryRun=All",
            {
                "metadata": {"name": "l"},
                "spec": {
                    "holderIdentity": "me",
                    "leaseDurationSeconds": 15,
                    "renewTime": "2026-01-01T00:00:00.000000Z",
                },
            },
        ),
        post(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles?dryRun=All",
            {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        ),
        post(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings?dryRun=All",
            {
                "metadata": {"name": "r"},
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "User", "name": "u"}],
            },
        ),
        post(
            "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies?dryRun=All",
            {"metadata": {"name": "n"}, "spec": {"podSelector": {}, "egress": [{}]}},
        ),
        post("/apis/storage.k8s.io/v1/storageclasses?dryRun=All", {"metadata": {"name": "zz"}, "provisioner": "x/y"}),
    ),
    case(
        "event",
        post(
            f"{CORE}/events?dryRun=All",
            {
                "metadata": {"name": "e"},
                "involvedObject": {"kind": "Pod", "namespace": "NS", "name": "p"},
                "reason": "R",
                "message": "m",
                "type": "Normal",
            },
        ),
        words=False,
    ),
    case(
        "event elsewhere",
        post(f"{CORE}/events", {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default", "name": "p"}}),
        post(f"{CORE}/events", {"metadata": {"name": "e"}, "involvedObject": {"name": "p"}}),
    ),
    case(
        "things",
        post(
            HERE, thing("t1", size=2, items=[{"name": "a"}], ratio=2, amount="5%", free={"x": [1]}, labels={"k": "v"})
        ),
        get(f"{HERE}/t1"),
        patch(f"{HERE}/t1", {"spec": {"size": 3}}),
        patch(f"{HERE}/t1", {"spec": {"size": 3}}),
        patch(
            f"{HERE}/t1/status",
            {"status": {"replicas": 1, "conditions": [{"type": "Ready", "status": "True"}]}, "spec": {"size": 9}},
        ),
        get(f"{HERE}/t1/scale"),
        patch(f"{HERE}/t1/scale", {"spec": {"replicas": 3}}),
        get(f"{HERE}/t1"),
        put(f"{HERE}/t1", thing("t1", size=4)),
        patch(f"{HERE}/t1", {"spec": {"x": 1}}, STRATEGIC),
        delete(f"{HERE}/t1"),
    ),
    case(
        "bad things",
        post(HERE, thing("t2")),
        post(HERE, {k: v for k, v in thing("t2").items() if k != "spec"}),
        post(HERE, thing("t2", size="x")),
        post(HERE, thing("t2", size=0)),
        post(HERE, thing("t2", size=10)),
        post(HERE, thing("t2", size=1.5)),
        post(HERE, thing("t2", size=2, mode="odd")),
        post(HERE, thing("t2", size=2, name="A1")),
        post(HERE, thing("t2", size=2, name="abcdefg")),
        post(HERE, thing("t2", size=2, name="a")),
        post(HERE, thing("t2", size=2, labels={"a": 1})),
        post(HERE, thing("t2", size=2, tags=["a", "a"])),
        post(HERE, thing("t2", size=2, items=[{"name": "a"}, {"name": "a"}])),
        post(HERE, thing("t2", size=2, items=[{"value": "a"}])),
        post(HERE, thing("t2", size=2, items=[{"name": str(i)} for i in range(4)])),
        post(HERE, thing("t2", size=2, amount=1.5)),
        post(HERE, thing("t2", size=2, mode=5, name=True)),
        post(HERE, thing("t2", size=2, mode="fast", replicas=4)),
        post(HERE, thing("t2", size=2, items=[{"name": "no"}])),
        post(f"{HERE}?fieldValidation=Strict", thing("t2", size=2, sise=3)),
    ),
    case(
        "nulls and unknown fields",
        post(HERE, thing("t3", size=2, maybe=None, mode=None, name=None, sise=3, free={"x": None})),
        delete(f"{HERE}/t3"),
    ),
    case(
        "transition rule",
        post(HERE, thing("t4", size=2, fixed="a")),
        patch(f"{HERE}/t4", {"spec": {"fixed": "b"}}),
        patch(f"{HERE}/t4", {"spec": {"fixed": None}}),
        put(f"{HERE}/t4", thing("t4", size=2)),
        delete(f"{HERE}/t4"),
    ),
    case(
        "apply a thing",
        apply(
            f"{HERE}/t5",
            thing("t5", size=2, items=[{"name": "a", "value": "1"}, {"name": "b"}], labels={"k": "v"}, tags=["x"]),
        ),
        apply(f"{HERE}/t5", thing("t5", size=2, items=[{"name": "b"}, {"name": "c"}], tags=["y"])),
        apply(f"{HERE}/t5", thing("t5", size=3, items=[{"name": "c", "value": "9"}]), "b"),
        apply(f"{HERE}/t5", thing("t5", size=3, mode="fast", items=[{"name": "c", "value": "9"}]), "b", force=True),
        apply(f"{HERE}/t5", thing("t5", size=2, items=[{"name": "b", "value": "x"}, {"name": "c", "value": "8"}]), "a"),
        patch(f"{HERE}/t5", {"spec": {"replicas": 2, "items": None}}),
        apply(f"{HERE}/t5", thing("t5", size=3), "b"),
        get(f"{HERE}/t5"),
        delete(f"{HERE}/t5"),
    ),
    case(
        "apply a deployment",
        apply(f"{APPS}/deployments/d2", workload("Deployment", "d2", paused=True)),
        patch(f"{APPS}/deployments/d2/scale", {"spec": {"replicas": 0}}),
        apply(
            f"{APPS}/deployments/d2",
            broken(workload("Deployment", "d2", paused=True), "spec.template.spec.containers.0.env", None),
        ),
        patch(
            f"{APPS}/deployments/d2",
            {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "N", "value": "1"}]}]}}}},
            STRATEGIC,
        ),
        apply(
            f"{APPS}/deployments/d2",
            broken(workload("Deployment", "d2", paused=True), "spec.template.spec.containers.0.env.0.name", "N"),
        ),
        patch(
            f"{APPS}/deployments/d2",
            {
                "spec": {
                    "template": {
                        "spec": {"containers": [{"name": "c", "$patch": "delete"}, {"name": "z", "image": "i"}]}
                    }
                }
            },
            STRATEGIC,
        ),
        delete(f"{APPS}/deployments/d2"),
        status=False,
    ),
    case("apply without manager", Step("PATCH", f"{HERE}/t6", thing("t6", size=2), APPLY)),
    case("apply without name of kind", Step("PATCH", f"{HERE}/t6?fieldManager=a", {"spec": {}}, APPLY), words=False),
    case(
        "bad selector",
        get(f"{CORE}/pods?fieldSelector=spec.nope=1"),
        get(f"{CORE}/pods?labelSelector=a%20b"),
        words=False,
    ),
    case(
        "refused changes",
        post(f"{CORE}/configmaps", broken(config_map("m6", d="4"), "metadata.finalizers", ["kopfka.io/x"])),
        put(f"{CORE}/configmaps/m6", {**config_map("m6", c="4"), "metadata": {"name": "m6", "uid": "x"}}),
        patch(f"{CORE}/configmaps/m6", [{"op": "test", "path": "/data/d", "value": "5"}], JSON_PATCH),
        delete(f"{CORE}/configmaps/m6"),
        patch(f"{CORE}/configmaps/m6", {"metadata": {"finalizers": ["kopfka.io/x", "kopfka.io/y"]}}),
        patch(f"{CORE}/configmaps/m6", {"metadata": {"finalizers": None}}),
        words=False,
    ),
    case("method", Step("POST", f"{CORE}/configmaps/none", {}), words=False),
)
