"""Clients of other languages: programs that are built once, live outside the tree, and answer line by line."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kopfka_bench.brokers.cache import built_once, digest, run_builder
from kopfka_bench.brokers.java import LAUNCH_FLAGS
from support.prerequisites import need_command, need_java

HERE = Path(__file__).parents[1]


@dataclass
class RemoteError(Exception):
    """What a program says went wrong: an answer of the registry, or the client's own refusal."""

    status: int | None
    code: int | None
    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message} ({self.status}, {self.code})"


class Program:
    """A program that takes one JSON object a line, and answers with one."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def ask(self, **question: Any) -> Any:
        """Return the answer.

        Raises:
            RemoteError: the program says that something went wrong.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(_packed(question)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program ended"
        answer = json.loads(line)
        if "error" in answer:
            said = answer["error"]
            raise RemoteError(said.get("status"), said.get("code"), said.get("name", ""), said.get("message", ""))
        return _unpacked(answer["ok"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def node() -> Program:
    """Start the program of Node's clients."""
    node_, npm = need_command("node", "install Node 18 or newer"), need_command("npm", "install npm")
    source = HERE / "node" / "registry"
    files = [source / name for name in ("package.json", "package-lock.json", ".npmrc")]

    def install(out: Path) -> None:
        for each in files:
            shutil.copy(each, out)
        run_builder([npm, "ci", "--omit=dev", "--ignore-scripts"], out)

    folder = built_once(f"node-registry-{digest(*files)}", install)
    return Program(["env", f"INTEROP_MODULES={folder}/node_modules", node_, str(source / "registry.mjs")])


def go() -> Program:
    """Start the program of Go's client."""
    go_ = need_command("go", "install Go 1.26 or newer")
    source = HERE / "go"
    files = [source / name for name in ("go.mod", "go.sum", "registry/main.go")]
    options = ["-mod=readonly", "-trimpath"]
    folder = built_once(
        f"go-registry-{digest(*files)}",
        lambda out: run_builder([go_, "build", *options, "-o", str(out / "registry"), "./registry"], source),
    )
    return Program([str(folder / "registry")])


def java() -> Program:
    """Start the program of Java's clients."""
    need_java()
    source = HERE / "registry" / "java"
    pom, files = source / "pom.xml", sorted(source.glob("*.java"))
    goal = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
    libraries = built_once(f"java-registry-{digest(pom)}", lambda out: run_builder([*goal, f"-DoutputDirectory={out}"]))
    flags = ["-nowarn", "-proc:none", "--release", "17", "-cp", f"{libraries}/*"]
    classes = built_once(
        f"java-registry-classes-{digest(pom, *files)}",
        lambda out: run_builder(["javac", *flags, "-d", str(out), *map(str, files)]),
    )
    # Flink's decoder reaches into Java's own classes
    opened = ["--add-opens", "java.base/java.util=ALL-UNNAMED", "--add-opens", "java.base/java.lang=ALL-UNNAMED"]
    return Program(["java", "-Xmx256m", *LAUNCH_FLAGS, *opened, "-cp", f"{classes}:{libraries}/*", "RegistryClients"])


def _packed(value: Any) -> Any:
    """Return a value with bytes as JSON has them."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: _packed(each) for name, each in value.items()}
    return [_packed(each) for each in value] if isinstance(value, (list, tuple)) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {name: _unpacked(each) for name, each in value.items()}
    return [_unpacked(each) for each in value] if isinstance(value, list) else value
