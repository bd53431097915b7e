"""What can be wrong with bytes that claim to be Kafka's protocol, and the root of what clients fail with."""

from kopfka_runtime.errors import KopfkaError


class WireError(KopfkaError):
    """Bytes from the other side, or an answer for it, do not fit Kafka's protocol."""


class MalformedMessageError(WireError):
    """A message is cut short, or a length in it does not fit what follows."""


class FrameTooLargeError(WireError):
    """The size before a message is negative, or above what this side takes (`socket.request.max.bytes`)."""


class UnsupportedVersionError(WireError):
    """There is no such API, or it has no such version."""


class ClientError(KopfkaError):
    """What was asked of a cluster was not done."""

    retriable = False
    """Whether the same call may succeed later, nothing else having changed."""


class AuthenticationError(ClientError):
    """One side could not prove to the other who it is; another attempt would end the same way."""
