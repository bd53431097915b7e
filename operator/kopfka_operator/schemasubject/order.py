"""In which order subjects are registered: what others refer to comes first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set


def levels(needs: Mapping[str, Set[str]]) -> tuple[list[list[str]], list[str]]:
    """Return groups of names, each needing only names of the groups before it, and those for which there is no order.

    `needs` says for each name what it needs; what is needed and not among the names is there already.
    """
    left = {name: {each for each in wanted if each in needs} for name, wanted in needs.items()}
    groups: list[list[str]] = []
    while ready := sorted(name for name, wanted in left.items() if not wanted):
        groups.append(ready)
        for name in ready:
            del left[name]
        for wanted in left.values():
            wanted.difference_update(ready)
    return groups, sorted(left)


def dependents(names: Iterable[str], needs: Mapping[str, Set[str]]) -> set[str]:
    """Return the names, and all that need one of them, directly or through others."""
    found = set(names)
    while more := {name for name, wanted in needs.items() if name not in found and wanted & found}:
        found |= more
    return found
