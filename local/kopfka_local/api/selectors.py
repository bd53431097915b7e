"""Label and field selectors: the texts clients send, and the `metav1.LabelSelector` objects inside resources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_local.api.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<k0>[\w./-]+)"
    r"|(?P<k1>[\w./-]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[\w.-]*)"
    r"|(?P<k2>[\w./-]+)\s+(?P<set>in|notin)\s*\((?P<values>[\w.,\s-]*)\)"
    r"|(?P<k3>[\w./-]+))\s*(?:,|$)"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label `key`."""

    key: str
    operator: str  # exists, absent, in, notin, gt, lt
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet it."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
        try:
            number, bound = int(value or ""), int(next(iter(self.values)))
        except ValueError:
            return False
        return number > bound if self.operator == "gt" else number < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements must be met; with none, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """Read the text of a label selector (`app=web,tier in (a, b),!old`).

    Raises:
        ApiError: 400, it is malformed.
    """
    requirements: list[Requirement] = []
    position = 0
    while text[position:].strip():
        found = _REQUIREMENT.match(text, position)
        if found is None:
            raise bad_request(f'unable to parse requirement: found {text[position:].strip()!r} in selector "{text}"')
        position = found.end()
        requirements.append(_requirement(found))
    return LabelSelector(tuple(requirements))


def _requirement(found: re.Match[str]) -> Requirement:
    part = found.groupdict()
    if part["absent"]:
        return Requirement(part["k0"], "absent")
    if part["op"]:
        operator = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}[part["op"]]
        return Requirement(part["k1"], operator, frozenset({part["value"]}))
    if part["set"]:
        values = frozenset(value.strip() for value in part["values"].split(","))
        return Requirement(part["k2"], part["set"], values)
    return Requirement(part["k3"], "exists")


def from_object(selector: Mapping[str, Any]) -> LabelSelector:
    """Read a `metav1.LabelSelector` (`matchLabels`, `matchExpressions`)."""
    requirements = [Requirement(k, "in", frozenset({v})) for k, v in (selector.get("matchLabels") or {}).items()]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for expression in selector.get("matchExpressions") or []:
        operator = operators.get(expression.get("operator", ""), "in")
        requirements.append(Requirement(expression["key"], operator, frozenset(expression.get("values") or [])))
    return LabelSelector(tuple(requirements))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Pairs of path and value that must be equal (or not)."""

    terms: tuple[tuple[tuple[str, ...], bool, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Tell whether an object meets every term; a missing field counts as the empty text."""
        return all((_text_at(obj, path) == value) == equal for path, equal, value in self.terms)


def parse_field_selector(text: str, supported: Iterable[str]) -> FieldSelector:
    """Read the text of a field selector (`metadata.name=a,status.phase!=Running`).

    Raises:
        ApiError: 400, it is malformed or names a field that cannot be selected by.
    """
    terms = []
    known = {"metadata.name", "metadata.namespace", *supported}
    for term in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if found is None:
            raise bad_request(f'invalid selector: "{text}"; can\'t understand "{term}"')
        name, operator, value = found.groups()
        if name not in known:
            raise bad_request(f"field label not supported: {name}")
        terms.append((tuple(name.split(".")), operator != "!=", value))
    return FieldSelector(tuple(terms))


def _text_at(obj: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = obj
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
