"""Who asks: what is known of whoever sent a request, once it is known who that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from kopfka_registry.security.rights import Rights

CALLER = "kopfka.caller"
RIGHTS = "kopfka.rights"
"""Keys of a request's scope; without the first, the registry asks nobody who it is."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody."""

    name: str | None = None
    """None: nobody knows."""
    roles: frozenset[str] = frozenset()
    """What its login says it is."""
    certified: bool = False
    """Whether it proved itself by a certificate, which cannot be passed on."""

    def __str__(self) -> str:
        return "an unknown caller" if self.name is None else f"User:{self.name}"


ANONYMOUS = Caller()


def caller_of(request: Request) -> Caller:
    """Return who sent a request."""
    found: Caller = request.scope.get(CALLER, ANONYMOUS)
    return found


def rights_of(request: Request) -> Rights | None:
    """Return what the sender of a request may do; None: everything, as there are no roles."""
    found: Rights | None = request.scope.get(RIGHTS)
    return found
