"""Whether two schemas say the same in the same words. What is the same need not be compared rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.jsonschema.drafts import keywords
from kopfka_registry.formats.jsonschema.examine import Step, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.formats.jsonschema.examine import Budget
    from kopfka_registry.formats.jsonschema.library import Located
    from kopfka_registry.formats.jsonschema.text import Json, Keys

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NOWHERE = Step(None, "")


class Same:
    """Compares words, and those of what they refer to."""

    def __init__(self, keys: Keys, budget: Budget) -> None:
        self._keys = keys
        self._budget = budget
        self._referring: dict[int, bool] = {}
        self._told: dict[tuple[int, int], bool] = {}

    def told(self, one: Located, other: Located) -> bool:
        """Tell whether two schemas, and all that they refer to, have the same text."""
        if self._keys.of(one.value) != self._keys.of(other.value) or one.draft is not other.draft:
            return False
        if not self._refers(one.value):
            return True
        pair = id(one.value), id(other.value)
        if pair not in self._told:
            self._told[pair] = self._all_same(one, other)
        return self._told[pair]

    def _all_same(self, one: Located, other: Located) -> bool:
        seen: set[tuple[int, int]] = set()
        open_ = [(one, other)]
        while open_:
            one, other = open_.pop()
            if self._keys.of(one.value) != self._keys.of(other.value) or one.draft is not other.draft:
                return False
            pair = id(one.value), id(other.value)
            if pair in seen or not self._refers(one.value):
                continue
            seen.add(pair)
            self._budget.spend()
            for keyword, said in one.references():
                here = one.document.library.target(one, keyword, said)
                there = other.document.library.target(other, keyword, said)
                if here is None or there is None:
                    return False
                open_.append((here, there))
            # equal texts have their schemas in the same places, but not in the same order
            inner = dict(_inside(other))
            open_ += [(each, inner[at]) for at, each in _inside(one)]
        return True

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
