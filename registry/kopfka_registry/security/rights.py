"""What roles may do, by patterns of subjects. Pure.

A pattern is written as a subject is, with `*` for any characters: `orders-*` means subjects of the default context,
`:.staging:*` those of another one, `:*:orders-*` those of each; `*` alone means all of all contexts, and what is above
them: the settings and the mode of all.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_registry.names import DEFAULT_CONTEXT, WILDCARD, Subject
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.settings import unknown_setting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PREFIX: Final = "kopfka.role."
"""Of the settings of a role: `kopfka.role.ROLE.read`, `.write`, `.admin` and `.principals`."""
SUPER: Final = "kopfka.super.roles"
_PRINCIPALS: Final = "principals"
_EVERYTHING: Final = "*"
_GLOBAL: Final = ".__GLOBAL"
"""The context that stands for all: its settings hold in each."""


class Right(enum.IntEnum):
    """What may be done; each includes those before it."""

    READ = 1
    """Get, look up, test compatibility."""
    WRITE = 2
    """Register, delete softly."""
    ADMIN = 3
    """Delete for good, change settings and modes."""


@dataclass(frozen=True, slots=True)
class _Glob:
    """A text with `*` in it, cut there. Matching takes time in proportion to the text, whatever the pattern."""

    parts: tuple[str, ...]

    def fits(self, text: str) -> bool:
        first, *middle = self.parts
        if not middle:
            return text == first
        last = middle.pop()
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True


def _glob(text: str) -> _Glob:
    return _Glob(tuple(text.split("*")))


@dataclass(frozen=True, slots=True)
class _Pattern:
    context: _Glob
    name: _Glob

    def fits(self, subject: Subject) -> bool:
        return self.context.fits(subject.context) and self.name.fits(subject.name)


def _pattern(text: str) -> _Pattern:
    subject = Subject.parse(text)
    return _Pattern(_glob(subject.context), _glob(subject.name))


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """What one set of roles may do."""

    everything: Right | None
    """What may be done with everything."""
    patterns: Mapping[Right, tuple[_Pattern, ...]]
    """For each right, where it is held (it, or one that includes it)."""

    def may(self, right: Right, subject: str) -> bool:
        """Tell whether the right is held on a subject, or on a context as a whole (`:.CONTEXT:`)."""
        if self.everything is not None and self.everything >= right:
            return True
        parsed = Subject.parse(subject)
        if parsed.context in (_GLOBAL, WILDCARD.strip(":")):
            return False
        return any(pattern.fits(parsed) for pattern in self.patterns[right])

    def may_all(self, right: Right) -> bool:
        """Tell whether the right is held on everything, and so on what holds for all."""
        return self.everything is not None and self.everything >= right

    def may_any(self) -> bool:
        """Tell whether there is anything that may be done."""
        return self.everything is not None or bool(self.patterns[Right.READ])

    def sees(self, context: str) -> bool:
        """Tell whether there may be anything to read in a context."""
        if context == DEFAULT_CONTEXT or self.everything is not None:
            return True
        return any(pattern.context.fits(context) for pattern in self.patterns[Right.READ])


@dataclass(slots=True)
class Roles:
    """The roles there are."""

    grants: Mapping[str, Mapping[Right, tuple[str, ...]]]
    """By role and right, the patterns."""
    supers: frozenset[str] = frozenset()
    """Roles that may do everything."""
    principals: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By the name of a caller, roles that it has, however it logged in."""
    _made: dict[frozenset[str], Rights] = field(default_factory=dict)

    def of(self, name: str | None, roles: Collection[str]) -> Rights:
        """Return the rights of a caller of this name, whose login says it has these roles."""
        own = self.principals.get(name, frozenset()) if name is not None else frozenset()
        # only the roles that mean something here: tokens may list any number of others
        known = frozenset(role for role in {*roles, *own} if role in self.grants or role in self.supers)
        found = self._made.get(known)
        if found is None:
            found = self._made[known] = self._rights(known)
        return found

    def _rights(self, roles: frozenset[str]) -> Rights:
        granted = [(right, text) for role in roles for right, texts in self.grants.get(role, {}).items()
                   for text in texts]  # fmt: skip
        everything = [right for right, text in granted if text == _EVERYTHING]
        if roles & self.supers:
            everything.append(Right.ADMIN)
        return Rights(
            max(everything, default=None),
            {
                right: tuple(_pattern(text) for held, text in granted if held >= right and text != _EVERYTHING)
                for right in Right
            },
        )


def is_role_setting(name: str) -> bool:
    """Tell whether a setting is one of roles."""
    return name == SUPER or name.startswith(PREFIX)


def read_roles(given: Mapping[str, str]) -> Roles | None:
    """Read the settings of roles; None where there are none, and whoever is let in may do everything.

    Raises:
        SettingsError: one is malformed.
    """
    grants: dict[str, dict[Right, tuple[str, ...]]] = {}
    principals: dict[str, set[str]] = {}
    for setting, value in given.items():
        if not setting.startswith(PREFIX):
            continue
        role, _, what = setting.removeprefix(PREFIX).rpartition(".")
        if not role or what not in (_PRINCIPALS, *(right.name.lower() for right in Right)):
            role = role or what or "ROLE"
            known = [f"{PREFIX}{role}.{each}" for each in ("read", "write", "admin", _PRINCIPALS)]
            raise unknown_setting(setting, known)
        rights = grants.setdefault(role, {})
        if what == _PRINCIPALS:
            for name in _listed(value, ";"):
                principals.setdefault(name.removeprefix("User:"), set()).add(role)
        else:
            rights[Right[what.upper()]] = tuple(_checked(setting, each) for each in _listed(value, ","))
    supers = frozenset(_listed(given.get(SUPER, ""), ","))
    if not grants and not supers:
        return None
    return Roles(grants, supers, {name: frozenset(roles) for name, roles in principals.items()})


def _listed(text: str, separator: str) -> Iterable[str]:
    return [part for part in (each.strip() for each in text.split(separator)) if part]


def _checked(setting: str, pattern: str) -> str:
    if pattern.startswith(":") and not (pattern.startswith((":.", WILDCARD)) and pattern.count(":") > 1):
        raise SettingsError(f"{setting}: {pattern} is no pattern of subjects: write :.CONTEXT:NAME, or NAME alone")
    return pattern
