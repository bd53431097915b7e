"""The real helm against this server: a chart with CRDs, RBAC, a workload and hooks, through its whole life."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from local.api.clients import MERGE, Client
from support.prerequisites import need_command

if TYPE_CHECKING:
    from pathlib import Path

    from local.api.conftest import RunningServer

pytestmark = pytest.mark.kubectl

_DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.demo.kopfka.io}
spec:
  group: demo.kopfka.io
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object}}}}
"""
_TEMPLATES = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: demo}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: demo}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: demo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: demo}
subjects: [{kind: ServiceAccount, name: demo, namespace: "{{ .Release.Namespace }}"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: demo}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: demo}}
  template:
    metadata: {labels: {app: demo}}
    spec: {serviceAccountName: demo, containers: [{name: c, image: "kopfka:1"}]}
---
apiVersion: demo.kopfka.io/v1
kind: Widget
metadata: {name: w}
spec: {}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: hook
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "kopfka:1"}]}}}
"""


def test_the_life_of_a_release(server: RunningServer, tmp_path: Path) -> None:
    helm = need_command("helm", "install Helm 3")
    chart = tmp_path / "chart"
    (chart / "crds").mkdir(parents=True)
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text('{apiVersion: v2, name: demo, version: 0.1.0, kubeVersion: ">=1.30.0-0"}')
    (chart / "values.yaml").write_text("replicas: 1")
    (chart / "crds/widgets.yaml").write_text(_DEFINITION)
    (chart / "templates/all.yaml").write_text(_TEMPLATES)
    environment = os.environ | {
        "KUBECONFIG": str(server.kubeconfig),
        "HELM_CACHE_HOME": str(tmp_path),
        "HELM_DATA_HOME": str(tmp_path),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [helm, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    stop = threading.Event()
    controller = threading.Thread(target=complete_jobs, args=(Client(server.kubeconfig), stop))
    controller.start()
    deployment = "/apis/apps/v1/namespaces/default/deployments/demo"
    try:
        run("install", "demo", str(chart))
        assert [release["status"] for release in json.loads(run("list", "-o", "json"))] == ["deployed"]
        assert server.client.send("GET", "/apis/demo.kopfka.io/v1/namespaces/default/widgets/w").status == 200
        run("upgrade", "demo", str(chart), "--set", "replicas=3")
        assert server.client.send("GET", deployment).body["spec"]["replicas"] == 3
        run("rollback", "demo", "1")
        assert server.client.send("GET", deployment).body["spec"]["replicas"] == 1
        assert len(json.loads(run("history", "demo", "-o", "json"))) == 3
        run("uninstall", "demo")
        assert server.client.send("GET", deployment).status == 404
    finally:
        stop.set()
        controller.join(20)


def complete_jobs(client: Client, stop: threading.Event) -> None:
    """Stand in for the controller that runs jobs."""
    done = {"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}
    while not stop.wait(0.1):
        for job in client.send("GET", "/apis/batch/v1/namespaces/default/jobs").body["items"]:
            if not (job.get("status") or {}).get("succeeded"):
                path = f"/apis/batch/v1/namespaces/default/jobs/{job['metadata']['name']}/status"
                client.send("PATCH", path, done, content_type=MERGE)
