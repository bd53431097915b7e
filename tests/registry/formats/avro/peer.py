"""Avro's Java library beside us: one JVM that parses and compares as many schemas as a test has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kopfka_bench.brokers.cache import built_once, digest, run_builder
from kopfka_bench.brokers.java import LAUNCH_FLAGS
from support.prerequisites import need_java

if TYPE_CHECKING:
    from collections.abc import Sequence

LATEST: Final = "1.12.1"
"""Whose rules are the registry's."""
CONFLUENT: Final = "1.11.4"
"""What Confluent's registry is built with, up to 8.2."""

_FOLDER: Final = Path(__file__).with_name("java")
_POM: Final = _FOLDER / "pom.xml"
_SOURCE: Final = _FOLDER / "AvroPeer.java"


class Peer:
    """A JVM with one version of the library."""

    def __init__(self, version: str) -> None:
        need_java()
        self.version = version
        libraries = built_once(f"avro-{version}-{digest(_POM)}", self._resolve)
        classes = built_once(
            f"avro-peer-{version}-{digest(_POM, _SOURCE)}",
            lambda folder: run_builder(
                ["javac", "--release", "17", "-cp", f"{libraries}/*", "-d", str(folder), str(_SOURCE)]
            ),
        )
        command = ["java", "-Xmx256m", *LAUNCH_FLAGS, "-cp", f"{libraries}/*:{classes}", "AvroPeer"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def parse(self, text: str, references: Sequence[str] = (), *, defaults: bool = False) -> dict[str, Any]:
        """Return what the library makes of a text: `canonical`, `resolved`, `name`, `form`; or `error`."""
        return self._ask({"text": text, "references": list(references), "defaults": defaults})

    def compare(self, reader: str, writer: str) -> dict[str, Any]:
        """Return `differences` as type, location and message; or `threw`; or `error` where one cannot be parsed."""
        return self._ask({"reader": reader, "writer": writer})

    def close(self) -> None:
        """End the JVM."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def _resolve(self, folder: Path) -> None:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", f"-Davro.version={self.version}"]
        run_builder(["mvn", "-B", "-q", "-f", str(_POM), *goal])
