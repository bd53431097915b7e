"""Apache Kafka's jars, from Maven Central, and the command lines of what is in them.

Jars are fetched once and live outside the tree (`cache`). `pom.xml` beside this module is the one list of them: of
measurements and of tests; `mirror-pom.xml` is MirrorMaker 2's, which runs in processes of its own.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_bench.brokers.cache import built_once, cache_folder, digest, run_builder
from kopfka_bench.errors import MissingProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KAFKA_VERSION = "4.3.1"
POM = Path(__file__).with_name("pom.xml")
MIRROR_POM = Path(__file__).with_name("mirror-pom.xml")
_LOGGING = Path(__file__).with_name("log4j2.properties")
LAUNCH_FLAGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xss512k")
"""What makes a JVM start fast and stay small, where its steady speed does not matter."""


@functools.cache
def java_version() -> int:
    """Return the major version of `java` on PATH, 0 where there is none."""
    if not shutil.which("java"):
        return 0
    text = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    digits = text.partition('"')[2].partition(".")[0]
    return int(digits) if digits.isdigit() else 0


def need_java() -> None:
    """Make sure that Apache Kafka can run here.

    Raises:
        MissingProgramError: there is no Java 17, or no Maven to fetch the jars with.
    """
    if java_version() < 17 or not shutil.which("mvn"):
        raise MissingProgramError(
            "Apache Kafka needs Java 17 or newer and Maven (mvn) on PATH; --alone does without it"
        )


def libraries() -> Path:
    """Return the folder of Apache Kafka's clients, tools and broker; fetches them if need be."""
    return built_once(f"java-{digest(POM)}", lambda folder: _resolve(POM, folder))


def mirror_libraries() -> Path:
    """Return the folder of MirrorMaker 2 and all it takes; fetches them if need be."""
    return built_once(f"java-{digest(MIRROR_POM)}", lambda folder: _resolve(MIRROR_POM, folder))


def archive() -> Path:
    """Return where the archive of loaded classes is, or is to be: with it a JVM starts in two thirds of the time."""
    return cache_folder() / f"archive-{digest(POM)}" / "classes.jsa"


def java_command(
    main: str,
    *arguments: str,
    heap: str = "128m",
    properties: Mapping[str, str] | None = None,
    flags: Sequence[str] = LAUNCH_FLAGS,
    classpath: str = "",
) -> list[str]:
    """Return the command line that runs `main` with a small heap and logging of warnings to standard error.

    A class path of one's own begins with `libraries()`, as the archive of classes does.
    """
    classpath = classpath or f"{libraries()}/*"
    if flags is LAUNCH_FLAGS and archive().exists():
        flags = (*flags, f"-XX:SharedArchiveFile={archive()}")
    settings = {"log4j2.configurationFile": str(_LOGGING)} | dict(properties or {})
    defines = [f"-D{name}={value}" for name, value in settings.items()]
    return ["java", f"-Xmx{heap}", *flags, *defines, "-cp", classpath, main, *arguments]


def _resolve(pom: Path, folder: Path) -> None:
    run_builder(["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"])
