"""Goes once through all schemas of a text: checks their keywords, and notes what references go from and lead to.

Iterative and linear. References are not followed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import MOST_STEPS
from kopfka_registry.formats.jsonschema.drafts import Shape, keywords
from kopfka_registry.formats.jsonschema.shapes import fault
from kopfka_registry.formats.jsonschema.text import shown
from kopfka_registry.formats.jsonschema.uris import LONGEST, join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kopfka_registry.formats.jsonschema.drafts import Draft
    from kopfka_registry.formats.jsonschema.text import Json

_MOST_PATTERNS: Final = 500
"""Regular expressions of one text that are tried; further ones are taken for good."""
_ONE: Final = frozenset({Shape.SCHEMA, Shape.SCHEMA_OR_BOOLEAN})


class Budget:
    """How many steps are left; a step is some microseconds."""

    def __init__(self, what: str, steps: int = MOST_STEPS) -> None:
        self._what = what
        self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            SchemaTooComplexError: there are not as many left.
        """
        self._left -= steps
        if self._left < 0:
            raise SchemaTooComplexError(f"{self._what} takes more than {MOST_STEPS} steps")


class Step(NamedTuple):
    """The way from the root of a text to a place in it; written out only where something is told of it."""

    before: Step | None
    name: str

    def __str__(self) -> str:
        names: list[str] = []
        step: Step | None = self
        while step is not None:
            names.append(step.name)
            step = step.before
        return "/".join(reversed(names))


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference and where it stands."""

    value: Json
    """The schema that has it."""
    keyword: str
    base: str
    at: Step


@dataclass(slots=True)
class Findings:
    """What a text has that references concern."""

    resources: list[tuple[str, Json]] = field(default_factory=list)
    """Schemas that have a URI of their own."""
    anchors: list[tuple[str, str, Json]] = field(default_factory=list)
    """Base, name and schema."""
    dynamic: list[tuple[str, str, Json]] = field(default_factory=list)
    """The same for `$dynamicAnchor`; for `$recursiveAnchor` with an empty name."""
    references: list[Reference] = field(default_factory=list)


def examine(
    value: Json, base: str, draft: Draft, budget: Budget, seen: set[int], *, at: Step | None = None
) -> Findings:
    """Check a schema and all in it that were not `seen` before, and return what was found.

    Raises:
        InvalidSchemaError: a keyword has a value its draft does not allow; with the place.
        SchemaTooComplexError: there is more than the budget allows.
    """
    findings = Findings()
    patterns: set[str] = set()
    shapes = keywords(draft)
    open_: list[tuple[Json, str, Step]] = [(value, base, at or Step(None, "#"))]
    while open_:
        schema, base, here = open_.pop()
        budget.spend()
        if isinstance(schema, bool) and draft is not draft.DRAFT_4:
            continue
        said = fault(Shape.SCHEMA, schema, draft)
        if said is not None:
            raise InvalidSchemaError(f"{here}: {said}")
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        outer, base = base, own_base(schema, base, draft)
        if base is not outer:
            budget.spend(len(base) // 10)  # it is kept: many long ones would fill the memory
        for keyword, inner in schema.items():
            shape = shapes.get(keyword)
            if shape is None:
                continue
            budget.spend()
            there = Step(here, keyword)
            said = fault(shape, inner, draft)
            if said is not None:
                raise InvalidSchemaError(f"{there}: {said}")
            if keyword in ("pattern", "patternProperties"):
                _check_patterns(inner, there, patterns)
            open_ += [(each, base, step) for each, step in inside(shape, inner, there, draft)]
        if draft is draft.DRAFT_4:
            _limits_of_draft_4(schema, here)
        _note(schema, base, draft, here, findings)
    return findings


def reference_keywords(draft: Draft) -> tuple[str, ...]:
    """Return the keywords that refer to another schema."""
    if draft is draft.DRAFT_2020_12:
        return ("$ref", "$dynamicRef")
    return ("$ref", "$recursiveRef") if draft is draft.DRAFT_2019_09 else ("$ref",)


def own_base(schema: Json, base: str, draft: Draft) -> str:
    """Return what references in a schema are relative to, given what they are around it.

    Raises:
        InvalidSchemaError: the schema's id is longer than what is worked on.
    """
    named = schema.get(draft.id_keyword) if isinstance(schema, dict) else None
    if not isinstance(named, str) or named.startswith("#") or (not draft.modern and "$ref" in schema):
        return base
    if len(named) > LONGEST:
        raise InvalidSchemaError(f"a {draft.id_keyword} has more than {LONGEST} characters")
    return join(base, named)


def inside(shape: Shape, value: Json, at: Step, draft: Draft) -> Iterator[tuple[Json, Step]]:
    """Yield the schemas in the value of a keyword, each with its place.

    Raises:
        InvalidSchemaError: one is neither a schema nor what else it could be.
    """
    if shape in _ONE:
        if not isinstance(value, bool):
            yield value, at
    elif shape in (Shape.SCHEMAS, Shape.SCHEMA_OR_SCHEMAS):
        if isinstance(value, list):
            for number, each in enumerate(value):
                yield each, Step(at, str(number))
        else:
            yield value, at
    elif shape is Shape.SCHEMAS_BY_NAME:
        for name, each in value.items():
            yield each, Step(at, name)
    elif shape is Shape.SCHEMAS_OR_NAMES_BY_NAME:
        for name, each in value.items():
            there = Step(at, name)
            if not isinstance(each, list):
                yield each, there
                continue
            said = fault(Shape.NAMES if draft.value > draft.DRAFT_4.value else Shape.SOME_NAMES, each, draft)
            if said is not None:
                raise InvalidSchemaError(f"{there}: {said}")


def _note(schema: Json, base: str, draft: Draft, here: Step, findings: Findings) -> None:
    named = schema.get(draft.id_keyword)
    if isinstance(named, str) and (draft.modern or "$ref" not in schema):
        if named.startswith("#"):
            findings.anchors.append((base, named[1:], schema))
        else:
            findings.resources.append((base, schema))
    if draft.modern:
        if "$anchor" in schema:
            findings.anchors.append((base, schema["$anchor"], schema))
        if draft is draft.DRAFT_2020_12 and "$dynamicAnchor" in schema:
            findings.anchors.append((base, schema["$dynamicAnchor"], schema))
            findings.dynamic.append((base, schema["$dynamicAnchor"], schema))
        if draft is draft.DRAFT_2019_09 and schema.get("$recursiveAnchor") is True:
            findings.dynamic.append((base, "", schema))
    for keyword in reference_keywords(draft):
        if keyword in schema:
            if len(schema[keyword]) > LONGEST:
                raise InvalidSchemaError(f"{here}/{keyword}: must have at most {LONGEST} characters")
            findings.references.append(Reference(schema, keyword, base, here))


def _check_patterns(said: Json, at: Step, seen: set[str]) -> None:
    from kopfka_registry.formats.jsonschema.regexes import broken  # noqa: PLC0415 many schemas have none

    for pattern in (said,) if isinstance(said, str) else said:
        if pattern in seen or len(seen) >= _MOST_PATTERNS:
            continue
        seen.add(pattern)
        why = broken(pattern)
        if why is not None:
            raise InvalidSchemaError(f"{at}: {shown(pattern)} is no regular expression: {why}")


def _limits_of_draft_4(schema: Json, here: Step) -> None:
    for keyword, other in (("exclusiveMaximum", "maximum"), ("exclusiveMinimum", "minimum")):
        if keyword in schema and other not in schema:
            raise InvalidSchemaError(f"{here}/{keyword}: must have a {other} beside it")
