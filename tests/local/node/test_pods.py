"""Pods with real child processes."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

import pytest

from kopfka_local.kinds import CONFIG_MAPS, PODS, SECRETS, condition_of
from local.laptop import WAIT, Laptop, alive, container, container_status, pod, process_id
from support.processes import free_port
from support.waiting import eventually, eventually_async

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_killed_process_comes_back_at_once(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p"))
    first = process_id(await laptop.ready("p"))
    os.kill(first, signal.SIGKILL)
    again = await laptop.ready("p", lambda one: container_status(one)["restartCount"] == 1)
    assert process_id(again) != first
    ended = container_status(again)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "Error")


async def test_a_process_that_ends_again_and_again_waits(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p", container("raise SystemExit(3)")))
    waiting = await laptop.until(
        PODS,
        "p",
        lambda one: "waiting" in container_status(one)["state"] and container_status(one)["restartCount"] == 1,
    )
    status = container_status(waiting)
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["state"]["waiting"]["message"] == "back-off 10s restarting failed container=c"
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert "BackOff" in await laptop.events("p")
    assert waiting["status"]["phase"] == "Running"
    await laptop.cluster.delete(PODS, "default", "p")  # a back-off does not hold a deletion up
    await laptop.until_gone(PODS, "p")


@pytest.mark.parametrize(
    ("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")]
)
async def test_pods_that_end(laptop: Laptop, policy: str, code: int, phase: str) -> None:
    await laptop.apply(PODS, pod("p", container(f"print('done'); raise SystemExit({code})"), restartPolicy=policy))
    ended = await laptop.until(PODS, "p", lambda one: one["status"].get("phase") == phase)
    assert container_status(ended)["state"]["terminated"]["exitCode"] == code
    assert await laptop.log("p") == "done\n"


async def test_last_words_are_the_termination_message_where_the_pod_asks_for_it(laptop: Laptop) -> None:
    fails = "import sys; print('at work'); sys.exit('kopfka: the disk is gone: mount it')"
    asked = container(fails) | {"terminationMessagePolicy": "FallbackToLogsOnError"}
    await laptop.apply(PODS, pod("p", asked, restartPolicy="Never"))
    ended = await laptop.until(PODS, "p", lambda one: one["status"].get("phase") == "Failed")
    message = container_status(ended)["state"]["terminated"]["message"]
    assert sorted(message.splitlines()) == ["at work", "kopfka: the disk is gone: mount it"]


async def test_deletion_asks_first_and_then_insists(laptop: Laptop) -> None:
    stubborn = "import signal; signal.signal(15, lambda *_: print('no')); print('up')\nwhile True: signal.pause()"
    polite = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up'); signal.pause()"
    await laptop.apply(
        PODS, pod("p", container(stubborn), container(polite, name="d"), terminationGracePeriodSeconds=1)
    )
    running = await laptop.ready("p")
    pids = [int(one["containerID"].removeprefix("process://")) for one in running["status"]["containerStatuses"]]
    await eventually_async(lambda: _has(laptop, "p", "up"))
    await laptop.cluster.delete(PODS, "default", "p")
    await laptop.until_gone(PODS, "p")
    assert not any(alive(pid) for pid in pids)


async def _has(laptop: Laptop, name: str, text: str) -> bool:
    return text in await laptop.log(name)


async def test_what_a_process_started_ends_with_it(laptop: Laptop) -> None:
    script = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {WAIT!r}]).pid); {WAIT}"
    await laptop.apply(PODS, pod("p", container(script)))
    running = await laptop.ready("p")
    await eventually_async(lambda: _has(laptop, "p", "\n"))
    grandchild = int(await laptop.log("p"))
    assert alive(grandchild)
    os.kill(process_id(running), signal.SIGKILL)
    eventually(lambda: not alive(grandchild))


async def test_force_deletion_kills(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p", container("import signal; signal.signal(15, signal.SIG_IGN); signal.pause()")))
    pid = process_id(await laptop.ready("p"))
    await laptop.cluster.delete(PODS, "default", "p", grace_seconds=0)
    await eventually_async(lambda: not alive(pid))


async def test_init_containers_run_first_and_in_order(laptop: Laptop, tmp_path: Path) -> None:
    file = tmp_path / "order"
    write = f"open({str(file)!r}, 'a').write("
    inits = [container(f"{write}'1')", name="i1"), container(f"{write}'2')", name="i2")]
    await laptop.apply(PODS, pod("p", container(f"{write}'3'); {WAIT}"), initContainers=inits))
    running = await laptop.ready("p")
    eventually(lambda: file.read_text() == "123")
    assert [one["state"]["terminated"]["reason"] for one in running["status"]["initContainerStatuses"]] == [
        "Completed"
    ] * 2


async def test_a_failing_init_container_holds_the_pod(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p", initContainers=[container("raise SystemExit(1)", name="i")]))
    held = await laptop.until(
        PODS, "p", lambda one: container_status(one, "initContainerStatuses")["restartCount"] == 1
    )
    assert held["status"]["phase"] == "Pending"
    assert container_status(held)["state"] == {"waiting": {"reason": "PodInitializing"}}


async def test_an_image_that_cannot_run_says_what_to_do_and_the_rest_goes_on(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p", container(), {"name": "d", "image": "nginx:1"}))
    found = await laptop.until(PODS, "p", lambda one: "running" in container_status(one)["state"])
    waiting = container_status(found, index=1)["state"]["waiting"]
    assert waiting["reason"] == "ImageNotRunnable"
    assert "real Kubernetes cluster" in waiting["message"]
    assert "ImageNotRunnable" in await laptop.events("p")
    await laptop.cluster.delete(PODS, "default", "p")
    await laptop.until_gone(PODS, "p")


async def test_a_command_that_is_not_there(laptop: Laptop) -> None:
    await laptop.apply(
        PODS, pod("p", {"name": "c", "image": "kopfka", "command": ["no-such-program"]}, restartPolicy="Never")
    )
    failed = await laptop.until(PODS, "p", lambda one: one["status"].get("phase") == "Failed")
    ended = container_status(failed)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert "not on the PATH" in ended["message"]


async def test_environment_and_volumes(laptop: Laptop) -> None:
    script = (
        "import os; print(os.environ['DIR'] == os.path.dirname(os.environ['FILE']), open('/config/key').read(), "
        "open('/secret/p').read(), os.environ['NAME'], os.environ['HOSTNAME'], os.environ['KOPFKA_POD_IP'], "
        "os.path.isdir('/scratch'), open('/labels/labels').read(), os.environ['LITERAL'])"
    )
    await laptop.apply(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"key": "v1"}}
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"p": "Z2VoZWlt"}}
    await laptop.apply(SECRETS, secret)
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("config", "secret", "scratch", "labels")]
    env = [
        {"name": "DIR", "value": "/config"},
        {"name": "FILE", "value": "$(DIR)/key"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LITERAL", "value": "/configuration"},
    ]
    volumes = [
        {"name": "config", "configMap": {"name": "cm"}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "scratch", "emptyDir": {}},
        {
            "name": "labels",
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        },
    ]
    await laptop.apply(
        PODS, pod("p", container(script, env=env, volumeMounts=mounts), volumes=volumes, restartPolicy="Never")
    )
    await laptop.until(PODS, "p", lambda one: one["status"].get("phase") == "Succeeded")
    assert await laptop.log("p") == 'True v1 geheim p p 127.0.0.1 True app="p" /configuration\n'


async def test_a_changed_config_map_changes_the_file(laptop: Laptop) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"key": "v1", "old": ""}}
    await laptop.apply(CONFIG_MAPS, config)
    mounts = [{"name": "config", "mountPath": "/config"}]
    volumes = [{"name": "config", "configMap": {"name": "cm"}}]
    created = await laptop.apply(PODS, pod("p", container(volumeMounts=mounts), volumes=volumes))
    await laptop.ready("p")
    folder = laptop.folder / "pods" / created["metadata"]["uid"] / "volumes" / "config"
    assert (folder / "key").read_text() == "v1"
    await laptop.apply(CONFIG_MAPS, config | {"data": {"key": "v2", "new": "n"}})
    await eventually_async(lambda: (folder / "key").read_text() == "v2")
    assert sorted(one.name for one in folder.iterdir() if not one.name.startswith("..")) == ["key", "new"]


async def test_a_pod_waits_for_what_it_refers_to(laptop: Laptop) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "a"}}}]
    await laptop.apply(PODS, pod("p", container(env=env)))
    waiting = await laptop.until(
        PODS, "p", lambda one: container_status(one)["state"].get("waiting", {}).get("message")
    )
    assert container_status(waiting)["state"]["waiting"] == {
        "reason": "CreateContainerConfigError", "message": 'configmap "later" not found',
    }  # fmt: skip
    await laptop.apply(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"a": "1"}}
    )
    await laptop.ready("p")


SERVE = """
import http.server, os, threading
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = os.path.exists(os.environ['FLAG'] + self.path)
        self.send_response(200 if ok else 503); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((os.environ['KOPFKA_POD_IP'], int(os.environ['PORT'])), H).serve_forever()
"""


def probed(tmp_path: Path, port: int, **probes: object) -> dict[str, object]:
    env = [{"name": "FLAG", "value": str(tmp_path)}, {"name": "PORT", "value": str(port)}]
    return container(SERVE, env=env, ports=[{"name": "http", "containerPort": port}], **probes)


def get(path: str, **more: object) -> dict[str, object]:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, **more}


async def test_readiness_follows_the_probe(laptop: Laptop, tmp_path: Path) -> None:
    probe = get("/ready", failureThreshold=1)
    await laptop.apply(PODS, pod("p", probed(tmp_path, free_port(), readinessProbe=probe)))
    await laptop.until(PODS, "p", lambda one: "running" in container_status(one)["state"])
    assert not container_status(await laptop.until(PODS, "p", bool))["ready"]
    (tmp_path / "ready").touch()
    await laptop.ready("p")
    (tmp_path / "ready").unlink()
    unready = await laptop.until(PODS, "p", lambda one: not container_status(one)["ready"])
    assert container_status(unready)["restartCount"] == 0
    assert "Unhealthy" in await laptop.events("p")


async def test_liveness_restarts(laptop: Laptop, tmp_path: Path) -> None:
    (tmp_path / "live").touch()
    probe = get("/live", failureThreshold=1, initialDelaySeconds=1)
    await laptop.apply(PODS, pod("p", probed(tmp_path, free_port(), livenessProbe=probe)))
    first = process_id(await laptop.ready("p"))
    (tmp_path / "live").unlink()
    again = await laptop.until(PODS, "p", lambda one: container_status(one)["restartCount"] == 1)
    assert not alive(first)
    assert container_status(again)["lastState"]["terminated"]["signal"] == signal.SIGTERM
    assert "Killing" in await laptop.events("p")


async def test_startup_comes_before_the_others(laptop: Laptop, tmp_path: Path) -> None:
    probes = {"startupProbe": get("/up", failureThreshold=60), "livenessProbe": get("/up", failureThreshold=1)}
    await laptop.apply(PODS, pod("p", probed(tmp_path, free_port(), **probes)))
    running = await laptop.until(PODS, "p", lambda one: "running" in container_status(one)["state"])
    assert not container_status(running)["started"]
    (tmp_path / "up").touch()
    ready = await laptop.ready("p")
    assert (container_status(ready)["started"], container_status(ready)["restartCount"]) == (True, 0)


async def test_exec_probes_and_hooks_run_in_the_containers_surroundings(laptop: Laptop, tmp_path: Path) -> None:
    file = tmp_path / "stopped"
    hook = {
        "preStop": {"exec": {"command": ["python3", "-c", "import os; open(os.environ['FILE'], 'w').write('hook')"]}}
    }
    probe = {"exec": {"command": ["python3", "-c", "import os; os.environ['FILE']"]}, "timeoutSeconds": 20}
    env = [{"name": "FILE", "value": str(file)}]
    await laptop.apply(
        PODS, pod("p", container(env=env, lifecycle=hook, readinessProbe=probe), terminationGracePeriodSeconds=20)
    )
    await laptop.ready("p")
    await laptop.cluster.delete(PODS, "default", "p")
    await laptop.until_gone(PODS, "p")
    assert file.read_text() == "hook"


async def test_ports_decide_the_address(laptop: Laptop) -> None:
    port = free_port()
    ports = [{"containerPort": port}]
    await laptop.apply(PODS, pod("a", container(ports=ports)))
    a = await laptop.ready("a")
    await laptop.apply(PODS, pod("b", container(ports=ports)))
    b = await laptop.ready("b")
    assert (a["status"]["podIP"], b["status"]["podIP"]) == ("127.0.0.1", "127.0.0.2")


async def test_where_there_is_one_address_only_a_pod_waits_for_its_port(laptop: Laptop) -> None:
    laptop.agent._addresses._bind = lambda address, _port: 0 if address == "127.0.0.1" else errno.EADDRNOTAVAIL
    ports = [{"containerPort": free_port()}]
    await laptop.apply(PODS, pod("a", container(ports=ports)))
    await laptop.ready("a")
    await laptop.apply(PODS, pod("b", container(ports=ports)))
    waiting = await laptop.until(
        PODS, "b", lambda one: (condition_of(one, "PodScheduled") or {}).get("status") == "False"
    )
    message = (condition_of(waiting, "PodScheduled") or {})["message"]
    assert message.startswith(f"port {ports[0]['containerPort']} of 127.0.0.1 is taken by pod default/a")
    assert message.endswith("sudo ifconfig lo0 alias 127.0.0.2")
    assert waiting["status"]["phase"] == "Pending"
    await eventually_async(lambda: _said(laptop, "b", "FailedScheduling"))
    await laptop.cluster.delete(PODS, "default", "a")
    await laptop.ready("b")


async def _said(laptop: Laptop, name: str, reason: str) -> bool:
    return reason in await laptop.events(name)


async def test_the_guard_may_die(laptop: Laptop) -> None:
    await laptop.apply(PODS, pod("p"))
    first = process_id(await laptop.ready("p"))
    os.kill(laptop.agent.processes.guard_pid, signal.SIGKILL)
    again = await laptop.ready("p", lambda one: container_status(one)["restartCount"] == 1)
    assert process_id(again) != first
    eventually(lambda: not alive(first))


async def test_a_second_start_finds_the_pods(tmp_path: Path) -> None:
    first = Laptop(tmp_path / "state")
    await first.start()
    await first.apply(PODS, pod("p"))
    await first.apply(PODS, pod("q", container("pass"), restartPolicy="Never"))
    await first.apply(PODS, pod("once", restartPolicy="Never"))
    pid = process_id(await first.ready("p"))
    await first.ready("once")
    await first.until(PODS, "q", lambda one: one["status"].get("phase") == "Succeeded")
    await first.stop()
    assert not alive(pid)
    second = Laptop(tmp_path / "state")
    await second.start()
    try:
        again = await second.ready("p", lambda one: container_status(one)["restartCount"] == 1)
        assert process_id(again) != pid
        assert (await second.until(PODS, "q", bool))["status"]["phase"] == "Succeeded"
        await second.until(PODS, "once", lambda one: one["status"]["phase"] == "Failed")
    finally:
        await second.stop()
