"""Storage of the broker: partitions as logs of segments in the files and formats of Apache Kafka.

Nothing here knows of requests or connections. Everything runs on the event loop's thread except fdatasync.
"""

from kopfka_broker.storage.config import LogConfig
from kopfka_broker.storage.errors import (
    CorruptMessageError,
    DataFolderError,
    InvalidPartitionsError,
    InvalidProducerEpochError,
    InvalidRecordError,
    InvalidTimestampError,
    InvalidTopicError,
    InvalidTxnStateError,
    KafkaStorageError,
    MessageTooLargeError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceError,
    RecordListTooLargeError,
    StorageError,
    TopicExistsError,
    TransactionCoordinatorFencedError,
    UnknownTopicError,
    UnsupportedCompressionTypeError,
)
from kopfka_broker.storage.log import Appended, PartitionLog
from kopfka_broker.storage.manager import LogManager
from kopfka_broker.storage.schedule import StorageSettings
from kopfka_broker.storage.topics import Topic
from kopfka_broker.storage.transactions import AbortedTransaction

__all__ = [
    "AbortedTransaction",
    "Appended",
    "CorruptMessageError",
    "DataFolderError",
    "InvalidPartitionsError",
    "InvalidProducerEpochError",
    "InvalidRecordError",
    "InvalidTimestampError",
    "InvalidTopicError",
    "InvalidTxnStateError",
    "KafkaStorageError",
    "LogConfig",
    "LogManager",
    "MessageTooLargeError",
    "OffsetOutOfRangeError",
    "OutOfOrderSequenceError",
    "PartitionLog",
    "RecordListTooLargeError",
    "StorageError",
    "StorageSettings",
    "Topic",
    "TopicExistsError",
    "TransactionCoordinatorFencedError",
    "UnknownTopicError",
    "UnsupportedCompressionTypeError",
]
