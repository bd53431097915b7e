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


_URLS = ("url", "externalUrl")
"""Fields of a status that hold where clients connect over HTTP."""


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

    @property
    def kafka(self) -> bool:
        """Whether Kafka's protocol is spoken there."""
        return "://" not in self.servers


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
    """Return where the status of resources says that clients connect, with names turned into addresses of this machine.

    Kafka's come before those that speak HTTP.
    """
    found: list[Address] = []
    urls: list[Address] = []
    for obj in objects:
        status, label = obj.get("status") or {}, Row.of(obj).label
        for listener in status.get("listeners") or ():
            if servers := listener.get("bootstrapServers"):
                found.append(Address(label, listener.get("name", ""), local_servers(servers, hosts)))
        urls += [Address(label, name, local_url(status[name], hosts)) for name in _URLS if status.get(name)]
    return found + urls


def local_url(url: str, hosts: Mapping[str, str]) -> str:
    """Turn `http://name:port/path` into a URL that works from outside the pods."""
    scheme, separator, rest = url.partition("://")
    server, slash, path = rest.partition("/")
    return f"{scheme}{separator}{_local(server, hosts) if ':' in server else server}{slash}{path}"


def local_servers(servers: str, hosts: Mapping[str, str]) -> str:
    """Turn `name:port,…` into addresses that work from outside the pods; loopback's first address is `localhost`."""
    return ",".join(_local(server.strip(), hosts) for server in servers.split(","))


def _local(server: str, hosts: Mapping[str, str]) -> str:
    name, colon, port = server.rpartition(":")
    address = hosts.get(name.lower(), name)
    return f"{'localhost' if address == '127.0.0.1' else address}{colon}{port}"
