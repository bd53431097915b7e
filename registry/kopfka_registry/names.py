"""Names and numbers of the registry: subjects in their contexts, ids, versions.

A subject outside the default context is written `:.CONTEXT:NAME`; `:*:` means all contexts. Subjects are kept and
compared in that written form, as in Confluent's topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NewType

from kopfka_registry.errors import InvalidSubjectError, InvalidVersionError

SchemaId = NewType("SchemaId", int)
"""Number of a schema, the same for equal schemas of one context; what producers write before their data."""
Version = NewType("Version", int)
"""Number of a schema in its subject, from 1."""

DEFAULT_CONTEXT: Final = "."
WILDCARD: Final = ":*:"
GLOBAL_SUBJECT: Final = "__GLOBAL"
"""Reserved: the name under which Confluent's tools speak of the settings of a whole context."""
LATEST: Final = -1
LARGEST: Final = 2**31 - 1
_EMPTY: Final = "__EMPTY"
_RESERVED: Final = frozenset({GLOBAL_SUBJECT, _EMPTY})


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject's name, and the context it is in (`.`, `.staging`)."""

    context: str
    name: str

    @classmethod
    def parse(cls, written: str) -> Subject:
        """Read a subject as clients write it; `:.:NAME` and `NAME` are the same."""
        if written.startswith(":.") or written.startswith(WILDCARD):
            context, colon, name = written[1:].partition(":")
            if colon:
                return cls(context, name)
        return cls(DEFAULT_CONTEXT, written)

    @property
    def prefix(self) -> str:
        """What stands before names of this context: nothing in the default one."""
        return "" if self.context == DEFAULT_CONTEXT else f":{self.context}:"

    def __str__(self) -> str:
        return self.prefix + self.name


def qualified(written: str) -> str:
    """Return a subject in the one form it is kept in."""
    return str(Subject.parse(written)) if written.startswith(":") else written


def within(context: str, written: str) -> str:
    """Return a subject that stands in a schema of `context`: names without a context mean that one."""
    return qualified(written) if written.startswith(":") else str(Subject(context, written))


def context_of(subject: str) -> str:
    """Return the context of a subject in its kept form."""
    return Subject.parse(subject).context if subject.startswith(":") else DEFAULT_CONTEXT


def checked_subject(written: str) -> str:
    """Return a subject in its kept form, for something that is to be registered there.

    Raises:
        InvalidSubjectError: it has control characters, or a name that is reserved.
    """
    subject = Subject.parse(written)
    if subject.name in _RESERVED or subject.context == "*" or any(ord(each) < 32 for each in written):
        raise InvalidSubjectError(written)
    return str(subject)


def parse_version(text: str) -> Version:
    """Read a version of a path: a number, or `latest` (as -1, which is taken too).

    Raises:
        InvalidVersionError: it is neither.
    """
    if text == "latest":
        return Version(LATEST)
    try:
        number = int(text)
    except ValueError:
        raise InvalidVersionError(text) from None
    if number != LATEST and not 1 <= number <= LARGEST:
        raise InvalidVersionError(text)
    return Version(number)


WHOLE: Final[dict[str, None]] = {":.:": None, "": None}
"""Ways to write the default context as a whole; settings of it are those of all."""
