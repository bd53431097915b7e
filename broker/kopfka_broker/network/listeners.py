"""Listeners: where the broker listens and under which addresses clients find it, from Kafka's three settings for that.

`listeners`, `advertised.listeners` and `listener.security.protocol.map` are read as Kafka reads them. What a listener
with TLS or SASL asks of its clients is read in `security.entrance`.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.network import POD_IP, is_wildcard, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

_URI = re.compile(r"([\w.-]+)://\[?([^\]/]*?)\]?:(-?\d+)$")
_MAX_PORT = 65535
DEFAULT_NAME = "PLAINTEXT"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True, slots=True)
class Listener:
    """A name and an address; as in `listeners`, or as advertised."""

    name: str
    host: str
    port: int
    protocol: str = DEFAULT_NAME
    """One of `PROTOCOLS`."""

    def __str__(self) -> str:
        """Return it as it is written in settings."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listeners:
    """What the broker listens on, and what it tells clients for each."""

    bound: tuple[Listener, ...]
    advertised: Mapping[str, Listener]

    def bound_to(self, ports: Mapping[str, int]) -> Listeners:
        """Return these with the ports the system chose, where a listener asked for any free one (port 0)."""
        advertised = {
            name: Listener(name, each.host, each.port or ports[name]) for name, each in self.advertised.items()
        }
        return Listeners(self.bound, advertised)

    def endpoint(self, listener: str) -> Listener:
        """Return the address to give to a client that came in by `listener`."""
        found = self.advertised[listener]
        return Listener(found.name, resolve(found.host), found.port)


def parse_listeners(text: str, setting: str) -> list[Listener]:
    """Read a value of `listeners` or `advertised.listeners`.

    Raises:
        SettingsError: an entry is no `NAME://HOST:PORT`, or two have the same name.
    """
    found: list[Listener] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = _URI.match(entry)
        if not match:
            raise SettingsError(
                f"{entry!r} in {setting} is no listener: write NAME://HOST:PORT (the host may be empty)"
            )
        name, host, port = match.group(1).upper(), match.group(2), int(match.group(3))
        if not 0 <= port <= _MAX_PORT:
            raise SettingsError(f"{port} in {setting} is not a port: write a number from 0 to {_MAX_PORT}")
        if any(each.name == name for each in found):
            raise SettingsError(f"{setting} names {name} twice: each listener needs a name of its own")
        found.append(Listener(name, host, port))
    return found


def listeners_from(settings: Mapping[str, str], listen: Listener | None, advertise: Listener | None) -> Listeners:
    """Put together the settings and the command line's `--listen` and `--advertise`.

    `--listen` adds a listener, unless the settings have one on that port already. `--advertise` is for that one, or for
    the first.

    Raises:
        SettingsError: they contradict each other, or ask for a protocol that is not served.
    """
    bound = _for_clients(parse_listeners(settings.get("listeners", ""), "listeners"), settings)
    first = bound[0].name if bound else DEFAULT_NAME
    if listen is not None:
        same = [each for each in bound if each.port == listen.port and listen.port]
        first = same[0].name if same else listen.name
        if not same:
            if any(each.name == listen.name for each in bound):
                raise SettingsError(f"--listen and listeners both give {listen.name}: leave one of them out")
            bound.append(listen)
    if not bound:
        bound.append(Listener(DEFAULT_NAME, "", 9092))
    bound = _with_protocols(bound, settings)
    advertised = {
        each.name: each for each in parse_listeners(settings.get("advertised.listeners", ""), "advertised.listeners")
    }
    unknown = set(advertised) - {each.name for each in bound}
    if unknown:
        raise SettingsError(f"advertised.listeners names {min(unknown)}, which is not in listeners")
    for each in advertised.values():
        if is_wildcard(each.host):
            raise SettingsError(
                f"advertised.listeners gives no address for {each.name}: clients need a name or an address"
            )
    if advertise is not None:
        advertised[first] = Listener(first, advertise.host, advertise.port)
    for each in bound:
        advertised.setdefault(
            each.name, Listener(each.name, _own_name() if is_wildcard(each.host) else each.host, each.port)
        )
    return Listeners(tuple(bound), advertised)


def _for_clients(bound: list[Listener], settings: Mapping[str, str]) -> list[Listener]:
    """Leave out the listeners of controllers, which talk to each other by them: there are none here."""
    names = {name.strip().upper() for name in settings.get("controller.listener.names", "").split(",")}
    return [each for each in bound if each.name not in names]


def _with_protocols(bound: list[Listener], settings: Mapping[str, str]) -> list[Listener]:
    protocols: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in settings.get("listener.security.protocol.map", "").split(","))):
        name, colon, protocol = entry.partition(":")
        if not colon:
            raise SettingsError(f"{entry!r} in listener.security.protocol.map: write NAME:PROTOCOL")
        protocols[name.strip().upper()] = protocol.strip().upper()
        if protocols[name.strip().upper()] not in PROTOCOLS:
            raise SettingsError(
                f"{entry!r} in listener.security.protocol.map: the protocol is one of {', '.join(PROTOCOLS)}"
            )
    found = []
    for each in bound:
        # names of protocols stand for themselves, as in the default of listener.security.protocol.map; any other
        # name needs an entry in Kafka, and is plain here
        implied = each.name if each.name in PROTOCOLS else DEFAULT_NAME
        found.append(Listener(each.name, each.host, each.port, protocols.get(each.name, implied)))
    return found


def _own_name() -> str:
    """Return what others call this machine, for a listener on all of its addresses."""
    return os.environ.get(POD_IP) or socket.gethostname()
