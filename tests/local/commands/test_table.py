from __future__ import annotations

import io
import re
from typing import Any

import pytest

from kopfka_local.commands.output import Screen, closing_lines
from kopfka_local.commands.readiness import Readiness, readiness
from kopfka_local.commands.table import Row, addresses_of, local_servers, plain_line
from local.objects import Object, meta


def resource(kind: str, status: Object | None = None, api_version: str = "kopfka.io/v1alpha1", **spec: Any) -> Object:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": meta("x", namespace="default", generation=2),
        "spec": spec,
        "status": status or {},
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("obj", "ready", "reason"),
    [
        (resource("KafkaTopic"), False, "Waiting"),
        (resource("KafkaTopic", {"conditions": [condition("Ready", "True", "Ready")]}), True, "Ready"),
        (resource("KafkaTopic", {"conditions": [condition("Ready", "False", "Starting", "m")]}), False, "Starting"),
        (
            resource("KafkaTopic", {"observedGeneration": 1, "conditions": [condition("Ready", "True")]}),
            False,
            "Reconciling",
        ),
        (resource("ConfigMap", api_version="v1"), True, "Applied"),
        (resource("Deployment", {"observedGeneration": 2}, replicas=1), False, "Starting"),
        (
            resource("Deployment", {"observedGeneration": 2, "availableReplicas": 1, "updatedReplicas": 1}, replicas=1),
            True,
            "Ready",
        ),
        (resource("Deployment", {}, replicas=0), False, "Waiting"),
        (
            resource(
                "Deployment",
                {
                    "observedGeneration": 2,
                    "conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")],
                },
            ),
            False,
            "ProgressDeadlineExceeded",
        ),
        (
            resource("StatefulSet", {"observedGeneration": 2, "readyReplicas": 2, "updatedReplicas": 1}, replicas=2),
            False,
            "Ready",
        ),
        (resource("Pod", {"phase": "Succeeded"}), True, "Completed"),
        (resource("Pod", {"phase": "Running", "conditions": [condition("Ready", "True")]}), True, "Ready"),
        (
            resource(
                "Pod", {"containerStatuses": [{"state": {"waiting": {"reason": "ImageNotRunnable", "message": "m"}}}]}
            ),
            False,
            "ImageNotRunnable",
        ),
        (
            resource("Pod", {"conditions": [condition("PodScheduled", "False", "Unschedulable", "port 9092")]}),
            False,
            "Unschedulable",
        ),
        (resource("Job", {"conditions": [condition("Complete", "True")]}), True, "Completed"),
        (
            resource("Job", {"conditions": [condition("Failed", "True", "BackoffLimitExceeded")]}),
            False,
            "BackoffLimitExceeded",
        ),
        (resource("PersistentVolumeClaim", {"phase": "Bound"}), True, "Bound"),
    ],
)
def test_readiness(obj: Object, ready: bool, reason: str) -> None:
    found = readiness(obj)
    assert (found.ready, found.reason) == (ready, reason)


def test_what_is_being_deleted_is_not_ready() -> None:
    obj = resource("KafkaTopic", {"conditions": [condition("Ready", "True")]})
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert readiness(obj) == Readiness(False, "Deleting")


def test_addresses_work_from_this_machine() -> None:
    hosts = {"c-bootstrap.default.svc": "127.0.0.1", "d-bootstrap.default.svc": "127.0.0.2"}
    listeners = [{"name": "plain", "bootstrapServers": "c-bootstrap.default.svc:9092,d-bootstrap.default.svc:9092"}]
    (address,) = addresses_of([resource("KafkaCluster", {"listeners": listeners}), resource("KafkaTopic")], hosts)
    assert (address.label, address.servers) == ("KafkaCluster x", "localhost:9092,127.0.0.2:9092")
    assert local_servers("elsewhere.example:9092", hosts) == "elsewhere.example:9092"
    lines = closing_lines([address], __import__("pathlib").Path("/s/kubeconfig"), foreground=True)
    assert "export KUBECONFIG=/s/kubeconfig" in lines
    assert any("localhost:9092" in line for line in lines if line.startswith("try: "))


def test_urls_work_from_this_machine_and_come_after_kafka() -> None:
    hosts = {"s-registry.default.svc": "127.0.0.2"}
    status = {"url": "http://s-registry.default.svc:8081", "externalUrl": "https://schemas.example/api"}
    listeners = [{"name": "plain", "bootstrapServers": "elsewhere:9092"}]
    registry, cluster = resource("SchemaRegistry", status), resource("KafkaCluster", {"listeners": listeners})
    found = addresses_of([registry, cluster], hosts)
    assert [address.servers for address in found] == [
        "elsewhere:9092",
        "http://127.0.0.2:8081",
        "https://schemas.example/api",
    ]
    folder = __import__("pathlib").Path("/s/kubeconfig")
    assert not [line for line in closing_lines(found[1:], folder, foreground=True) if line.startswith("try: ")]


def row(ready: bool, message: str = "") -> Row:
    return Row("KafkaTopic", "default", "x", Readiness(ready, "Ready" if ready else "Starting", message))


def test_lines() -> None:
    assert plain_line(row(False, "a pod starts")) == "KafkaTopic x: Starting: a pod starts"
    assert plain_line(row(True, "all is well")) == "KafkaTopic x: Ready"
    assert Row("X", "elsewhere", "x", Readiness(True, "Ready")).label == "X elsewhere/x"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_table_that_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "100"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    with Screen(stream) as screen:
        assert screen.moves
        screen.show([row(False, "a pod starts")])
        first = stream.getvalue()
        screen.say("warning: something")
        screen.show([row(True)])
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "a pod starts" in first
    assert "\x1b[1A" in stream.getvalue().removeprefix(first), "the cursor goes up, and the table is drawn over"
    assert drawn.index("warning: something") < drawn.rindex("Ready")
    assert "KafkaTopic" in first
    assert not screen.moves


def test_where_there_is_no_terminal_only_changes_are_printed() -> None:
    stream = io.StringIO()
    with Screen(stream) as screen:
        for one in (row(False), row(False), row(False, "m"), row(True), row(True)):
            screen.show([one])
    assert stream.getvalue() == "KafkaTopic x: Starting\nKafkaTopic x: Starting: m\nKafkaTopic x: Ready\n"
