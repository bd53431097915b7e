"""Clients of other languages: franz-go (Go) and kafkajs (Node), each producing, and reading in a group of two."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.cache import built_once, digest, run_builder
from support.kafka import CODECS, stored_codecs
from support.prerequisites import need_command

HERE = Path(__file__).parent
COUNT = 1000


@functools.cache
def go_program():
    go = need_command("go", "install Go 1.26 or newer")
    folder = HERE / "go"
    sources = [folder / name for name in ("main.go", "go.mod", "go.sum")]
    built = built_once(
        f"go-{digest(*sources)}",
        lambda out: run_builder([go, "build", "-mod=readonly", "-trimpath", "-o", str(out / "smoke"), "."], folder),
    )
    return [str(built / "smoke")]


@functools.cache
def node_program():
    node, npm = need_command("node", "install Node 18 or newer"), need_command("npm", "install npm")
    sources = [HERE / "node" / name for name in ("smoke.mjs", "package.json", "package-lock.json", ".npmrc")]

    def install(out):
        for source in sources:
            shutil.copy(source, out)
        run_builder([npm, "ci", "--omit=dev", "--ignore-scripts"], out)

    return [node, str(built_once(f"node-{digest(*sources)}", install) / "smoke.mjs")]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert all(outcome.pop("members")), "one member read nothing"
    return outcome


EXPECTED = {"acknowledged": COUNT, "read": COUNT, "twice": 0, "changed": 0, "committed": COUNT}


@pytest.mark.parametrize("codec", CODECS)
def test_franz_go(broker, create_topic, codec):
    program = go_program()
    topic = create_topic(6)
    assert run([*program, broker.bootstrap, topic, topic, str(COUNT), codec]) == EXPECTED
    assert stored_codecs(broker.data, topic) == {codec}


def test_kafkajs(broker, create_topic):
    program = node_program()
    topic = create_topic(6)
    assert run([*program, broker.bootstrap, topic, topic, str(COUNT)]) == EXPECTED
