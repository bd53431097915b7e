"""What a coordinator refuses a request with, and how a failure of its log reads to a client."""

from __future__ import annotations

from kio.schema.errors import ErrorCode

from kopfka_runtime.errors import KopfkaError

LOG_ERRORS = (KopfkaError, OSError)
"""What a log can fail with."""


class RefusedError(KopfkaError):
    """A request is refused with one of the protocol's error codes."""

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(message or code.name)
        self.code = code


class MalformedRecordError(KopfkaError):
    """A record of an internal topic is not in one of Kafka's schemas."""


# Clients know the coordinator's errors, not those of a partition: what a retry helps against becomes an error that
# makes the client look the coordinator up again.
_OF_THE_LOG = {
    ErrorCode.unknown_topic_or_partition: ErrorCode.coordinator_not_available,
    ErrorCode.not_enough_replicas: ErrorCode.coordinator_not_available,
    ErrorCode.request_timed_out: ErrorCode.coordinator_not_available,
    ErrorCode.not_leader_or_follower: ErrorCode.not_coordinator,
    ErrorCode.kafka_storage_error: ErrorCode.not_coordinator,
    ErrorCode.message_too_large: ErrorCode.unknown_server_error,
    ErrorCode.record_list_too_large: ErrorCode.unknown_server_error,
    ErrorCode.invalid_fetch_size: ErrorCode.unknown_server_error,
}


def of_the_log(error: Exception) -> ErrorCode:
    """Return the code that a client gets when writing to an internal topic failed with `error`."""
    code = getattr(error, "code", None)
    if isinstance(code, ErrorCode):
        return _OF_THE_LOG.get(code, code)
    return ErrorCode.not_coordinator if isinstance(error, OSError) else ErrorCode.unknown_server_error
