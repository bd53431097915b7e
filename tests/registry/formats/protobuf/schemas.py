"""Random Protobuf schemas and what may become of them: some changes are allowed, others are not."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

SCALARS: Final = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
                  "sfixed64", "bool", "float", "double", "string", "bytes")  # fmt: skip
KEYS: Final = ("int32", "uint64", "sint32", "fixed32", "bool", "string")
ENUMS: Final = ("Color", "Shape")
MESSAGES: Final = ("First", "Second", "Third")


@dataclass
class Field:
    """A field: `oneof` is the name of the oneof it is in, or nothing."""

    number: int
    name: str
    type: str
    label: str = ""
    oneof: str = ""


@dataclass
class Schema:
    """A file: fields by message, values by enum."""

    syntax: str
    package: str
    messages: dict[str, list[Field]]
    enums: dict[str, dict[str, int]]
    reserved: dict[str, list[int]] = field(default_factory=dict)

    def text(self) -> str:
        """Write the file."""
        lines = [f'{"edition" if self.syntax == "2023" else "syntax"} = "{self.syntax}";', f"package {self.package};"]
        for name, fields in self.messages.items():
            lines.append(f"message {name} {{")
            lines += [f"  reserved {number};" for number in self.reserved.get(name, ())]
            lines += [f"  {self._written(one)}" for one in fields if not one.oneof]
            for oneof in dict.fromkeys(one.oneof for one in fields if one.oneof):
                members = " ".join(f"{one.type} {one.name} = {one.number};" for one in fields if one.oneof == oneof)
                lines.append(f"  oneof {oneof} {{ {members} }}")
            lines.append("}")
        for name, values in self.enums.items():
            lines.append(f"enum {name} {{ {' '.join(f'{key} = {value};' for key, value in values.items())} }}")
        return "\n".join(lines) + "\n"

    def _written(self, one: Field) -> str:
        label = one.label
        if one.type.startswith("map<") or (self.syntax == "2023" and label != "repeated"):
            label = ""
        elif self.syntax == "proto2" and not label:
            label = "optional"
        elif self.syntax == "proto3" and label == "required":
            label = ""
        return f"{label + ' ' if label else ''}{one.type} {one.name} = {one.number};"


_TYPES = st.one_of(
    st.sampled_from(SCALARS),
    st.sampled_from(ENUMS),
    st.sampled_from(MESSAGES),
    st.builds("map<{}, {}>".format, st.sampled_from(KEYS), st.sampled_from((*SCALARS, *ENUMS, *MESSAGES))),
)
_LABELS = st.sampled_from(("", "", "optional", "repeated", "required"))
_ONEOFS = st.sampled_from(("", "", "", "one", "two"))


@st.composite
def _fields(draw: st.DrawFn) -> list[Field]:
    numbers = draw(st.lists(st.integers(1, 8), unique=True, max_size=5))
    return [_field(number, draw(_TYPES), draw(_LABELS), draw(_ONEOFS)) for number in numbers]


def _field(number: int, kind: str, label: str, oneof: str) -> Field:
    if kind.startswith("map<") or label in ("repeated", "required"):
        oneof = ""
    return Field(number, f"field{number}", kind, label if not oneof else "", oneof)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Return a schema with three messages, which may hold each other, and two enums."""
    return Schema(
        draw(st.sampled_from(("proto2", "proto3", "2023"))),
        draw(st.sampled_from(("pkg", "pkg.inner"))),
        {name: draw(_fields()) for name in MESSAGES},
        {
            "Color": {"RED": 0, "GREEN": 1, "BLUE": 2},
            "Shape": {"ROUND": 0, "FLAT": 1},
        },
    )


@st.composite
def evolved(draw: st.DrawFn, schema: Schema) -> Schema:
    """Return the schema after one to three changes."""
    changed = copy.deepcopy(schema)
    for _ in range(draw(st.integers(1, 3))):
        _CHANGES[draw(st.sampled_from(sorted(_CHANGES)))](draw, changed)
    return changed


def _some(draw: st.DrawFn, schema: Schema) -> tuple[list[Field], Field] | None:
    filled = [fields for fields in schema.messages.values() if fields]
    if not filled:
        return None
    fields = draw(st.sampled_from(filled))
    return fields, draw(st.sampled_from(fields))


def _add(draw: st.DrawFn, schema: Schema) -> None:
    name = draw(st.sampled_from(sorted(schema.messages)))
    fields = schema.messages[name]
    free = [number for number in range(1, 12) if number not in {one.number for one in fields}]
    fields.append(_field(draw(st.sampled_from(free)), draw(_TYPES), draw(_LABELS), draw(_ONEOFS)))


def _remove(draw: st.DrawFn, schema: Schema) -> None:
    if found := _some(draw, schema):
        found[0].remove(found[1])


def _rename(draw: st.DrawFn, schema: Schema) -> None:
    if found := _some(draw, schema):
        found[1].name += "renamed"


def _retype(draw: st.DrawFn, schema: Schema) -> None:
    """Change a type, most often to one that is close to it."""
    if found := _some(draw, schema):
        fields, old = found
        near = next((group for group in (SCALARS[:10], SCALARS[10:], ENUMS, MESSAGES) if old.type in group), None)
        kind = draw(st.sampled_from(near) if near and draw(st.integers(0, 3)) else _TYPES)
        fields[fields.index(old)] = _field(old.number, kind, old.label, old.oneof)


def _relabel(draw: st.DrawFn, schema: Schema) -> None:
    if found := _some(draw, schema):
        fields, old = found
        fields[fields.index(old)] = _field(old.number, old.type, draw(_LABELS), "")


def _move(draw: st.DrawFn, schema: Schema) -> None:
    """Move one field or two to one place."""
    if found := _some(draw, schema):
        fields, oneof = found[0], draw(_ONEOFS)
        for old in {id(one): one for one in (found[1], draw(st.sampled_from(fields)))}.values():
            fields[fields.index(old)] = _field(old.number, old.type, old.label, oneof)


def _rename_oneof(draw: st.DrawFn, schema: Schema) -> None:
    for one in schema.messages[draw(st.sampled_from(sorted(schema.messages)))]:
        if one.oneof:
            one.oneof = f"new{one.oneof.removeprefix('new')}"


def _grow_enum(draw: st.DrawFn, schema: Schema) -> None:
    schema.enums["Shape"]["SQUARE"] = 2


def _reorder(draw: st.DrawFn, schema: Schema) -> None:
    schema.messages = dict(sorted(schema.messages.items(), reverse=True))


def _add_message(draw: st.DrawFn, schema: Schema) -> None:
    schema.messages["Fourth"] = [Field(1, "field1", "string")]


def _package(draw: st.DrawFn, schema: Schema) -> None:
    schema.package = "other"


_CHANGES = {
    "add": _add, "remove": _remove, "rename": _rename, "retype": _retype, "relabel": _relabel, "move": _move,
    "rename oneof": _rename_oneof, "grow enum": _grow_enum, "reorder": _reorder, "add message": _add_message,
    "package": _package,
}  # fmt: skip
