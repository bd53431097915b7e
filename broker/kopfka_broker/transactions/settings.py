"""What the transaction coordinator is told by Kafka's broker configs, with Kafka's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """Limits and periods; each field names the config it stands for."""

    max_timeout_ms: int = 900_000
    """transaction.max.timeout.ms"""
    id_expiration_ms: int = 604_800_000
    """transactional.id.expiration.ms"""
    timeout_check_interval_ms: int = 10_000
    """transaction.abort.timed.out.transaction.cleanup.interval.ms"""
    expiration_check_interval_ms: int = 3_600_000
    """transaction.remove.expired.transaction.cleanup.interval.ms"""
    add_partitions_retry_ms: int = 100
    """add.partitions.to.txn.retry.backoff.max.ms"""

    @classmethod
    def from_config(cls, number: Callable[[str], int]) -> TransactionSettings:
        """Read every field through `number`, which returns the value of the broker config of a given name."""
        return cls(
            max_timeout_ms=number("transaction.max.timeout.ms"),
            id_expiration_ms=number("transactional.id.expiration.ms"),
            timeout_check_interval_ms=number("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            expiration_check_interval_ms=number("transaction.remove.expired.transaction.cleanup.interval.ms"),
            add_partitions_retry_ms=number("add.partitions.to.txn.retry.backoff.max.ms"),
        )
