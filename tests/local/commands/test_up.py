"""`kopfka up`, `status` and `down` as a user runs them, with the operator and a broker."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kopfka_local.commands.client import Client
from kopfka_local.commands.state import State
from local.laptop import alive
from support.prerequisites import REPOSITORY, lacking, need_command
from support.processes import accepts, free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart.yaml"
SCHEMAS = QUICKSTART.with_name("schemas.yaml")


class Kopfka:
    """The command line over one state folder."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state")
        self.output = folder / "output"
        self._up: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kopfka_cli", *arguments, "--state", str(self.state.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)

    def up(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it in the foreground, and wait until it says that it is done with starting."""
        with self.output.open("wb") as output:
            command = [sys.executable, "-m", "kopfka_cli", "up", *arguments, "--state", str(self.state.folder)]
            self._up = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        eventually(self._said_all, seconds=90, what="kopfka up to be ready")
        return self._up

    def _said_all(self) -> bool:
        assert self._up is not None
        if self._up.poll() is not None:
            raise RuntimeError(f"kopfka up ended with {self._up.returncode}:\n{self.said}")
        return "Ctrl-C stops everything" in self.said

    @property
    def said(self) -> str:
        return self.output.read_text()

    def pods(self) -> dict[str, int]:
        """Return the process ids of running containers by pod."""
        found = {}
        for pod in Client(self.state.kubeconfig).objects("v1", "pods"):
            for status in pod.get("status", {}).get("containerStatuses") or ():
                if "running" in status["state"]:
                    found[pod["metadata"]["name"]] = int(status["containerID"].removeprefix("process://"))
        return found

    def bootstrap(self) -> tuple[str, int]:
        address = re.search(r"^KafkaCluster \S+ +(\S+):(\d+)$", self.said, re.MULTILINE)
        assert address, self.said
        return address[1], int(address[2])

    def line_to_try(self) -> str:
        line = re.search(r"^try: (.+)$", self.said, re.MULTILINE)
        assert line, self.said
        return line[1]

    def kill(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.kill()
            self._up.wait()


@pytest.fixture
def kopfka(tmp_path: Path) -> Iterator[Kopfka]:
    made = Kopfka(tmp_path)
    yield made
    made.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        made.run("down", "--purge")


def test_up_status_down_and_up_again(kopfka: Kopfka) -> None:
    up = kopfka.up("-f", str(QUICKSTART))
    assert "KafkaCluster quickstart: Ready" in kopfka.said
    assert "KafkaTopic orders: Ready" in kopfka.said
    assert f"export KUBECONFIG={kopfka.state.kubeconfig}" in kopfka.said
    tried = subprocess.run(kopfka.line_to_try(), shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "orders" in tried.stdout
    assert kopfka.state.kubeconfig.stat().st_mode & 0o777 == 0o600
    host, port = kopfka.bootstrap()
    assert accepts(port, host)
    produce(f"{host}:{port}", "orders", b"of the first run")
    assert listening(up.pid) == {True}

    status = kopfka.run("status")
    assert status.returncode == 0, status.stdout + status.stderr
    assert "KafkaTopic payments: Ready" in status.stdout

    second = kopfka.run("up")
    assert second.returncode == 1
    assert second.stderr.startswith(f"kopfka: kopfka up already runs over {kopfka.state.folder} (process {up.pid})")
    assert len(second.stderr.splitlines()) == 1

    pids = kopfka.pods()
    assert len(pids) == 2
    address = kopfka.state.kubeconfig.read_text()
    up.send_signal(signal.SIGINT)
    assert up.wait(timeout=30) == 0
    assert not any(alive(pid) for pid in pids.values())
    assert kopfka.run("status").returncode == 3

    kopfka.up()  # without files: what is there comes back
    assert kopfka.bootstrap() == (host, port)
    assert kopfka.state.kubeconfig.read_text() == address
    assert first_value(f"{host}:{port}", "orders") == b"of the first run"
    down = kopfka.run("down", "--purge")
    assert (down.returncode, kopfka.state.folder.exists()) == (0, False)


def test_a_registry_and_its_subjects_come_up_and_can_be_checked(kopfka: Kopfka) -> None:
    kopfka.up("-f", str(SCHEMAS))
    for name in ("address", "orders-value", "payments-value", "customers-value"):
        assert f"SchemaSubject {name}: Ready" in kopfka.said
    url = re.search(r"^SchemaRegistry schemas +(http://\S+:8081)$", kopfka.said, re.MULTILINE)
    assert url, kopfka.said
    assert kopfka.line_to_try()
    command = [sys.executable, "-m", "kopfka_cli", "schemas", "check", "-f", str(SCHEMAS), "--registry", url[1]]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("unchanged: is version 1") == 4


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def first_value(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(30)
        return None if message is None else message.value()
    finally:
        consumer.close()


def listening(pid: int) -> set[bool]:
    """Return, for everything a process and its children listen on, whether that is on loopback."""
    found = set()
    for each in {pid, *_descendants(pid)}:
        for connection in psutil.Process(each).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add(ipaddress.ip_address(connection.laddr.ip).is_loopback)
    assert found, "nothing listens at all"
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="Ctrl-C is sent to a process group as Linux has them")
def test_make_up(tmp_path: Path) -> None:
    """What the README begins with, in an environment that `make` has made."""
    make = need_command("make", "install make")
    if subprocess.run([make, "-q", ".venv/installed"], cwd=REPOSITORY, capture_output=True, check=False).returncode:
        lacking("make has not installed what is locked: make .venv/installed")
    output = tmp_path / "output"
    with output.open("wb") as log:
        up = subprocess.Popen(
            [make, "up"], cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"HOME": str(tmp_path)},
        )  # fmt: skip
    try:
        eventually(lambda: "Ctrl-C stops everything" in output.read_text() or up.poll() is not None, seconds=90)
        said = output.read_text()
        assert "KafkaTopic orders: Ready" in said, said
        children = _descendants(up.pid)
    finally:
        os.killpg(up.pid, signal.SIGINT)
    up.wait(timeout=60)
    eventually(lambda: not any(alive(pid) for pid in children), what="every process to be gone")


def test_killing_up_leaves_no_orphan_and_loses_no_resource(kopfka: Kopfka) -> None:
    up = kopfka.up("-f", str(QUICKSTART))
    pids = kopfka.pods()
    before = {name: obj["metadata"]["uid"] for name, obj in _resources(kopfka).items()}
    children = _descendants(up.pid)
    assert set(pids.values()) <= children
    up.kill()
    up.wait()
    eventually(lambda: not any(alive(pid) for pid in children), what="every process to be gone")
    assert kopfka.run("status").returncode == 3
    kopfka.up()
    assert {name: obj["metadata"]["uid"] for name, obj in _resources(kopfka).items()} == before


def _resources(kopfka: Kopfka) -> dict[str, dict]:  # type: ignore[type-arg]
    client = Client(kopfka.state.kubeconfig)
    kinds = [
        ("kopfka.io/v1alpha1", "kafkaclusters"),
        ("kopfka.io/v1alpha1", "kafkatopics"),
        ("v1", "persistentvolumeclaims"),
        ("apps/v1", "statefulsets"),
    ]
    return {
        f"{kind} {obj['metadata']['name']}": obj for version, kind in kinds for obj in client.objects(version, kind)
    }


def _descendants(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def test_a_killed_broker_comes_back_where_it_was(kopfka: Kopfka) -> None:
    kopfka.up("-f", str(QUICKSTART))
    host, port = kopfka.bootstrap()
    pid = kopfka.pods()["quickstart-broker-0"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: kopfka.pods().get("quickstart-broker-0", pid) != pid)
    eventually(lambda: accepts(port, host))
    eventually(lambda: kopfka.run("status").returncode == 0)


def test_detach(kopfka: Kopfka) -> None:
    up = kopfka.run("up", "-f", str(QUICKSTART), "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "Ready in " in up.stdout
    assert "kopfka down stops everything" in up.stdout
    owner = kopfka.state.owner()
    assert owner
    assert os.getsid(owner) == owner  # no terminal's
    assert kopfka.run("status").returncode == 0
    again = kopfka.run("up", "--detach")
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
    assert kopfka.run("down").returncode == 0
    eventually(lambda: not alive(owner))
    assert kopfka.run("down").returncode == 0  # asks for nothing, and nothing is what it does


def test_detach_says_what_is_wrong(kopfka: Kopfka, tmp_path: Path) -> None:
    file = tmp_path / "never.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: never}\nspec: {containers: [{name: c, image: 'nginx:1'}]}\n"
    )
    up = kopfka.run("up", "-f", str(file), "--detach", "--timeout", "20")
    assert up.returncode == 1
    assert "kopfka: not ready after 20 s: " in up.stderr
    assert "Pod never: ImageNotRunnable" in up.stderr
    assert kopfka.state.owner() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: [", "document 1, line 2: not YAML"),
        (
            "apiVersion: kopfka.io/v1alpha1\nkind: KafkaTopics\nmetadata: {name: a}\n",
            "did you mean KafkaTopic in kopfka.io/v1alpha1?",
        ),
        (
            "apiVersion: kopfka.io/v1alpha1\nkind: KafkaCluster\nmetadata: {name: a}\nspec: {replicas: 3}\n",
            "document 1 (KafkaCluster a): ",
        ),
    ],
)
def test_bad_files_are_one_clear_line(kopfka: Kopfka, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    up = kopfka.run("up", "-f", str(file))
    assert (up.returncode, len(up.stderr.splitlines())) == (1, 1), up.stderr
    assert up.stderr.startswith(f"kopfka: {file}: ")
    assert message in up.stderr
    assert kopfka.state.owner() is None


def test_a_foreign_folder_is_left_alone(kopfka: Kopfka) -> None:
    kopfka.state.folder.mkdir()
    (kopfka.state.folder / "thesis.tex").touch()
    for command in (["down", "--purge"], ["up"]):
        refused = kopfka.run(*command)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert (kopfka.state.folder / "thesis.tex").exists()


def test_a_damaged_state_is_one_clear_line(kopfka: Kopfka) -> None:
    with kopfka.state.held():
        (kopfka.state.folder / "cluster.sqlite").write_bytes(b"not a database, but long enough to look at" * 100)
    up = kopfka.run("up")
    assert (up.returncode, len(up.stderr.splitlines())) == (1, 1), up.stderr
    assert "kopfka down --purge" in up.stderr


def test_the_end_of_the_terminal_is_a_clean_end(kopfka: Kopfka) -> None:
    up = kopfka.up("--no-operator")
    up.send_signal(signal.SIGHUP)
    assert up.wait(timeout=30) == 0


def test_a_port_in_use_is_one_clear_line(kopfka: Kopfka) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up = kopfka.run("up", "--port", str(port))
    assert (up.returncode, len(up.stderr.splitlines())) == (1, 1), up.stderr
    assert f"port {port}" in up.stderr


def test_without_the_operator(kopfka: Kopfka) -> None:
    port = free_port()
    kopfka.up("--no-operator", "--port", str(port))
    assert kopfka.pods() == {}
    assert f":{port}" in kopfka.state.kubeconfig.read_text()
    assert json.loads(json.dumps(Client(kopfka.state.kubeconfig).get("/version")))["major"] == "1"
