"""Whether a schema goes together with those before it, at one of the seven levels. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kopfka_registry.errors import InvalidCompatibilityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_registry.formats.contract import ParsedSchema


class Level(Enum):
    """Who must be able to read whose data; transitive levels mean all former versions and not the last one only."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @classmethod
    def named(cls, name: str | None) -> Level:
        """Return a level by its name, in any case.

        Raises:
            InvalidCompatibilityError: there is none of this name.
        """
        try:
            return cls((name or "").upper())
        except ValueError:
            raise InvalidCompatibilityError(
                f"Invalid compatibility level '{name}'. Valid values are {', '.join(each.value for each in cls)}"
            ) from None

    @property
    def backward(self) -> bool:
        """Whether the new schema must read what old ones wrote."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether old schemas must read what the new one writes."""
        return self.value.startswith(("FORWARD", "FULL"))

    @property
    def transitive(self) -> bool:
        """Whether all former versions count."""
        return self.value.endswith("_TRANSITIVE")


@dataclass(frozen=True, slots=True)
class Former:
    """A version that is there already."""

    version: int
    type: str
    schema: ParsedSchema


def check(level: Level, kind: str, new: ParsedSchema, former: Sequence[Former]) -> list[str]:
    """Return why `new` may not follow `former` (oldest first), in the words of verbose answers; empty where it may.

    The latest version is compared first, and the first one that does not fit is the one that is told.

    Raises:
        SchemaTooComplexError: comparing two of them would take too long.
    """
    counted = former if level.transitive else former[-1:]
    for each in reversed(counted):
        said = _differences(level, kind, new, each)
        if said:
            return [*said, f"{{oldSchemaVersion: {each.version}}}", f"{{oldSchema: '{each.schema.canonical}'}}"]
    return []


def _differences(level: Level, kind: str, new: ParsedSchema, old: Former) -> list[str]:
    if level is Level.NONE:
        return []
    if kind != old.type:
        return [f"Incompatible because of different schema type: {kind} follows {old.type}"]
    said: list[str] = []
    # of a full level, Confluent's registry tells first what old code cannot read
    if level.forward:
        said += [each.told("old", "new") for each in old.schema.differences(new)]
    if level.backward:
        said += [each.told("new", "old") for each in new.differences(old.schema)]
    return list(dict.fromkeys(said))
