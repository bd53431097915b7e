"""The rules of what may change between a writer's and a reader's Protobuf schema: one table.

A change is named as in Confluent's registry, in the direction from the writer's (older, where backward compatibility
is asked for) to the reader's schema. The verdicts are those of Confluent's releases since June 2026, which compare the
fields of a message by number whatever oneof they are in. Where Protobuf has more than Confluent's registry looks at,
`compare` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kopfka_registry.formats.contract import Difference


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of change."""

    name: str
    compatible: bool
    """Whether a reader may have changed so and still reads what was written."""
    text: str
    """What is told of it; `{path}`, `{reader}` and `{writer}` stand in it."""


@dataclass(frozen=True, slots=True)
class ProtobufDifference(Difference):
    """A difference as Confluent's verbose answers tell it for Protobuf: in double quotes."""

    def told(self, reader: str, writer: str) -> str:
        """Return the difference for a `reader` and a `writer` (`new` and `old`)."""
        said = self.text.replace("{reader}", reader).replace("{writer}", writer)
        return f'{{errorType:"{self.rule}", description:"{said}"}}'


_TABLE: Final = (
    # the file
    Rule("PACKAGE_CHANGED", False,
         "The package at '{path}' in the {reader} schema does not match the package in the {writer} schema"),
    # messages
    Rule("MESSAGE_ADDED", True, "The {writer} schema has no MESSAGE type at path '{path}' of the {reader} schema"),
    Rule("MESSAGE_REMOVED", False,
         "The {reader} schema is missing a MESSAGE type at path '{path}' in the {writer} schema"),
    Rule("MESSAGE_MOVED", True, "The MESSAGE type at path '{path}' has another place in the {reader} schema"),
    # enums
    Rule("ENUM_ADDED", True, "The {writer} schema has no ENUM type at path '{path}' of the {reader} schema"),
    Rule("ENUM_REMOVED", True, "The {reader} schema has no ENUM type at path '{path}' of the {writer} schema"),
    Rule("ENUM_CONST_ADDED", True, "The {writer} schema has no value at path '{path}' of the {reader} schema"),
    Rule("ENUM_CONST_CHANGED", True, "The value at path '{path}' has another name in the {reader} schema"),
    Rule("ENUM_CONST_REMOVED", True, "The {reader} schema has no value at path '{path}' of the {writer} schema"),
    # fields
    Rule("FIELD_ADDED", True, "The {writer} schema has no field at path '{path}' of the {reader} schema"),
    Rule("FIELD_REMOVED", True, "The {reader} schema has no field at path '{path}' of the {writer} schema"),
    Rule("FIELD_NAME_CHANGED", True, "The field at path '{path}' has another name in the {reader} schema"),
    Rule("FIELD_KIND_CHANGED", False,
         "The type of a field at path '{path}' in the {reader} schema does not match the {writer} schema"),
    Rule("FIELD_SCALAR_KIND_CHANGED", False,
         "The kind of a SCALAR field at path '{path}' in the {reader} schema does not match its kind in the {writer} "
         "schema"),
    Rule("FIELD_NAMED_TYPE_CHANGED", False,
         "The type of a MESSAGE field at path '{path}' in the {reader} schema does not match its type in the {writer} "
         "schema"),
    Rule("FIELD_NUMERIC_LABEL_CHANGED", False,
         "The label for a NUMERIC field at path '{path}' in the {reader} schema does not match its label in the "
         "{writer} schema"),
    Rule("FIELD_STRING_OR_BYTES_LABEL_CHANGED", True,
         "The label of a string or bytes field at path '{path}' is another in the {reader} schema"),
    # two blanks: so Confluent's registry says it
    Rule("REQUIRED_FIELD_ADDED", False,
         "A required field  at path '{path}' in the {reader} schema is missing in the {writer} schema"),
    Rule("REQUIRED_FIELD_REMOVED", False,
         "The {reader} schema is missing a required field at path: '{path}' in the {writer} schema"),
    # oneofs
    Rule("ONEOF_ADDED", True, "The {writer} schema has no oneof at path '{path}' of the {reader} schema"),
    Rule("ONEOF_REMOVED", True, "The {reader} schema has no oneof at path '{path}' of the {writer} schema"),
    Rule("ONEOF_FIELD_ADDED", True, "The {writer} schema has no oneof field at path '{path}' of the {reader} schema"),
    Rule("ONEOF_FIELD_REMOVED", False,
         "The {reader} schema is missing a oneof field at path '{path}' in the {writer} schema"),
    Rule("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", True, "The field at path '{path}' is in no oneof in the {reader} schema"),
    Rule("MULTIPLE_FIELDS_MOVED_TO_ONEOF", False,
         "Multiple fields in the oneof at path '{path}' in the {reader} schema are outside a oneof in the {writer} "
         "schema"),
    Rule("FIELD_MOVED_TO_EXISTING_ONEOF", False,
         "A field in the oneof at path '{path}' in the {reader} schema is outside an existing oneof in the {writer} "
         "schema"),
)  # fmt: skip

RULES: Final = {rule.name: rule for rule in _TABLE}


def difference(name: str, path: str) -> ProtobufDifference:
    """Return a change of this kind at this place."""
    return ProtobufDifference(name, path, RULES[name].text.replace("{path}", path))
