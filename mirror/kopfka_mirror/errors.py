"""What ends a replicator. What it waits out, and what stops a single partition, is no exception but a state."""

from __future__ import annotations

from kopfka_runtime.errors import KopfkaError


class MirrorError(KopfkaError):
    """The replicator cannot go on."""


class FencedOutError(MirrorError):
    """Another replicator with the same flow has taken over."""
