"""Loopback addresses for pods: 127.0.0.1 where all ports of the pod are free there, else 127.0.0.2, and so on.

A pod keeps its address for the life of its name: one that comes again under the same name gets the same one where it
can, and while `reserved` says that the name will come again, others leave it alone. Held only in memory and in one
small file.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_local.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

FIRST = "127.0.0.1"
_MOST = 250


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a pod got no address: a port that is taken, by whom, and whether other loopback addresses could be used."""

    port: int
    holder: str
    one_address_only: bool

    def __str__(self) -> str:
        text = f"port {self.port} of {FIRST} is taken by {self.holder}"
        if self.one_address_only:
            return f"{text}, and this machine has no other loopback address: sudo ifconfig lo0 alias 127.0.0.2"
        return f"{text}, and so it is on every loopback address up to 127.0.0.{_MOST}: free one of them"


def try_bind(address: str, port: int) -> int:
    """Return 0 where the port can be listened on, else the errno of the refusal."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    if sys.platform == "darwin" and port:  # there a listener on the wildcard does not hinder a bind to one address
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            if probe.connect_ex((address, port)) == 0:
                return errno.EADDRINUSE
    return 0


class Addresses:
    """Who has which ports of which address."""

    def __init__(self, file: Path, bind: Callable[[str, int], int] = try_bind) -> None:
        self._file = file
        self._bind = bind
        self._held: dict[str, tuple[str, frozenset[int]]] = {}
        self._kept: dict[str, tuple[str, frozenset[int]]] = {}
        if file.exists():
            self._kept = {
                name: (address, frozenset(ports)) for name, (address, ports) in json.loads(file.read_text()).items()
            }

    def held_by(self, pod: str) -> str | None:
        """Return the address a pod has."""
        return self._held[pod][0] if pod in self._held else None

    async def take(
        self, pod: str, ports: Iterable[int], reserved: Callable[[str], Awaitable[bool]]
    ) -> str | Unavailable:
        """Give a pod an address on which all its ports are free, or say why there is none.

        Args:
            pod: `namespace/name`.
            ports: the TCP ports its containers declare.
            reserved: tells whether a pod of that name, which is not there now, is to come again.
        """
        wanted = frozenset(ports)
        if pod in self._held:
            return self._held[pod][0]
        for other in [other for other in self._kept if other != pod and other not in self._held]:
            if self._kept[other][1] & wanted and not await reserved(other):
                del self._kept[other]
        refusal: Unavailable | None = None
        candidates = [f"127.0.0.{number}" for number in range(1, _MOST + 1)]
        if pod in self._kept:
            candidates.insert(0, self._kept[pod][0])
        for address in candidates:
            reason = self._refusal(pod, address, wanted)
            if reason is None:
                self._held[pod] = self._kept[pod] = (address, wanted)
                self._save()
                return address
            if reason.one_address_only:
                return Unavailable(refusal.port, refusal.holder, True) if refusal else reason
            refusal = refusal or reason
        assert refusal is not None
        return refusal

    def release(self, pod: str) -> None:
        """Take a pod's address back; it is still the first choice for a pod of that name."""
        self._held.pop(pod, None)

    def _refusal(self, pod: str, address: str, wanted: frozenset[int]) -> Unavailable | None:
        for other, (where, ports) in [*self._held.items(), *self._kept.items()]:
            if other != pod and where == address and ports & wanted:
                return Unavailable(min(ports & wanted), f"pod {other}", False)
        for port in sorted(wanted) or [0]:
            refused = self._bind(address, port)
            if refused == errno.EADDRNOTAVAIL:
                return Unavailable(port, "another process", True)
            if refused:
                holder = (
                    "nobody, but it needs more rights" if refused in (errno.EACCES, errno.EPERM) else "another process"
                )
                return Unavailable(port, holder, False)
        return None

    def _save(self) -> None:
        kept = {name: [address, sorted(ports)] for name, (address, ports) in sorted(self._kept.items())}
        write_atomically(self._file, json.dumps(kept, indent=1).encode())
