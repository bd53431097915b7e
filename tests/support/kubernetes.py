"""A Kubernetes API to test against, by the real kubectl and helm: a real cluster's, or that of `kopfka up`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from support.prerequisites import REPOSITORY, need_command

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "kopfka-e2e"
OPERATOR_NAMESPACE = "kopfka-system"

_KILLER = """
import os, signal, sys
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        ours = sys.argv[1] in open(f"/proc/{pid}/cgroup").read() or sys.argv[1] in open(f"/proc/{pid}/mountinfo").read()
        command = open(f"/proc/{pid}/cmdline").read().split("\\0")
    except OSError:
        continue
    if ours and "broker" in command:
        os.kill(int(pid), signal.SIGKILL)
        print("killed", pid)
"""


@dataclass(frozen=True, slots=True)
class KubernetesApi:
    """What `kubectl` with this KUBECONFIG talks to."""

    kubeconfig: Path
    local_state: Path | None = None
    """State folder of the `kopfka up` that serves it; None for a real cluster."""

    def run(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program with this KUBECONFIG; a failure shows what it printed."""
        result = subprocess.run(
            arguments, input=stdin, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=400,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
        )  # fmt: skip
        if check and result.returncode:
            raise AssertionError(f"{' '.join(arguments)} exited {result.returncode}:\n{result.stdout}{result.stderr}")
        return result

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl prints."""
        need_command("kubectl", "install kubectl 1.29 or newer")
        return self.run("kubectl", *arguments, stdin=stdin).stdout

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what kubectl says when it must fail."""
        result = self.run("kubectl", *arguments, stdin=stdin, check=False)
        assert result.returncode != 0, f"not refused: {result.stdout}"
        return result.stderr

    def helm(self, *arguments: str) -> str:
        """Return what helm prints."""
        need_command("helm", "install Helm 3.14 or newer")
        return self.run("helm", *arguments).stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object as `kubectl get -o json` gives it."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def wait(self, what: str, condition: str, *arguments: str, seconds: int = 180) -> None:
        """Wait by `kubectl wait`; on failure show the object and the events."""
        try:
            self.kubectl("wait", what, f"--for={condition}", f"--timeout={seconds}s", *arguments)
        except AssertionError as error:
            shown = self.run("kubectl", "describe", what, *arguments, check=False).stdout
            pods = self.run("kubectl", "get", "pods,pvc,events", "-A", check=False).stdout
            raise AssertionError(f"{error}\n{shown}\n{pods}") from None

    def kill_broker(self, namespace: str, pod: str) -> None:
        """End the broker process of a pod with SIGKILL, from outside."""
        uid = self.get("pod", pod, "-n", namespace)["metadata"]["uid"]
        if self.local_state is not None:
            assert _kill_process(str(self.local_state), pod), f"no process of {pod} found"
            return
        overrides = {
            "spec": {
                "hostPID": True,
                "containers": [
                    {
                        "name": "killer", "image": "kopfka:dev", "command": ["python3", "-c", _KILLER, uid],
                        "securityContext": {"privileged": True, "runAsUser": 0},
                    }
                ],
            }
        }  # fmt: skip
        killer = ("killer", "-n", namespace)
        self.kubectl("run", *killer, "--image=kopfka:dev", "--restart=Never", f"--overrides={json.dumps(overrides)}")
        try:
            self.kubectl("wait", "pod", *killer, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
            assert "killed" in self.kubectl("logs", *killer), f"no process of {pod} found"
        finally:
            self.kubectl("delete", "pod", *killer, "--grace-period=0", "--force")


def _kill_process(state: str, pod: str) -> bool:
    killed = False
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if (
                "broker" in command
                and any(state in part for part in command)
                and process.environ().get("HOSTNAME") == pod
            ):
                process.send_signal(signal.SIGKILL)
                killed = True
    return killed
