"""The table of resources that `kopfka up` and `kopfka status` show, and the addresses below it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.commands.readiness import Readiness, readiness
from kopfka_local.kinds import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

    from kopfka_local.kinds import Object


@dataclass(frozen=True, slots=True)
class Row:
    """One resource in the table."""

    kind: str
    namespace: str
    name: str
    state: Readiness

    @staticmethod
    def of(obj: Object) -> Row:
        """Read it from the resource."""
        return Row(obj["kind"], obj["metadata"].get("namespace", ""), name_of(obj), readiness(obj))

    @property
    def label(self) -> str:
        """`KafkaCluster quickstart`, with the namespace where it is not the default one."""
        where = f"{self.namespace}/" if self.namespace not in ("", "default") else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a resource's clients connect, from this machine."""

    label: str
    listener: str
    servers: str


def rows_of(objects: Iterable[Object]) -> list[Row]:
    """Return the rows for resources, in the order given."""
    return [Row.of(obj) for obj in objects]


def all_ready(rows: Sequence[Row]) -> bool:
    """Tell whether everything is ready."""
    return all(row.state.ready for row in rows)


def plain_line(row: Row) -> str:
    """Return a row as a line of text."""
    text = "Ready" if row.state.ready else row.state.reason
    return f"{row.label}: {text}" + (f": {row.state.message}" if row.state.message and not row.state.ready else "")


def render(rows: Sequence[Row], marks: str = "") -> Table:
    """Return the table for a terminal; `marks` is the present frame of the spinner."""
    from rich.table import Table  # noqa: PLC0415 - only where there is a terminal
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    table.add_column("", width=1, no_wrap=True)
    table.add_column("RESOURCE", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in rows:
        mark = Text("✓", "green") if row.state.ready else Text(marks or "·", "yellow")
        reason = Text("Ready", "green") if row.state.ready else Text(row.state.reason, "yellow")
        table.add_row(mark, Text(row.label), reason, Text("" if row.state.ready else row.state.message, "dim"))
    return table


def addresses_of(objects: Iterable[Object], hosts: Mapping[str, str]) -> list[Address]:
    """Return what the status of resources says of their listeners, with names turned into addresses of this machine."""
    found = []
    for obj in objects:
        for listener in (obj.get("status") or {}).get("listeners") or ():
            if servers := listener.get("bootstrapServers"):
                found.append(Address(Row.of(obj).label, listener.get("name", ""), local_servers(servers, hosts)))
    return found


def local_servers(servers: str, hosts: Mapping[str, str]) -> str:
    """Turn `name:port,…` into addresses that work from outside the pods; loopback's first address is `localhost`."""
    return ",".join(_local(server.strip(), hosts) for server in servers.split(","))


def _local(server: str, hosts: Mapping[str, str]) -> str:
    name, colon, port = server.rpartition(":")
    address = hosts.get(name.lower(), name)
    return f"{'localhost' if address == '127.0.0.1' else address}{colon}{port}"
