"""Whether two schemas say the same in the same words. What is the same need not be compared rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kopfka_registry.formats.jsonschema.drafts import keywords
from kopfka_registry.formats.jsonschema.examine import Step, inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kopfka_registry.formats.jsonschema.examine import Budget
    from kopfka_registry.formats.jsonschema.library import Located
    from kopfka_registry.formats.jsonschema.text import Json, Keys

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_Pair: TypeAlias = tuple[int, int]
_NOWHERE = Step(None, "")


class Same:
    """Compares words, and those of what they refer to."""

    def __init__(self, keys: Keys, budget: Budget) -> None:
        self._keys = keys
        self._budget = budget
        self._referring: dict[int, bool] = {}
        self._told: dict[_Pair, bool] = {}

    def told(self, one: Located, other: Located) -> bool:
        """Tell whether two schemas, and all that they refer to, have the same text."""
        if not self._equal(one, other):
            return False
        if not self._refers(one.value):
            return True
        pair = id(one.value), id(other.value)
        if pair not in self._told:
            self._decide(one, other)
        return self._told[pair]

    def _equal(self, one: Located, other: Located) -> bool:
        return self._keys.of(one.value) == self._keys.of(other.value) and one.draft is other.draft

    def _decide(self, one: Located, other: Located) -> None:
        """Decide for a pair and all that it leads to: those that lead to a difference are different."""
        before: dict[_Pair, list[_Pair]] = {}
        different: list[_Pair] = []
        seen: set[_Pair] = set()
        open_ = [(one, other)]
        while open_:
            one, other = open_.pop()
            pair = id(one.value), id(other.value)
            if pair in seen:
                continue
            seen.add(pair)
            self._budget.spend()
            known = self._told.get(pair)
            following = None if known is False else () if known else self._following(one, other)
            if following is None:
                different.append(pair)
                continue
            for here, there in following:
                before.setdefault((id(here.value), id(there.value)), []).append(pair)
                open_.append((here, there))
        while different:
            pair = different.pop()
            if pair in seen:
                seen.discard(pair)
                self._told[pair] = False
                different += before.get(pair, ())
        self._told.update(dict.fromkeys(seen, True))

    def _following(self, one: Located, other: Located) -> Sequence[tuple[Located, Located]] | None:
        """Return the pairs that two schemas lead to; None if they are different."""
        if not self._equal(one, other):
            return None
        if not self._refers(one.value):
            return ()
        found: list[tuple[Located, Located]] = []
        for keyword, said in one.references():
            here = one.document.library.target(one, keyword, said)
            there = other.document.library.target(other, keyword, said)
            if here is None or there is None:
                return None
            found.append((here, there))
        # equal texts have their schemas in the same places, but not in the same order
        inner = dict(_inside(other))
        found += [(each, inner[at]) for at, each in _inside(one)]
        return found

    def _refers(self, value: Json) -> bool:
        if not isinstance(value, dict | list):
            return False
        key = self._keys.of(value)
        known = self._referring.get(key)
        if known is None:
            if isinstance(value, dict):
                known = any(each in value for each in _REFERENCES) or any(map(self._refers, value.values()))
            else:
                known = any(map(self._refers, value))
            self._referring[key] = known
        return known


def _inside(place: Located) -> Iterator[tuple[str, Located]]:
    if isinstance(place.value, list):
        yield from ((str(number), place.at(each)) for number, each in enumerate(place.value))
    if not isinstance(place.value, dict):
        return
    shapes = keywords(place.draft)
    for keyword, value in place.value.items():
        if keyword in shapes:
            for each, at in inside(shapes[keyword], value, Step(_NOWHERE, keyword), place.draft):
                yield str(at), place.at(each)
