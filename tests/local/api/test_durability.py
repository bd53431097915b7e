"""`kill -9` at any moment: what was acknowledged is there, revisions go on, watchers resume or list again."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from local.api import dialogue
from local.api.clients import MERGE, Client
from support.processes import accepts, free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

_SERVER = """
import asyncio, sys
from pathlib import Path
from kopfka_local.api.cluster import Cluster
from kopfka_local.api.credentials import ensure_credentials, write_kubeconfig
from kopfka_local.api.server import serve

async def main(state, port):
    cluster = Cluster(state)
    found = ensure_credentials(state)
    write_kubeconfig(state / "kubeconfig", server=f"https://127.0.0.1:{port}", credentials=found)
    await serve(cluster, port=port, token=found.token, certificate=found.certificate, key=found.key)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


class ServerProcess:
    """The server alone in a process that can be killed."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", _SERVER, str(self.state), str(self.port)])
        eventually(lambda: self.process.poll() is None and accepts(self.port), what="the server")
        self.client = Client(self.state / "kubeconfig")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def test_acknowledged_writes_survive_sigkill(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "state")
    acknowledged: dict[str, str] = {}
    revisions = [0]
    try:
        for round_ in range(3):
            stop = threading.Event()
            enough = threading.Event()

            def write(
                worker: int,
                client: Client,
                round_: int = round_,
                stop: threading.Event = stop,
                enough: threading.Event = enough,
            ) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    for number in range(10_000):
                        name = f"m-{round_}-{worker}-{number}"
                        created = client.send(
                            "POST", "/api/v1/namespaces/default/configmaps", dialogue.config_map(name, n="0")
                        )
                        if created.status != 201:
                            return
                        acknowledged[name] = "0"
                        path = f"/api/v1/namespaces/default/configmaps/{name}"
                        patched = client.send("PATCH", path, {"data": {"n": "1"}}, content_type=MERGE)
                        if patched.status != 200:
                            return
                        acknowledged[name] = "1"
                        revisions.append(int(patched.body["metadata"]["resourceVersion"]))
                        if number > 15:
                            enough.set()
                        if stop.is_set():
                            return

            writers = [
                threading.Thread(target=write, args=(worker, Client(server.state / "kubeconfig")))
                for worker in range(2)
            ]
            for writer in writers:
                writer.start()
            assert enough.wait(60)
            server.kill()
            stop.set()
            for writer in writers:
                writer.join(60)
            server.start()
            listed = server.client.send("GET", "/api/v1/namespaces/default/configmaps").body
            values = {item["metadata"]["name"]: item["data"]["n"] for item in listed["items"]}
            missing = {name for name, value in acknowledged.items() if values.get(name, "") < value}
            assert not missing
            assert int(listed["metadata"]["resourceVersion"]) >= max(revisions)
        resumed = server.client.send(
            "GET",
            f"/api/v1/configmaps?watch=1&timeoutSeconds=1&resourceVersion={listed['metadata']['resourceVersion']}",
        )
        assert (resumed.status, resumed.body) == (200, "")
        older = server.client.send("GET", "/api/v1/configmaps?watch=1&timeoutSeconds=1&resourceVersion=3")
        assert older.body["object"]["code"] == 410
    finally:
        server.kill()


def test_a_withdrawal_of_a_definition_goes_on_after_a_crash(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "state")
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    things = "/apis/dialogue.kopfka.io/v1/namespaces/default/things"
    try:
        server.client.send("POST", definitions, dialogue.DEFINITION)
        held = {**dialogue.thing("t", size=1), "metadata": {"name": "t", "finalizers": ["kopfka.io/h"]}}
        assert server.client.send("POST", things, held).status == 201
        server.client.send("DELETE", f"{definitions}/things.dialogue.kopfka.io")
        server.kill()
        server.start()
        assert server.client.send("GET", f"{things}/t").body["metadata"]["deletionTimestamp"]
        server.client.send("PATCH", f"{things}/t", {"metadata": {"finalizers": None}}, content_type=MERGE)
        assert server.client.send("GET", things).status == 404
        assert server.client.send("GET", f"{definitions}/things.dialogue.kopfka.io").status == 404
    finally:
        server.kill()
