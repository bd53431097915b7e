"""What can go wrong here: a benchmark fails where a program breaks, never because of a figure."""

from __future__ import annotations

from kopfka_runtime.errors import KopfkaError


class BenchError(KopfkaError):
    """Something could not be measured."""


class MissingProgramError(BenchError):
    """What Apache Kafka needs is not on this machine."""


class BuildError(BenchError):
    """What is made once and kept could not be made; the message is what the builder said."""


class BrokerEndedError(BenchError):
    """A broker ended by itself; the message has the end of its log."""


class NotInTimeError(BenchError, AssertionError):
    """Something that was waited for did not come; in a test, a failed assertion."""


class LostRecordsError(BenchError):
    """A broker did not acknowledge, or did not give back, what was produced."""


class RefusedError(BenchError):
    """A broker answered with an error."""
