"""Where a process finds its own address and those of others, with or without a cluster's network.

In a Kubernetes pod nothing here has an effect: a wildcard bind means the pod, and names are DNS. A node that runs pods
as plain processes (`kopfka_local`) has neither network namespaces nor DNS; two variables say what stands for them:

- `KOPFKA_POD_IP`: the loopback address that is this pod's own; a wildcard bind is narrowed to it.
- `KOPFKA_HOSTS_FILE`: a file in hosts(5) form with the names of services and pods; it is read again when it changes.
"""

from __future__ import annotations

import os
from pathlib import Path

POD_IP = "KOPFKA_POD_IP"
HOSTS_FILE = "KOPFKA_HOSTS_FILE"

_WILDCARDS = frozenset({"", "*", "0.0.0.0", "::", "[::]"})


def bind_host(host: str) -> str:
    """Return the address to listen on for `host`: itself, or this pod's own address where `host` is a wildcard."""
    if host not in _WILDCARDS:
        return host.strip("[]")
    return os.environ.get(POD_IP) or "0.0.0.0"


def is_wildcard(host: str) -> bool:
    """Tell whether `host` means every address of this machine."""
    return host in _WILDCARDS


def resolve(host: str) -> str:
    """Return the address that the hosts file gives for `host`, or `host` unchanged for the resolver of the system."""
    path = os.environ.get(HOSTS_FILE)
    return _read_hosts(Path(path)).get(host.lower(), host) if path else host


def split_address(address: str, default_port: int | None = None) -> tuple[str, int]:
    """Split `HOST:PORT` (IPv6 in brackets, the host may be empty).

    Raises:
        ValueError: there is no port and no default, or the port is not a number from 0 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or "]" in port:
        host, port = address, ""
    if not port:
        if default_port is None:
            raise ValueError(f"{address!r} has no port: write HOST:PORT")
        return host.strip("[]"), default_port
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{port!r} in {address!r} is not a port: write a number from 0 to 65535")
    return host.strip("[]"), int(port)


def _read_hosts(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return names
    for line in text.splitlines():
        address, *hosts = line.partition("#")[0].split() or [""]
        for host in hosts:
            names.setdefault(host.lower(), address)
    return names
