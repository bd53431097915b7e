"""The table of `docs/compatibility.md`: which clients were exercised, with what, on which broker. Made by the tests.

A test says by `@pytest.mark.client(NAME, "what it exercises")` whose client it drives; its outcome goes into
`build/compatibility`. `python -m interop.compatibility` (in `make compatibility`) makes the table of what is there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import version
from typing import TYPE_CHECKING

from kopfka_bench.brokers.java import KAFKA_VERSION
from support.prerequisites import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

HERE = REPOSITORY / "tests" / "interop"
RESULTS = REPOSITORY / "build" / "compatibility"
TABLE = REPOSITORY / "docs" / "compatibility.md"
BROKERS = {"kopfka": "bundled broker", "apache-kafka": "Apache Kafka 4.3.1"}
PASSED, FAILED = "passed", "failed"


def _java() -> str:
    return KAFKA_VERSION


def _go(module: str) -> Callable[[], str]:
    def find() -> str:
        found = re.search(rf"{re.escape(module)} v(\S+)", (HERE / "go" / "go.mod").read_text())
        assert found is not None, module
        return found.group(1)

    return find


def _registry_pom(name: str) -> Callable[[], str]:
    def find() -> str:
        pom = HERE / "registry" / "java" / "pom.xml"
        found = re.search(rf"<{name}\.version>(.+?)</", pom.read_text(encoding="utf-8"))
        assert found is not None, name
        return found.group(1)

    return find


def _node(package: str, folder: str = "node") -> Callable[[], str]:
    def find() -> str:
        locked = json.loads((HERE / folder / "package-lock.json").read_text(encoding="utf-8"))
        return str(locked["packages"][f"node_modules/{package}"]["version"])

    return find


def _of_registry(package: str) -> Callable[[], str]:
    return _node(package, "node/registry")


def _python(distribution: str) -> Callable[[], str]:
    return lambda: version(distribution)


def _kcat() -> str:
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Version (\S+) .*librdkafka (\S+)", said)
    assert found is not None, said
    return f"{found.group(1)} (librdkafka {found.group(2)})"


CLIENTS: dict[str, tuple[str, Callable[[], str]]] = {
    "Java": ("kafka-clients", _java),
    "Kafka Streams": ("kafka-streams", _java),
    "Kafka's command-line tools": ("kafka-tools", _java),
    "librdkafka (Python)": ("confluent-kafka", _python("confluent-kafka")),
    "kcat": ("kcat", _kcat),
    "aiokafka": ("aiokafka", _python("aiokafka")),
    "kafka-python": ("kafka-python", _python("kafka-python")),
    "franz-go": ("franz-go", _go("github.com/twmb/franz-go")),
    "sarama": ("sarama", _go("github.com/IBM/sarama")),
    "kafkajs": ("kafkajs", _node("kafkajs")),
    "librdkafka (Node)": ("@confluentinc/kafka-javascript", _node("@confluentinc/kafka-javascript")),
    "Confluent's serialisers (Python)": ("confluent-kafka[schemaregistry]", _python("confluent-kafka")),
    "Confluent's serialisers (Node)": ("@confluentinc/schemaregistry", _of_registry("@confluentinc/schemaregistry")),
    "kafkajs's registry client": (
        "@kafkajs/confluent-schema-registry",
        _of_registry("@kafkajs/confluent-schema-registry"),
    ),
    "franz-go's registry client": ("franz-go/pkg/sr", _go("github.com/twmb/franz-go/pkg/sr")),
    "Confluent's registry client (Java)": ("kafka-schema-registry-client", _registry_pom("confluent")),
    "Flink's Avro format": ("flink-sql-avro-confluent-registry", _registry_pom("flink")),
    "Apicurio's serdes": ("apicurio-registry-*-serde-kafka", _registry_pom("apicurio")),
}
"""What the table calls each client, the name of its package, and how its version is found."""


def note(item: pytest.Item, outcome: str) -> None:
    """Keep how a test of a client ended."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        for marker in item.iter_markers("client"):
            client, what = marker.args
            assert client in CLIENTS, f"{client} is not in the table of clients"
            for broker in _brokers(item):
                file.write(json.dumps({"client": client, "what": what, "broker": broker, "outcome": outcome}) + "\n")


def _brokers(item: pytest.Item) -> tuple[str, ...]:
    """Return which a test ran against: that of its parameter, both if it compares them, else the bundled one."""
    calls = getattr(item, "callspec", None)
    parameters = calls.params if calls is not None else {}
    kinds = tuple(BROKERS)
    for kind in (parameters.get(name) for name in ("broker", "guarded", "side", "written")):
        if kind is not None:
            return (kinds[kind] if isinstance(kind, int) else kinds[kinds.index(kind)],)
    compares = {"apache_kafka", "secured"} & set(getattr(item, "fixturenames", ()))
    return kinds if compares else kinds[:1]


def called(client: str) -> str:
    """Return what a client is called in the table: with its package, where the name does not say it."""
    package, _ = CLIENTS[client]
    return client if package in client else f"{client} `{package}`"


def table() -> str:
    """Return the page, from the results there are.

    Raises:
        SystemExit: a client was not exercised.
    """
    outcomes: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in _results():
        outcomes[each["client"], each["what"], each["broker"]].append(each["outcome"])
    lines = [
        "# Compatibility",
        "",
        "Made by the tests (`make compatibility`), not by hand: each line is one or more tests of",
        "`tests/interop/` that drive a client nobody here wrote. The same tests run against Apache Kafka, and both",
        "must agree.",
        "",
        "| client | version | exercised | " + " | ".join(BROKERS.values()) + " |",
        "|---|---|---|---|---|",
    ]
    for client, (_, find_version) in CLIENTS.items():
        whats = sorted({what for named, what, _ in outcomes if named == client})
        if not whats:
            raise SystemExit(f"no result of {client}: run `make compatibility`, with everything it needs installed")
        for what in whats:
            cells = [_cell(outcomes.get((client, what, broker), [])) for broker in BROKERS]
            lines.append(f"| {called(client)} | {find_version()} | {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _results() -> Iterator[dict[str, str]]:
    for path in sorted(RESULTS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _cell(outcomes: list[str]) -> str:
    if not outcomes:
        return "–"
    failed = outcomes.count(FAILED)
    return f"{failed} of {len(outcomes)} failed" if failed else f"{len(outcomes)} passed"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    sys.stdout.write(f"{TABLE.relative_to(REPOSITORY)} is written\n")
