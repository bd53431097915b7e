"""The operator's errors; each becomes a condition, or one line at start."""

from __future__ import annotations

from kopfka_runtime.errors import KopfkaError


class OperatorError(KopfkaError):
    """The operator could not do something."""


class ConnectionConfigError(OperatorError):
    """The kubeconfig or the service account does not say how to reach a Kubernetes API server."""


class ApiUnreachableError(OperatorError):
    """The Kubernetes API server does not answer."""


class ApiError(OperatorError):
    """The Kubernetes API server refused a request; `reason` is its own word for why."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def transient(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return self.status in (409, 429) or self.status >= 500


class LeadershipLostError(OperatorError):
    """The Lease could not be renewed in time: another operator may act from now on."""


class BrokerUnreachableError(OperatorError):
    """No broker of the cluster answers; worth trying again."""


class BrokerRefusedError(OperatorError):
    """The broker said no, in the words of the message; `code` is the name of Kafka's error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RegistryUnreachableError(OperatorError):
    """A schema registry does not answer; worth trying again."""


class RegistryRefusedError(OperatorError):
    """A schema registry said no, in the words of the message; `code` is the `error_code` of its API."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def transient(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return self.status in (408, 429) or self.status >= 500


class RetryLater(OperatorError):
    """Nothing is wrong with the resource; the same work is to be tried again after a while."""
