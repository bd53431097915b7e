"""Small pieces of cluster metadata as named JSON documents of the data folder, where KRaft would keep a metadata log.

ACLs, SCRAM credentials, quotas, delegation tokens, altered configs: each is one document, small, read once at the start
and replaced as a whole. A change is on disk before it is in force; a reader finds the old or the new document, never
half of one. A document says in which version it is written, so a later Kopfka can read it and an older one refuses it.
What a document means is its owner's business.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kopfka_broker.storage.checkpoints import write_atomically
from kopfka_broker.storage.errors import DataFolderError

if TYPE_CHECKING:
    from pathlib import Path

SCRAM_CREDENTIALS = "scram-credentials"
DELEGATION_TOKENS = "delegation-tokens"
"""Names of documents that are read at the start where they are there, and whose owners are made only then."""

_ENVELOPE = {"version", "data"}
_BARE = 0
"""The version of a document from before documents had versions."""


class Document:
    """One of them: `data` is anything JSON can say."""

    def __init__(self, path: Path, version: int, *, secret: bool) -> None:
        self.path = path
        self._version = version
        self._mode = 0o600 if secret else 0o644

    def load(self) -> Any | None:
        """Return the data, None where nothing was ever saved.

        Raises:
            DataFolderError: the file was damaged, or written by a newer Kopfka.
        """
        try:
            found = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise self.damaged(error) from None
        if not isinstance(found, dict) or found.keys() != _ENVELOPE:
            version, data = _BARE, found
        else:
            version, data = found["version"], found["data"]
        if not isinstance(version, int) or (version == _BARE and not isinstance(data, dict)):
            raise self.damaged("it holds something else")
        if version > self._version:
            raise DataFolderError(f"{self.path} is of a newer Kopfka (version {version}): run that one")
        return data

    def save(self, data: Any) -> None:
        """Replace the data, durably.

        Raises:
            KafkaStorageError: it cannot be kept; what was saved before is still there.
        """
        text = json.dumps({"version": self._version, "data": data}, separators=(",", ":"))
        write_atomically(self.path, text.encode(), mode=self._mode)

    def damaged(self, why: object) -> DataFolderError:
        """Return the error for data that its owner cannot understand."""
        return DataFolderError(f"{self.path} is damaged ({why}): restore or remove it")


class MetadataStore:
    """The documents of one data folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def has(self, name: str) -> bool:
        """Tell whether anything was ever saved under that name."""
        return self.document(name).path.exists()

    def document(self, name: str, version: int = 1, *, secret: bool = False) -> Document:
        """Return the document kept as `NAME.json`; nothing is read yet.

        Args:
            name: the file's, without suffix.
            version: the newest its owner understands, in which it is saved.
            secret: nobody but the broker's user may read the file.
        """
        return Document(self._directory / f"{name}.json", version, secret=secret)
