"""What a handler knows of a request besides its body."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_broker.security.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.apis.repeated_produce import RepeatedProduce


@dataclass(slots=True)
class Caller:
    """The other side of one connection, from its first request to its last."""

    client_host: str = ""
    """The peer's address, without port."""
    client_port: int = 0
    """The peer's port."""
    listener: str = ""
    """Name of the listener it came in by, as in `listeners`."""
    security_protocol: str = "PLAINTEXT"
    principal: Principal = ANONYMOUS
    """Who it has proved to be."""
    token_authenticated: bool = False
    """Whether by a delegation token (KIP-48)."""
    software_name: str = "unknown"
    """What it said about itself in ApiVersions (KIP-511)."""
    software_version: str = "unknown"
    muted_until: float = 0.0
    """By `time.monotonic()`: no request of it starts before."""
    repeated: RepeatedProduce | None = None
    """What it has produced before, by which the next request is known."""
    on_close: tuple[Callable[[], None], ...] = ()
    """Called when the connection is gone."""

    def mute(self, milliseconds: float) -> None:
        """Let the connection wait after the answer that is being made, as Kafka throttles by quota: the answer goes
        out at once, the next request is neither read nor started before the time is over.
        """
        self.muted_until = max(self.muted_until, time.monotonic() + milliseconds / 1000)


@dataclass(slots=True)  # nobody changes it, but frozen it would take three times as long to make, for every request
class RequestContext:
    """Where a request came from and in which version its answer is expected."""

    api_key: int
    api_version: int
    client_id: str | None
    client_host: str
    """The peer's address, without port."""
    listener: str
    """Name of the listener the request came in by, as in `listeners`."""
    principal: Principal = ANONYMOUS
    """Who the client has proved to be."""
    caller: Caller = field(default_factory=Caller)
    """The connection it came by, to throttle it."""
