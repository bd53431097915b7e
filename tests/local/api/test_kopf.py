"""The real kopf as a client: lists, watches, patches, finalizers, status, events, and a restart of the server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from local.api import dialogue
from local.api.clients import MERGE
from local.api.test_durability import ServerProcess
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

_OPERATOR = """
import kopf

@kopf.on.startup()
def configure(settings, **_):
    settings.posting.level = 20

@kopf.on.create("dialogue.kopfka.io", "v1", "things")
@kopf.on.update("dialogue.kopfka.io", "v1", "things")
def seen(spec, patch, body, **_):
    patch.status["replicas"] = spec["size"]
    kopf.info(body, reason="Seen", message=f"it has size {spec['size']}")

@kopf.on.delete("dialogue.kopfka.io", "v1", "things")
def gone(**_):
    pass
"""


def test_kopf_works_and_comes_back_after_a_restart(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "state")
    server.client.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", dialogue.DEFINITION)
    handlers = tmp_path / "handlers.py"
    handlers.write_text(_OPERATOR)
    log = tmp_path / "kopf.log"
    environment = os.environ | {"KUBECONFIG": str(tmp_path / "state/kubeconfig")}
    command = [sys.executable, "-m", "kopf", "run", "--namespace=default", str(handlers)]
    with log.open("wb") as output:
        operator = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def thing() -> Any:
        assert operator.poll() is None, log.read_text()
        return server.client.send("GET", f"{dialogue.THINGS}/t").body

    def reported(size: int) -> bool:
        return bool(thing().get("status", {}).get("replicas") == size)

    try:
        server.client.send("POST", dialogue.THINGS, dialogue.thing("t", size=2))
        eventually(lambda: reported(2), what="the first report")
        assert thing()["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]

        def events() -> list[str]:
            items = server.client.send("GET", "/api/v1/namespaces/default/events").body["items"]
            return [item["message"] for item in items if item["reason"] == "Seen"]

        eventually(lambda: "it has size 2" in events(), what="the event")
        server.kill()
        server.start()
        server.client.send("PATCH", f"{dialogue.THINGS}/t", {"spec": {"size": 5}}, content_type=MERGE)
        eventually(lambda: reported(5), seconds=60, what="the report after the restart")
        server.client.send("DELETE", f"{dialogue.THINGS}/t")
        eventually(lambda: server.client.send("GET", f"{dialogue.THINGS}/t").status == 404, what="the deletion")
    finally:
        operator.terminate()
        operator.wait(20)
        server.kill()
