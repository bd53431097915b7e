"""Transactions: the coordinator of transactional producers, as Apache Kafka's (KIP-98, KIP-360, KIP-890).

It knows who may write under a transactional id, which partitions a transaction is in and how it ended. What is written
in a transaction, and who may read it, is storage's; offsets committed in one are the groups'.
"""

from kopfka_broker.transactions.coordinator import TransactionCoordinator
from kopfka_broker.transactions.settings import TransactionSettings

__all__ = ["TransactionCoordinator", "TransactionSettings"]
