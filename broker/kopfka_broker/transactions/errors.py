"""What a request of a transactional producer is refused with."""

from __future__ import annotations

from kopfka_broker.coordinators.errors import RefusedError


class TransactionError(RefusedError):
    """A request about a transaction is refused with one of the protocol's error codes."""
