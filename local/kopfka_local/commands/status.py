"""`kopfka status`: the table of `kopfka up`, read from the API server. Exit code 0 ready, 1 not, 3 not running."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kopfka_local.commands.client import Client, Unreachable
from kopfka_local.commands.output import line_to_try
from kopfka_local.commands.readiness import GROUP
from kopfka_local.commands.state import State, default_folder
from kopfka_local.commands.table import addresses_of, all_ready, plain_line, render, rows_of
from kopfka_local.commands.watched import stored_references
from kopfka_local.node.hosts import read_hosts

if TYPE_CHECKING:
    from collections.abc import Sequence

READY, NOT_READY, NOT_RUNNING = 0, 1, 3
_OPERATOR = ("apps/v1", "Deployment", "kopfka-system", "kopfka-operator")


def main(argv: list[str]) -> int:
    """Show what runs; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="kopfka status",
        description="Show what kopfka up runs. Exit code: 0 all is ready, 1 something is not, 3 nothing runs.",
    )
    parser.add_argument(
        "--state", default=str(default_folder()), metavar="DIR", help="the state (default: $KOPFKA_HOME or ~/.kopfka)"
    )
    state = State(Path(parser.parse_args(argv).state).expanduser().resolve())
    if state.owner() is None:
        print(f"kopfka up does not run over {state.folder}", file=sys.stderr)
        return NOT_RUNNING
    try:
        objects = read_objects(Client(state.kubeconfig), stored_references(state.applied))
    except (Unreachable, FileNotFoundError) as error:
        print(f"kopfka up is starting, or does not answer ({error}): {state.log} says more", file=sys.stderr)
        return NOT_READY
    rows = rows_of(objects)
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal

        Console().print(render(rows))
    else:
        for row in rows:
            print(plain_line(row))
    addresses = addresses_of(objects, read_hosts(state.hosts))
    print()
    for address in addresses:
        print(f"{address.label}  {address.servers}")
    print(f"export KUBECONFIG={state.kubeconfig}")
    if addresses and addresses[0].kafka:
        print(f"try: {line_to_try(addresses[0].servers)}")
    return READY if all_ready(rows) else NOT_READY


def read_objects(client: Client, references: Sequence[tuple[str, str, str, str]]) -> list[dict[str, Any]]:
    """Return the operator, all of Kopfka's own resources, and those that were applied, as the API server has them.

    Raises:
        Unreachable: it does not answer.
    """
    found: list[dict[str, Any]] = []
    group = client.get(f"/apis/{GROUP}")
    own = [version["groupVersion"] for version in (group or {}).get("versions") or ()][:1]
    kinds: dict[str, dict[str, str]] = {}

    def named(reference: tuple[str, str, str, str]) -> dict[str, Any] | None:
        api_version, kind, namespace, name = reference
        if api_version not in kinds:
            kinds[api_version] = client.resources(api_version)
        if kind not in kinds[api_version]:
            return None
        prefix = "/apis" if "/" in api_version else "/api"
        where = f"/namespaces/{namespace}" if namespace else ""
        obj = client.get(f"{prefix}/{api_version}{where}/{kinds[api_version][kind]}/{name}")
        return {"apiVersion": api_version, "kind": kind} | obj if obj else None

    operator = named(_OPERATOR)
    found += [operator] if operator else []
    for version in own:
        for plural in client.resources(version).values():
            found += client.objects(version, plural)
    others = [named(reference) for reference in references if reference[0].partition("/")[0] != GROUP]
    return found + [obj for obj in others if obj]
