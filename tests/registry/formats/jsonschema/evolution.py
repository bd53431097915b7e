"""One step of a schema's evolution, told by the registry and tried with data by a validator that is not ours."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.validators import validator_for

from kopfka_registry.formats.jsonschema import FORMAT
from kopfka_registry.formats.jsonschema.rules import RULES

MODERN = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
DRAFT_2019 = {"$schema": "https://json-schema.org/draft/2019-09/schema"}
DRAFT_4 = {"$schema": "http://json-schema.org/draft-04/schema#"}
STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def parsed(schema: Any, references: dict[str, Any] | None = None) -> Any:
    """Return a schema as the registry has it."""
    texts = {name: json.dumps(each) for name, each in (references or {}).items()}
    return FORMAT.parse(json.dumps(schema), texts)


def changes(writer: Any, reader: Any, references: dict[str, Any] | None = None) -> list[str]:
    """Return all differences, as `RULE #/path`."""
    found = parsed(reader, references).changes(parsed(writer, references), compatible=True)
    return [f"{difference.rule} {difference.path}" for difference, _ in found]


def broken(writer: Any, reader: Any, references: dict[str, Any] | None = None) -> list[str]:
    """Return the differences that make the reader unable to read, as `RULE #/path`."""
    found = parsed(reader, references).differences(parsed(writer, references))
    return [f"{difference.rule} {difference.path}" for difference in found]


def valid(schema: Any, instance: Any) -> bool:
    """Tell, by the library `jsonschema`, whether an instance is valid."""
    return bool(validator_for(schema, default=Draft7Validator)(schema).is_valid(instance))


def compatible(writer: Any, reader: Any, expected: list[str], *old: Any) -> None:
    """Assert that these are the differences, that none of them hurts, and that the reader takes old data."""
    assert changes(writer, reader) == expected
    assert broken(writer, reader) == []
    assert all(RULES[each.split()[0]].compatible for each in expected)
    assert old, "an example of old data is wanted"
    for each in old:
        assert valid(writer, each), f"not old data: {each}"
        assert valid(reader, each), f"not read: {each}"


def incompatible(writer: Any, reader: Any, expected: list[str], old: Any) -> None:
    """Assert that these are the differences, that one of them hurts, and that the reader refuses some old data."""
    assert changes(writer, reader) == expected
    hurting = [each for each in expected if not RULES[each.split()[0]].compatible]
    assert hurting
    assert broken(writer, reader) == hurting
    assert valid(writer, old), "not old data"
    assert not valid(reader, old), "old data is read, so why is it incompatible?"


def lenient(writer: Any, reader: Any, expected: list[str], old: Any) -> None:
    """Assert that these are the differences and that none hurts, as Confluent has it, though old data is not valid."""
    assert changes(writer, reader) == expected
    assert broken(writer, reader) == []
    assert valid(writer, old)
    assert not valid(reader, old)


def strict(writer: Any, reader: Any, expected: list[str]) -> None:
    """Assert that these are the differences and that one hurts, as Confluent has it, though no data is lost."""
    assert changes(writer, reader) == expected
    assert broken(writer, reader) != []
