"""SCRAM credentials of users, kept in a document of the data folder: what KRaft keeps as UserScramCredentialRecords.

No password is ever here, only what checks one. How a client proves that it knows it is in `scram`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from kopfka_broker.metadata_store import SCRAM_CREDENTIALS
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, ScramCredential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kopfka_broker.metadata_store import MetadataStore

Key = tuple[str, str]
"""A user and the name of a mechanism."""


class ScramCredentials:
    """Every credential of the cluster."""

    def __init__(self, store: MetadataStore) -> None:
        self._document = store.document(SCRAM_CREDENTIALS, secret=True)
        self._credentials: dict[Key, ScramCredential] = {}

    def load(self) -> None:
        """Read the credentials that were kept.

        Raises:
            DataFolderError: the document is damaged.
        """
        users = self._document.load()
        try:
            self._credentials = {
                (user, mechanism): _read(mechanism, fields)
                for user, by_mechanism in (users or {}).items()
                for mechanism, fields in by_mechanism.items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._document.damaged(error) from None

    def get(self, mechanism: str, user: str) -> ScramCredential | None:
        """Return the credential of a user for one mechanism, None where it has none."""
        return self._credentials.get((user, mechanism))

    def of_user(self, user: str) -> dict[str, ScramCredential]:
        """Return the credentials of a user by mechanism."""
        found = {mechanism: self.get(mechanism, user) for mechanism in SCRAM_MECHANISMS}
        return {mechanism: credential for mechanism, credential in found.items() if credential is not None}

    def users(self) -> list[str]:
        """Return every user that has a credential."""
        return list(dict.fromkeys(user for user, _ in self._credentials))

    def change(self, upserted: Mapping[Key, ScramCredential], removed: Iterable[Key]) -> None:
        """Give users credentials and take others away, all at once, durably.

        Raises:
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        gone = set(removed)
        after = {key: value for key, value in self._credentials.items() if key not in gone} | dict(upserted)
        if after == self._credentials:
            return
        users: dict[str, dict[str, Any]] = {}
        for (user, mechanism), credential in after.items():
            users.setdefault(user, {})[mechanism] = _written(credential)
        self._document.save(users)
        self._credentials = after


def _written(credential: ScramCredential) -> dict[str, Any]:
    secrets = {name: base64.b64encode(getattr(credential, name)).decode() for name in _BYTES}
    return {**secrets, "iterations": credential.iterations}


def _read(mechanism: str, fields: dict[str, Any]) -> ScramCredential:
    if mechanism not in SCRAM_MECHANISMS:
        raise ValueError(f"there is no mechanism {mechanism}")
    secrets = {name: base64.b64decode(fields[name], validate=True) for name in _BYTES}
    return ScramCredential(**secrets, iterations=int(fields["iterations"]))


_BYTES = ("salt", "stored_key", "server_key")
