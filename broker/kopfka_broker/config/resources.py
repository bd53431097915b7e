"""Configs of named resources that are neither brokers nor topics: groups (KIP-848), client metrics (KIP-714).

Kept as they were given, in one document a kind; what a name may be called and a value may say is the caller's business.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kopfka_broker.metadata_store import Document

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class ResourceConfigs:
    """The configs of every resource of one kind."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._settings: dict[str, dict[str, str]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def load(self) -> None:
        """Read what was altered before.

        Raises:
            DataFolderError: the document was damaged or is of a newer Kopfka.
        """
        self._settings = self._document.load() or {}

    def names(self) -> Iterable[str]:
        """Return the names of the resources that have configs of their own, in order."""
        return sorted(self._settings)

    def of(self, name: str) -> Mapping[str, str]:
        """Return the configs a resource was given."""
        return self._settings.get(name, _NONE)

    def alter(self, name: str, settings: Mapping[str, str]) -> None:
        """Replace the configs of a resource, durably; then call back those who asked for it.

        Raises:
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        after = {key: value for key, value in self._settings.items() if key != name}
        if settings:
            after[name] = dict(settings)
        self._document.save(after)
        self._settings = after
        for listener in self._listeners:
            listener(name)

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Call back with the name of a resource after its configs were altered."""
        self._listeners.append(callback)
