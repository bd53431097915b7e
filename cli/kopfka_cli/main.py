"""Entry point of `kopfka`: finds the command's room and hands over. Each room owns its options and its exit code."""

from __future__ import annotations

import sys
from importlib import import_module

# command: (module with `main(argv) -> int`, what it does); modules are imported only when called, so starts stay short
COMMANDS = {
    "up": ("kopfka_local.commands.up", "run resources on this machine: [-f FILE…] [--detach]"),
    "status": ("kopfka_local.commands.status", "show what runs on this machine"),
    "down": ("kopfka_local.commands.down", "stop what runs on this machine: [--purge]"),
    "broker": ("kopfka_broker.main", "run the bundled broker: --data DIR --listen HOST:PORT [--config FILE]"),
    "registry": (
        "kopfka_registry.main",
        "run a schema registry: --bootstrap HOST:PORT --listen HOST:PORT [--config FILE]",
    ),
    "mirror": ("kopfka_mirror.main", "replicate topics between clusters, as MirrorMaker 2: --config FILE"),
    "operator": ("kopfka_operator.main", "run the Kubernetes operator"),
    "schemas": (
        "kopfka_operator.schemas.main",
        "check the schemas of files before a merge: check -f FILE… [--registry URL]",
    ),
    "bench": ("kopfka_bench.main", "measure the bundled broker beside Apache Kafka: [--only SCENARIO…] [--short]"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command named by the first argument and return its exit code (2 for a call it does not understand)."""
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if name in ("--version", "version"):
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely asked for

        print(f"kopfka {version('kopfka')}")
        return 0
    if name not in COMMANDS:
        from kopfka_runtime.settings import nearest  # noqa: PLC0415

        close = nearest(name, COMMANDS)
        hint = f"did you mean {close}?" if close else "see kopfka --help"
        print(f"kopfka: unknown command {name}: {hint}", file=sys.stderr)
        return 2
    return int(import_module(COMMANDS[name][0]).main(arguments[1:]))


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items())
    return f"usage: kopfka COMMAND [OPTION…]\n\n{lines}\n\nkopfka COMMAND --help says more of each."
