"""Client quotas (KIP-546): which limits users, client ids and addresses have, and which of them counts for a client.

Kept in a document of the data folder. How a limit is enforced is the business of `throttling`.
"""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_broker.metadata_store import MetadataStore


class QuotaKey(enum.StrEnum):
    """What can be limited."""

    PRODUCER_BYTE_RATE = "producer_byte_rate"
    CONSUMER_BYTE_RATE = "consumer_byte_rate"
    REQUEST_PERCENTAGE = "request_percentage"
    CONTROLLER_MUTATION_RATE = "controller_mutation_rate"
    CONNECTION_CREATION_RATE = "connection_creation_rate"


USER: Final = "user"
CLIENT_ID: Final = "client-id"
IP: Final = "ip"
ENTITY_TYPES: Final = (USER, CLIENT_ID, IP)

DEFAULT: Final = ""
"""The name that stands for all that have no quota of their own; nothing else is called so."""

Entity = frozenset[tuple[str, str]]
"""Whom a quota is for: types and names, `DEFAULT` for Kafka's null."""

Quotas = dict[Entity, dict[str, float]]


def entity(**names: str | None) -> Entity:
    """Return the entity of a user, a client_id, an ip; None leaves one out."""
    return frozenset((kind.replace("_", "-"), name) for kind, name in names.items() if name is not None)


class Limit(NamedTuple):
    """The limit that counts for a client, and with whom the client shares it."""

    value: float
    user: str
    """Empty where all users of the client id share it."""
    client_id: str
    """Empty where all clients of the user share it."""


class ClientQuotas:
    """Every quota of the cluster."""

    def __init__(self, store: MetadataStore) -> None:
        self._document = store.document("client-quotas")
        self._listeners: list[Callable[[], None]] = []
        self.quotas: Quotas = {}

    def load(self) -> None:
        """Read the quotas that were kept.

        Raises:
            DataFolderError: the document is damaged.
        """
        entries = self._document.load()
        try:
            self.quotas = {_entity(entry["entity"]): _values(entry["values"]) for entry in entries or ()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._document.damaged(error) from None
        self._tell()

    def change(self, quotas: Quotas) -> None:
        """Replace all quotas, durably.

        Raises:
            KafkaStorageError: they cannot be kept; nothing has changed.
        """
        kept = {entity: values for entity, values in quotas.items() if values}
        if kept == self.quotas:
            return
        self._document.save(
            [
                {"entity": {kind: name or None for kind, name in sorted(each)}, "values": values}
                for each, values in kept.items()
            ]
        )
        self.quotas = kept
        self._tell()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after quotas were loaded or changed."""
        self._listeners.append(callback)

    def keys(self) -> set[str]:
        """Return what is limited for anybody."""
        return {key for values in self.quotas.values() for key in values}

    def limit(self, key: QuotaKey, user: str, client_id: str) -> Limit | None:
        """Return the limit of a client, None where it has none: the most specific one, users before client ids."""
        for asked, sharing in (
            (entity(user=user, client_id=client_id), (user, client_id)),
            (entity(user=user, client_id=DEFAULT), (user, client_id)),
            (entity(user=user), (user, "")),
            (entity(user=DEFAULT, client_id=client_id), (user, client_id)),
            (entity(user=DEFAULT, client_id=DEFAULT), (user, client_id)),
            (entity(user=DEFAULT), (user, "")),
            (entity(client_id=client_id), ("", client_id)),
            (entity(client_id=DEFAULT), ("", client_id)),
        ):
            value = self.quotas.get(asked, _NONE).get(key)
            if value is not None and not math.isnan(value):  # Kafka takes NaN, and throttles nobody by it
                return Limit(value, *sharing)
        return None

    def connection_rate(self, address: str) -> float | None:
        """Return how many connections a second an address may open, None where there is no limit."""
        for name in (address, DEFAULT):
            value = self.quotas.get(entity(ip=name), _NONE).get(QuotaKey.CONNECTION_CREATION_RATE)
            if value is not None and not math.isnan(value):
                return value
        return None

    def _tell(self) -> None:
        for callback in self._listeners:
            callback()


_NONE: Mapping[str, float] = {}


def _entity(names: dict[str, str | None]) -> Entity:
    unknown = names.keys() - set(ENTITY_TYPES)
    if unknown or not names:
        raise ValueError(f"a quota is for {names}")
    return frozenset((kind, name or DEFAULT) for kind, name in names.items())


def _values(values: dict[str, Any]) -> dict[str, float]:
    return {QuotaKey(key).value: float(value) for key, value in values.items()}
