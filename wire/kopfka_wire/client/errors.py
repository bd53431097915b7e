"""What a client can fail with beside a broker's error codes, which are in `kopfka_wire.error_codes`."""

from __future__ import annotations

from kopfka_wire.errors import AuthenticationError, ClientError

__all__ = [
    "AuthenticationError",
    "ClientError",
    "ClosedError",
    "ConnectionLostError",
    "DeliveryTimeoutError",
    "LogTruncatedError",
    "NotKafkaError",
    "RequestTimeoutError",
    "TlsError",
    "TopicRecreatedError",
    "UnreachableError",
    "UnsupportedByBrokerError",
]


class ConnectionLostError(ClientError):
    """The connection ended before the answer came; the request may have been carried out."""

    retriable = True


class RequestTimeoutError(ConnectionLostError):
    """No answer came within the time the request had; the connection was given up."""


class UnreachableError(ClientError):
    """No broker answers; the message says why for each address that was tried."""

    retriable = True


class NotKafkaError(ClientError):
    """What listens there does not speak Kafka's protocol, or not the security protocol that is set."""

    retriable = True  # the port may be another program's until the broker is back


class TlsError(AuthenticationError):
    """The broker's certificate is not to be trusted or is another host's, or the broker does not take ours."""


class UnsupportedByBrokerError(ClientError):
    """The broker has no version of an API that this client can use."""


class DeliveryTimeoutError(ClientError):
    """Records were not acknowledged within the delivery timeout."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent
        """Whether they were on their way at least once, and may have been written."""


class LogTruncatedError(ClientError):
    """The log was cut below the position a reader had: what it read last is no longer there."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset
        """Up to here the log is what was read."""


class TopicRecreatedError(ClientError):
    """The topic was deleted, and another one of the same name created: offsets mean something else now."""


class ClosedError(ClientError):
    """The producer, member or cluster was closed."""
