"""The name of a TLS client: the subject of its certificate, by `ssl.principal.mapping.rules` (KIP-371)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTING = "ssl.principal.mapping.rules"
_RULE = re.compile(r"\s*(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)/((?:\\.|[^\\/])*)/([LU]?))\s*(?:,|$)")
# a group of the pattern in a replacement, as Java writes it
_GROUP = re.compile(r"\\(.)|\$(\d)")


class NoRuleAppliesError(KopfkaError):
    """A client's certificate has a subject that no rule is for."""


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str] | None
    """None: DEFAULT, which takes any name as it is."""
    replacement: str = ""
    case: str = ""

    def apply(self, name: str) -> str | None:
        if self.pattern is None:
            return name
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        mapped = _GROUP.sub(lambda part: part[1] or found[int(part[2])] or "", self.replacement)
        return mapped.lower() if self.case == "L" else mapped.upper() if self.case == "U" else mapped


@dataclass(frozen=True, slots=True)
class PrincipalMapping:
    """The rules of one listener, the first that applies wins."""

    rules: Sequence[_Rule]
    text: str

    def name(self, distinguished_name: str) -> str:
        """Return the name of a client whose certificate has this subject, in RFC 2253 form.

        Raises:
            NoRuleAppliesError: none of them applies.
        """
        for rule in self.rules:
            mapped = rule.apply(distinguished_name)
            if mapped is not None:
                return mapped
        raise NoRuleAppliesError(f"no rule of {SETTING} ({self.text}) applies to {distinguished_name}")


def parse_rules(text: str, setting: str = SETTING) -> PrincipalMapping:
    """Read the rules.

    Raises:
        SettingsError: one is no rule, or its pattern no regular expression.
    """
    rules: list[_Rule] = []
    rest = text.strip() or "DEFAULT"
    position = 0
    while position < len(rest):
        found = _RULE.match(rest, position)
        if found is None:
            raise SettingsError(
                f"{setting} is malformed at {rest[position:]!r}: write DEFAULT or RULE:PATTERN/REPLACEMENT/[L|U], "
                "with commas between"
            )
        position = found.end()
        rules.append(_Rule(None) if found[1] else _rule(found[2], found[3], found[4], setting))
    return PrincipalMapping(tuple(rules), text)


def _rule(pattern: str, replacement: str, case: str, setting: str) -> _Rule:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"{setting}: {pattern!r} is no regular expression ({error})") from None
    wrong = [group[2] for group in _GROUP.finditer(replacement) if group[2] and int(group[2]) > compiled.groups]
    if wrong:
        raise SettingsError(f"{setting}: ${wrong[0]} in {replacement!r} is no group of {pattern!r}")
    return _Rule(compiled, replacement, case)
