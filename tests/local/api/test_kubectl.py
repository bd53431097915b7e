"""The real kubectl against this server, as people and scripts use it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from local.api import dialogue
from local.api.clients import MERGE
from support.prerequisites import need_command
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from local.api.clients import Client
    from local.api.conftest import RunningServer

pytestmark = pytest.mark.kubectl


class Kubectl:
    """kubectl with the server's kubeconfig and a cache of its own."""

    def __init__(self, server: RunningServer) -> None:
        self._path = need_command("kubectl", "install Kubernetes' command line")
        self._environment = os.environ | {
            "KUBECONFIG": str(server.kubeconfig),
            "KUBECACHEDIR": str(server.state / "cache"),
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self._path, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: str, stdin: Any = None, code: int = 0) -> str:
        text = stdin if stdin is None or isinstance(stdin, str) else "---\n".join(yaml.safe_dump(doc) for doc in stdin)
        process = self.start(*arguments, stdin=subprocess.PIPE)
        out, error = process.communicate(text, timeout=60)
        assert process.returncode == code, f"kubectl {' '.join(arguments)}: {process.returncode}\n{out}\n{error}"
        return out + error


@pytest.fixture(scope="module")
def kubectl(server: RunningServer) -> Kubectl:
    runner = Kubectl(server)
    runner.run("apply", "-f", "-", stdin=[dialogue.DEFINITION])
    runner.run("wait", "--for=condition=Established", "crd/things.dialogue.kopfka.io", "--timeout=10s")
    return runner


def test_version_and_discovery(kubectl: Kubectl) -> None:
    assert "Server Version: v1.34" in kubectl.run("version")
    listed = kubectl.run("api-resources")
    for name in ("pods", "deployments", "things", "customresourcedefinitions"):
        assert name in listed
    assert "is running at" in kubectl.run("cluster-info")
    assert kubectl.run("auth", "can-i", "delete", "things").strip() == "yes"
    assert "kopfka" in kubectl.run("auth", "whoami")


def test_apply_is_idempotent_and_three_way(kubectl: Kubectl) -> None:
    first = dialogue.thing("applied", size=2, labels={"a": "1", "b": "2"})
    assert "created" in kubectl.run("apply", "-f", "-", stdin=[first])
    assert "unchanged" in kubectl.run("apply", "-f", "-", stdin=[first])
    kubectl.run("patch", "thing", "applied", "--type=merge", "-p", '{"spec":{"replicas":2}}')
    assert "configured" in kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("applied", size=3, labels={"a": "1"})])
    spec = json.loads(kubectl.run("get", "thing", "applied", "-o", "json"))["spec"]
    assert (spec["size"], spec["labels"], spec["replicas"]) == (3, {"a": "1"}, 2)


def test_apply_of_a_built_in_kind_merges_by_keys(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.DEPLOYMENT])
    kubectl.run("set", "env", "deployment/d1", "EXTRA=1")
    changed = dialogue.broken(dialogue.DEPLOYMENT, "spec.template.spec.containers.0.env", [{"name": "A", "value": "c"}])
    kubectl.run("apply", "-f", "-", stdin=[changed])
    container = json.loads(kubectl.run("get", "deployment", "d1", "-o", "json"))["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert {entry["name"]: entry["value"] for entry in container["env"]} == {"A": "c", "EXTRA": "1"}


def test_server_side_apply_conflicts_and_takes_over_from_client_side(kubectl: Kubectl) -> None:
    obj = dialogue.thing("served", size=2)
    kubectl.run("apply", "-f", "-", stdin=[obj])
    assert "serverside-applied" in kubectl.run("apply", "--server-side", "-f", "-", stdin=[obj])
    kubectl.run("patch", "thing", "served", "--type=merge", "-p", '{"spec":{"size":5}}')
    refused = kubectl.run("apply", "--server-side", "-f", "-", stdin=[obj], code=1)
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl-patch" using dialogue.kopfka.io/v1: .spec.size' in refused
    )
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=[obj])
    assert kubectl.run("get", "thing", "served", "-o", "jsonpath={.spec.size}") == "2"


def test_what_is_refused_says_why(kubectl: Kubectl) -> None:
    bad = kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("bad", size=2, mode="fast", replicas=5)], code=1)
    assert 'The Thing "bad" is invalid: spec: Invalid value: "object": fast has at most 3' in bad
    unknown = kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("bad", size=2, sise=1)], code=1)
    assert 'strict decoding error: unknown field "spec.sise"' in unknown
    assert 'unknown field "spec.sise"' in kubectl.run(
        "apply", "--validate=warn", "-f", "-", stdin=[dialogue.thing("warned", size=2, sise=1)]
    )
    assert 'Error from server (NotFound): things.dialogue.kopfka.io "none" not found' in kubectl.run(
        "get", "thing", "none", code=1
    )


def test_get_prints_columns(kubectl: Kubectl, client: Client) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("shown", size=2), dialogue.POD, dialogue.SERVICE])
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    client.send("PATCH", f"{dialogue.THINGS}/shown/status", ready, content_type=MERGE)
    assert kubectl.run("get", "thing", "shown", "--no-headers").split() == ["shown", "1", "True"]
    assert kubectl.run("get", "pods", "p1", "--no-headers").split()[:4] == ["p1", "0/1", "Pending", "0"]
    assert kubectl.run("get", "pods", "-o", "wide").splitlines()[0].split()[:6] == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
    ]
    everything = kubectl.run("get", "all")
    assert "pod/p1" in everything
    assert "thing.dialogue.kopfka.io/shown" in everything
    assert kubectl.run("get", "pods", "--field-selector=status.phase=Running", "-o", "name") == ""


def test_watch_and_wait(kubectl: Kubectl, client: Client, server: RunningServer) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("awaited", size=2)])
    watching = kubectl.start("get", "thing", "awaited", "-w", "--no-headers")
    waiting = kubectl.start("wait", "--for=condition=Ready", "thing/awaited", "--timeout=20s")
    assert watching.stdout is not None
    assert watching.stdout.readline().split() == ["awaited", "1"]
    eventually(lambda: len(server.cluster.objects.storage._subscriptions) >= 2, what="both watches")
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    client.send("PATCH", f"{dialogue.THINGS}/awaited/status", ready, content_type=MERGE)
    assert watching.stdout.readline().split() == ["awaited", "1", "True"]
    assert "condition met" in waiting.communicate(timeout=30)[0]
    watching.kill()
    watching.communicate()


def test_delete_waits_for_finalizers(kubectl: Kubectl, client: Client) -> None:
    held = {**dialogue.thing("held", size=1), "metadata": {"name": "held", "finalizers": ["kopfka.io/h"]}}
    kubectl.run("apply", "-f", "-", stdin=[held])
    deleting = kubectl.start("delete", "thing", "held", "--timeout=30s")

    def marked() -> bool:
        return "deletionTimestamp" in client.send("GET", f"{dialogue.THINGS}/held").body["metadata"]

    eventually(marked, what="the deletion")
    assert deleting.poll() is None
    client.send("PATCH", f"{dialogue.THINGS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert 'thing.dialogue.kopfka.io "held" deleted' in deleting.communicate(timeout=30)[0]


def test_explain(kubectl: Kubectl) -> None:
    assert "RollingUpdate" in kubectl.run("explain", "deployment.spec.strategy")
    text = kubectl.run("explain", "thing.spec")
    assert "size\t<integer> -required-" in text
    assert "enum: fast, safe" in text


def test_diff_and_dry_run(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("dry", size=2)])
    diff = kubectl.run("diff", "-f", "-", stdin=[dialogue.thing("dry", size=3)], code=1)
    assert "-  size: 2" in diff
    assert "+  size: 3" in diff
    kubectl.run("apply", "--dry-run=server", "-f", "-", stdin=[dialogue.thing("dry", size=3)])
    assert kubectl.run("get", "thing", "dry", "-o", "jsonpath={.spec.size}") == "2"


def test_edit(kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("edited", size=2)])
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i.bak 's/size: 2/size: 4/' \"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setitem(kubectl._environment, "KUBE_EDITOR", str(editor))
    kubectl.run("edit", "thing", "edited")
    assert kubectl.run("get", "thing", "edited", "-o", "jsonpath={.spec.size}") == "4"


def test_label_annotate_scale_rollout(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.thing("scaled", size=2), dialogue.workload("Deployment", "rolled")])
    kubectl.run("label", "thing", "scaled", "tier=front")
    kubectl.run("annotate", "thing", "scaled", "kopfka.io/paused=true")
    kubectl.run("scale", "thing", "scaled", "--replicas=3")
    kubectl.run("scale", "deployment", "rolled", "--replicas=2", "--current-replicas=0")
    kubectl.run("rollout", "restart", "deployment/rolled")
    thing = json.loads(kubectl.run("get", "thing", "-l", "tier=front", "-o", "json"))["items"][0]
    assert (thing["spec"]["replicas"], thing["metadata"]["annotations"]["kopfka.io/paused"]) == (3, "true")
    rolled = json.loads(kubectl.run("get", "deployment", "rolled", "-o", "json"))
    assert rolled["spec"]["replicas"] == 2
    assert "kubectl.kubernetes.io/restartedAt" in rolled["spec"]["template"]["metadata"]["annotations"]
    assert rolled["metadata"]["generation"] == 3


def test_what_kubectl_makes_itself_is_sent_as_protobuf(kubectl: Kubectl) -> None:
    kubectl.run("create", "namespace", "made")
    for arguments in (
        ("deployment", "web", "--image=kopfka:1", "--replicas=0", "--port=80"),
        ("secret", "generic", "s", "--from-literal=a=b"),
        ("configmap", "c", "--from-literal=a=b"),
        ("job", "j", "--image=kopfka:1", "--", "true"),
        ("cronjob", "cj", "--image=kopfka:1", "--schedule=0 * * * *"),
        ("serviceaccount", "sa"),
        ("role", "r", "--verb=get", "--resource=pods"),
        ("rolebinding", "rb", "--role=r", "--serviceaccount=made:sa"),
        ("poddisruptionbudget", "b", "--selector=a=b", "--min-available=1"),
    ):
        assert "created" in kubectl.run("-n", "made", "create", *arguments)
    deployment = json.loads(kubectl.run("-n", "made", "get", "deployment", "web", "-o", "json"))["spec"]
    assert deployment["replicas"] == 0
    assert deployment["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert kubectl.run("-n", "made", "get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="


def test_logs_and_describe_and_events(kubectl: Kubectl, client: Client) -> None:
    kubectl.run("apply", "-f", "-", stdin=[dialogue.POD])
    assert kubectl.run("logs", "p1", "--tail=7") == "default/p1/c tail=7 follow=False\n"
    assert "follow=True" in kubectl.run("logs", "-f", "p1")
    pod = client.send("GET", "/api/v1/namespaces/default/pods/p1").body["metadata"]
    client.send(
        "POST", "/api/v1/namespaces/default/events",
        {"metadata": {"name": "p1.1"}, "reason": "Scheduled", "message": "it was put somewhere", "type": "Normal",
         "count": 1,
         "firstTimestamp": pod["creationTimestamp"], "lastTimestamp": pod["creationTimestamp"],
         "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": "p1",
                            "uid": pod["uid"]}},
    )  # fmt: skip
    described = kubectl.run("describe", "pod", "p1")
    assert "kopfka:1" in described
    assert "it was put somewhere" in described
    assert "it was put somewhere" in kubectl.run("events", "--for", "pod/p1")
    assert "Scheduled" in kubectl.run("get", "events", "--field-selector=involvedObject.name=p1")


def test_a_stopped_watch_and_many_clients_leave_the_server_well(kubectl: Kubectl) -> None:
    watches = [kubectl.start("get", "pods", "-A", "-w") for _ in range(3)]
    readers = [threading.Thread(target=kubectl.run, args=("get", "pods", "-A")) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    for watch in watches:
        watch.kill()
        watch.communicate()
    assert kubectl.run("get", "--raw", "/readyz") == "ok"
