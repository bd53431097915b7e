"""Who a client is, as Kafka names it: `User:alice`, or `User:ANONYMOUS` on a listener that asks nobody."""

from __future__ import annotations

from typing import NamedTuple

USER = "User"


class Principal(NamedTuple):
    """A type and a name; `User` is the only type Kafka's own authenticators give."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return it as it is written in ACLs and in `super.users`."""
        return f"{self.kind}:{self.name}"


ANONYMOUS = Principal(USER, "ANONYMOUS")


def parse_principal(text: str) -> Principal | None:
    """Return the principal written as `TYPE:NAME`, None where it is written otherwise."""
    kind, colon, name = text.partition(":")
    return Principal(kind, name) if colon else None
