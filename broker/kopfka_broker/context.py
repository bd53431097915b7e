"""What a handler knows of a request besides its body."""

from __future__ import annotations

from dataclasses import dataclass

from kopfka_broker.security.principal import ANONYMOUS, Principal


@dataclass(frozen=True, slots=True)
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
