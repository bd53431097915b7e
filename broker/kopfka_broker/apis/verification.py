"""Asking the coordinator before a transaction's first batch in a partition is appended (KIP-890).

Without this, a batch that comes late could begin a transaction that nobody ends, and readers of committed records would
stop before it for ever. From version 12 of Produce on the question is at the same time the registration of the
partition; older clients have registered it before (AddPartitionsToTxn).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_wire.batches import HEADER_SIZE, NO_PRODUCER_ID, TRANSACTIONAL_MASK, read_header
from kopfka_wire.produce import PartitionResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.storage import PartitionLog
    from kopfka_broker.storage.producers import Verification
    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.produce import ProduceRequest, TopicKey

Key = tuple["TopicKey", int]
"""A partition as the request names it."""

# numbers of kio's ErrorCode, as they go over the wire
_NONE: Final = 0
_NOT_ENOUGH_REPLICAS: Final = 19
_INVALID_TXN_STATE: Final = 48
_CONCURRENT_TRANSACTIONS: Final = 51
_TRANSACTION_ABORTABLE: Final = 120

_RETRIABLE: Final = {
    13: "NETWORK_EXCEPTION",
    14: "COORDINATOR_LOAD_IN_PROGRESS",
    15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR",
    _CONCURRENT_TRANSACTIONS: "CONCURRENT_TRANSACTIONS",
}
"""What a producer does not expect of Produce, though trying again helps; it is told so by an error it knows."""

_FIRST_ABORTABLE = 11
_FIRST_THAT_ADDS = 12


class TransactionalBatch(NamedTuple):
    """A batch of a transaction, and where it is to go."""

    key: Key
    topic: str
    log: PartitionLog
    header: BatchHeader


class Verified(NamedTuple):
    """What came of asking: an answer for each partition that may not be written to, a pass for each other one."""

    refused: dict[Key, PartitionResult]
    passes: dict[Key, Verification]


def transactional_batches(cluster: Cluster, request: ProduceRequest) -> Iterator[TransactionalBatch]:
    """Go through the batches of a request that belong to a transaction and have a partition to go to."""
    for topic_key, partitions in request.topics:
        topic = cluster.topic(topic_key)
        if topic is None:
            continue
        for index, records in partitions:
            if records is None or len(records) < HEADER_SIZE or not 0 <= index < len(topic.partitions):
                continue
            header = read_header(records)
            if header.attributes & TRANSACTIONAL_MASK and header.producer_id != NO_PRODUCER_ID:
                yield TransactionalBatch((topic_key, index), topic.name, topic.partitions[index], header)


def unverified(batches: list[TransactionalBatch]) -> list[TransactionalBatch]:
    """Return the batches that would begin a transaction in their partition."""
    return [
        each
        for each in batches
        if each.log.producers.open_transaction(each.header.producer_id, each.header.producer_epoch) is None
    ]


async def verify(cluster: Cluster, transactional_id: str, version: int, batches: list[TransactionalBatch]) -> Verified:
    """Ask the coordinator about batches of one producer; what is passed is to be appended before anything is awaited.

    The coordinator itself waits a moment where the transaction before is still being ended.
    """
    adds = version >= _FIRST_THAT_ADDS
    first = batches[0].header
    passes = {each.key: _begin(each, adds) for each in batches}
    if not adds and not cluster.config.get("transaction.partition.verification.enable"):
        return Verified({}, passes)
    codes = await cluster.transactions.verify(
        transactional_id,
        first.producer_id,
        first.producer_epoch,
        [(each.topic, each.key[1]) for each in batches],
        add=adds,
    )
    refused: dict[Key, PartitionResult] = {}
    for each in batches:
        code = codes[each.topic, each.key[1]]
        if code == _NONE:
            # the marker of the transaction before may have come while the coordinator waited: its answer is newer
            passes[each.key] = _begin(each, adds)
        else:
            refused[each.key] = refusal(each.key[1], code, version)
    return Verified(refused, passes)


def refusal(index: int, code: int, version: int) -> PartitionResult:
    """Return what a producer is told of an error of the coordinator, in the words and the codes Kafka has for it."""
    if code == _TRANSACTION_ABORTABLE and version < _FIRST_ABORTABLE:
        code = _INVALID_TXN_STATE
    if code == _INVALID_TXN_STATE:
        return PartitionResult(index, code, error_message="Partition was not added to the transaction")
    if code in _RETRIABLE and (code != _CONCURRENT_TRANSACTIONS or version < _FIRST_THAT_ADDS):
        cause = _RETRIABLE[code]
        message = f"Unable to verify the partition has been added to the transaction. Underlying error: {cause}"
        return PartitionResult(index, _NOT_ENOUGH_REPLICAS, error_message=message)
    return PartitionResult(index, code)


def _begin(batch: TransactionalBatch, adds: bool) -> Verification:
    header = batch.header
    return batch.log.producers.begin_verification(
        header.producer_id, header.producer_epoch, header.base_sequence, wall_clock_ms(), bumps_epoch=adds
    )
