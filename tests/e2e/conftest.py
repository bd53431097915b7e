"""The two places every e2e test runs at: this machine (`kopfka up`) and a real Kubernetes, both with the same YAML."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.kubernetes import NAMESPACE, OPERATOR_NAMESPACE, KubernetesApi
from support.prerequisites import need_cluster, need_command
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("local", marks=pytest.mark.kubectl),
        pytest.param("kubernetes", marks=pytest.mark.kubernetes),
    ],
)
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    """An API with the operator installed by helm, and an empty namespace."""
    need_command("kubectl", "install kubectl 1.29 or newer")
    need_command("helm", "install Helm 3.14 or newer")
    if request.param == "local":
        yield from _local(tmp_path_factory.mktemp("home") / "state")
    else:
        yield from _installed(KubernetesApi(need_cluster()), *os.environ.get("KOPFKA_E2E_HELM", "").split())


def _local(state: Path) -> Iterator[KubernetesApi]:
    log = state.with_suffix(".log")
    kubeconfig = state / "kubeconfig"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "kopfka_cli", "up", "--state", str(state), "--no-operator"],
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        served = KubernetesApi(kubeconfig, local_state=state)

        def answers() -> bool:
            assert process.poll() is None, f"kopfka up ended:\n{log.read_text()}"
            return kubeconfig.exists() and served.run("kubectl", "get", "--raw", "/readyz", check=False).returncode == 0

        eventually(answers, seconds=30, every=0.2, what="the API server of kopfka up")
        yield from _installed(served)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, log.read_text()[-4000:]


def _installed(api: KubernetesApi, *helm: str) -> Iterator[KubernetesApi]:
    api.helm(
        "upgrade", "--install", "kopfka", "charts/kopfka", "--namespace", OPERATOR_NAMESPACE, "--create-namespace",
        "--set", "image.repository=kopfka,image.tag=dev", "--wait", "--timeout", "3m", *helm,
    )  # fmt: skip
    api.run("kubectl", "create", "namespace", NAMESPACE, check=False)
    yield api
    api.kubectl(
        "delete", "schemasubjects,schemaregistries,kafkatopics,kafkaclusters", "--all", "-n", NAMESPACE, "--timeout=60s"
    )
    api.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")
    api.helm("uninstall", "kopfka", "--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout", "2m")
