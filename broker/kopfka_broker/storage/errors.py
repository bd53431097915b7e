"""What storage refuses or cannot do; each class carries the error code of Kafka's protocol that says it to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from kio.schema.errors import ErrorCode


class StorageError(KopfkaError):
    """Root of the family."""

    number: ClassVar[int] = -1
    """The error code as it goes over the wire."""

    @property
    def code(self) -> ErrorCode:
        """The error code of Kafka's protocol."""
        # imported when needed: storage starts and recovers without paying for the protocol's schema
        from kio.schema.errors import ErrorCode  # noqa: PLC0415

        return ErrorCode(self.number)


class OffsetOutOfRangeError(StorageError):
    """The offset is below the log start offset or above the log end offset."""

    number = 1


class CorruptMessageError(StorageError):
    """A batch fails its checksum or contradicts itself."""

    number = 2


class DamagedSegmentError(CorruptMessageError):
    """A log file has no batch where there should be one."""

    def __init__(self, message: str, position: int = -1) -> None:
        super().__init__(message)
        self.position = position


class MessageTooLargeError(StorageError):
    """A batch is larger than `max.message.bytes`."""

    number = 10


class RecordListTooLargeError(StorageError):
    """The batches of one append are larger together than `segment.bytes`."""

    number = 18


class InvalidTimestampError(StorageError):
    """A timestamp is further from the broker's clock than the topic allows."""

    number = 32


class InvalidTopicError(StorageError):
    """A topic name that cannot be a folder of Kafka's layout."""

    number = 17


class TopicExistsError(StorageError):
    """A topic of that name exists."""

    number = 36


class UnknownTopicError(StorageError):
    """No topic of that name exists."""

    number = 3


class InvalidPartitionsError(StorageError):
    """The number of partitions is not positive, or smaller than what is there."""

    number = 37


class OutOfOrderSequenceError(StorageError):
    """A batch of an idempotent producer does not follow the last one of that producer."""

    number = 45


class InvalidProducerEpochError(StorageError):
    """A batch carries an older epoch than one that was written before."""

    number = 47


class InvalidTxnStateError(StorageError):
    """A batch is no part of a transaction its producer has open, or outside of the one it has open."""

    number = 48


class TransactionCoordinatorFencedError(StorageError):
    """A marker comes from a coordinator that another one has replaced."""

    number = 52


class KafkaStorageError(StorageError):
    """The disk failed or is full; what was written before can still be read."""

    number = 56


class UnsupportedCompressionTypeError(StorageError):
    """The codec in the batch attributes does not exist."""

    number = 76


class InvalidRecordError(StorageError):
    """A batch is well formed but may not be produced."""

    number = 87

    def __init__(self, message: str, record_errors: tuple[tuple[int, str], ...] = ()) -> None:
        super().__init__(message)
        self.record_errors = record_errors
        """Index in the batch, and what is wrong with it, for each record at fault, where that is known."""


class DataFolderError(KopfkaError):
    """The data folder cannot be used: locked by another broker, not writable, or of another cluster."""
