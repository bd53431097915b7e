"""Java programs of the tests: Apache Kafka's own jars, our small mains, and Kafka's command-line tools run in one JVM.

Jars and classes are built once and live outside the tree; the jars are those that measurements use.
"""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench.brokers import java
from kopfka_bench.brokers.cache import built_once, digest, run_builder
from support.prerequisites import need_java

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = Path(__file__).parents[1] / "interop" / "java"
MIRROR_SOURCES = SOURCES.with_name("java_mirror")

_CALL_SECONDS = 60.0
_DUMP_SECONDS = 2.0


class ToolError(AssertionError):
    """A tool of Apache Kafka ended in another way than the test expects."""


@functools.cache
def kafka_classpath() -> str:
    """Return a class path with Apache Kafka's clients, tools and broker, and our own mains.

    Skips (or fails, where everything is required) without a JDK and Maven.
    """
    need_java()
    libraries = java.libraries()
    files = sorted(SOURCES.rglob("*.java"))
    flags = ["-nowarn", "-proc:none", "--release", "17"]
    classes = built_once(
        f"classes-{digest(java.POM, *files)}",
        lambda folder: run_builder(
            ["javac", *flags, "-cp", f"{libraries}/*", "-d", str(folder), *map(str, files)],
        ),
    )
    return os.pathsep.join((f"{libraries}/*", str(classes)))


def java_command(
    main: str, *arguments: str, heap: str = "128m", properties: Mapping[str, str] | None = None
) -> list[str]:
    """Return the command line that runs `main`, of Apache Kafka or our own, in a JVM that starts fast."""
    return java.java_command(main, *arguments, heap=heap, properties=properties, classpath=kafka_classpath())


@functools.cache
def mirror_classpath() -> str:
    """Return a class path with MirrorMaker 2, the client of its topics, and our own mains for them.

    Skips (or fails, where everything is required) without a JDK and Maven.
    """
    need_java()
    libraries = java.mirror_libraries()
    files = sorted(MIRROR_SOURCES.rglob("*.java"))
    flags = ["-nowarn", "-proc:none", "--release", "17"]
    classes = built_once(
        f"classes-{digest(java.MIRROR_POM, *files)}",
        lambda folder: run_builder(
            ["javac", *flags, "-cp", f"{libraries}/*", "-d", str(folder), *map(str, files)],
        ),
    )
    return os.pathsep.join((f"{libraries}/*", str(classes)))


class JavaProgram:
    """A main in a JVM of its own, whose output a test follows while it runs."""

    def __init__(self, output: Path, main: str, *arguments: str, heap: str = "192m") -> None:
        self.output = output
        self._errors = output.with_name(output.name + ".err")
        self.command = " ".join((main.rpartition(".")[2], *arguments))
        with output.open("wb") as out, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(java_command(main, *arguments, heap=heap), stdout=out, stderr=errors)

    def lines(self) -> list[str]:
        """Return the whole lines it printed until now."""
        return self.output.read_text().rpartition("\n")[0].splitlines()

    def running(self) -> bool:
        """Tell whether it has not ended; raises ToolError if it failed."""
        code = self._process.poll()
        if code:
            raise ToolError(f"`{self.command}` ended with {code}\n{self._errors.read_text()[-4000:]}")
        return code is None

    def wait(self, seconds: float) -> list[str]:
        """Wait until it ended well, and return its lines.

        Raises:
            ToolError: it failed, or did not end in time.
        """
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            last = f"{self.lines()[-3:]}\n{self._errors.read_text()[-4000:]}"
            raise ToolError(f"`{self.command}` did not end within {seconds} s: {last}") from error
        self.running()
        return self.lines()

    def kill(self) -> None:
        """End it with SIGKILL if it runs."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> JavaProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How one call of a tool ended."""

    command: str
    exit: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines the tool printed, without empty ones."""
        return [line for line in self.out.splitlines() if line.strip()]


class JavaTools:
    """A JVM that runs the `main` of one tool after the other and captures what each prints.

    A JVM's start costs more than most calls; so all tests of a session share one. A call that does not end in time
    kills the JVM, and the next call starts another.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(
        self,
        main: str,
        *arguments: str,
        stdin: str = "",
        check: bool = True,
        seconds: float = _CALL_SECONDS,
    ) -> ToolResult:
        """Run `main(arguments)` with `stdin` as its standard input.

        Raises:
            ToolError: it ended with another exit code than 0 and `check` is set, or did not end within `seconds`.
        """
        command = " ".join((main.rpartition(".")[2], *arguments))
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"main": main, "args": arguments, "stdin": stdin}) + "\n")
        process.stdin.flush()
        watchdog = threading.Timer(seconds, _dump_and_kill, [process])
        watchdog.start()
        try:
            answer = process.stdout.readline()
        finally:
            watchdog.cancel()
        if not answer.startswith("{"):
            threads = answer + process.stdout.read()
            self.close()
            raise ToolError(f"`{command}` did not end within {seconds} s, or took the JVM down\n{threads}")
        result = ToolResult(command, **json.loads(answer))
        if check and result.exit:
            raise ToolError(f"`{command}` ended with {result.exit}\n{result.out}\n{result.err}")
        return result

    def close(self) -> None:
        """End the JVM."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = java_command("io.kopfka.interop.ToolRunner", heap="256m")
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process


def tool_metric(result: ToolResult, name: str) -> float:
    """Return a metric that a tool with `--print-metrics` printed, the largest of several of that name.

    Raises:
        ToolError: there is none.
    """
    found = [float(value) for value in re.findall(rf"{name}:\{{.*?\}}\s*:\s*([\d.]+)", result.out)]
    if not found:
        raise ToolError(f"`{result.command}` printed no {name}\n{result.out}")
    return max(found)


def _dump_and_kill(process: subprocess.Popen[str]) -> None:
    """Have a JVM print on its standard output what its threads do, and end it."""
    process.send_signal(signal.SIGQUIT)
    time.sleep(_DUMP_SECONDS)
    process.kill()
