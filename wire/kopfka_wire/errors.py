"""What can be wrong with bytes that claim to be Kafka's protocol."""

from kopfka_runtime.errors import KopfkaError


class WireError(KopfkaError):
    """Bytes from the other side, or an answer for it, do not fit Kafka's protocol."""


class MalformedMessageError(WireError):
    """A message is cut short, or a length in it does not fit what follows."""


class FrameTooLargeError(WireError):
    """The size before a message is negative, or above what this side takes (`socket.request.max.bytes`)."""


class UnsupportedVersionError(WireError):
    """There is no such API, or it has no such version."""
