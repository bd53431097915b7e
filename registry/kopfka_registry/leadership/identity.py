"""How instances tell each other who they are: the bytes of the group protocol "sr", as in Confluent's registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from kopfka_registry.errors import StoreError

if TYPE_CHECKING:
    from kopfka_wire.client.member import Election

PROTOCOL_TYPE: Final = "sr"
PROTOCOL: Final = "v0"
_VERSION: Final = 1
_DUPLICATE_URLS: Final = 1


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """An instance by the address at which others reach it."""

    scheme: str
    host: str
    port: int
    eligible: bool = True
    """Whether it may lead (`leader.eligibility`)."""

    @property
    def url(self) -> str:
        """Its address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def encode(self, *, leads: bool = False) -> bytes:
        """Return its metadata for the group; `leads` tells that it leads now."""
        return orjson.dumps(self._plain() | {"leader": leads})

    def _plain(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "host": self.host,
            "port": self.port,
            "master_eligibility": self.eligible,
            "scheme": self.scheme,
        }


def elect(election: Election) -> dict[str, bytes]:
    """Return what each member is told: the leader, which stays who it is while it is there, else the first by address.

    Members with the same address cannot be told apart, so then there is no leader until that is mended.
    """
    identities = {member.member_id: decode(member.metadata) for member in election.members}
    addresses = [identity.url for identity, _ in identities.values()]
    duplicate = len(set(addresses)) < len(addresses)
    candidates = sorted(
        (not leads, identity.url, member) for member, (identity, leads) in identities.items() if identity.eligible
    )
    said: dict[str, Any] = {"version": _VERSION, "error": _DUPLICATE_URLS if duplicate else 0}
    if candidates and not duplicate:
        member = candidates[0][2]
        said |= {"master": member, "master_identity": orjson.loads(identities[member][0].encode())}
    data = orjson.dumps(said)
    return dict.fromkeys(identities, data)


def decode(metadata: bytes) -> tuple[Identity, bool]:
    """Read a member's metadata: who it is, and whether it leads.

    Raises:
        StoreError: it is no registry's.
    """
    try:
        said = orjson.loads(metadata)
        return _identity(said), bool(said.get("leader"))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise StoreError(
            "a member of the group is no schema registry: give the registry a schema.registry.group.id of its own"
        ) from None


def leader_of(data: bytes) -> Identity | None:
    """Read an assignment: who leads, if anybody.

    Raises:
        StoreError: it is no registry's, or two instances have one address.
    """
    try:
        said = orjson.loads(data)
        if said.get("error") == _DUPLICATE_URLS:
            raise StoreError("two instances say they have the same address: give each its own host.name and port")
        identity = said.get("master_identity")
        return _identity(identity) if identity else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
        raise StoreError("an assignment of the group is no schema registry's") from None


def _identity(said: dict[str, Any]) -> Identity:
    return Identity(
        str(said.get("scheme", "http")),
        str(said["host"]),
        int(said["port"]),
        bool(said.get("master_eligibility", True)),
    )
