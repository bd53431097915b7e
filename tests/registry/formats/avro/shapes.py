"""Avro schemas as JSON and as texts, in short."""

from __future__ import annotations

from typing import Any, Final


class Field(dict[str, Any]):
    """A field, told from a type."""


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    """Return a record; a field is its type, or itself."""
    made = [each if isinstance(each, Field) else Field(name=f"f{i}", type=each) for i, each in enumerate(fields)]
    return {"type": "record", "name": name, "fields": made, **more}


def field(name: str, of: Any, **more: Any) -> Field:
    """Return a field."""
    return Field(name=name, type=of, **more)


def enum(*symbols: str, name: str = "E", **more: Any) -> dict[str, Any]:
    """Return an enum."""
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F", **more: Any) -> dict[str, Any]:
    """Return a fixed type."""
    return {"type": "fixed", "name": name, "size": size, **more}


def array(of: Any) -> dict[str, Any]:
    """Return an array."""
    return {"type": "array", "items": of}


def map_(of: Any) -> dict[str, Any]:
    """Return a map."""
    return {"type": "map", "values": of}


def written(fields: str, more: str = "") -> str:
    """Return the text of a record, given the texts of its fields and of what stands before them."""
    return f'{{"type":"record","name":"R"{more},"fields":[{fields}]}}'


INT_FIELD: Final = '{"name":"a","type":"int"}'
E: Final = '{"type":"enum","name":"E","symbols":["A"]}'
OTHER_E: Final = '{"type":"enum","name":"E","symbols":["B"]}'
OWN_PARENT: Final = written('{"name":"a","type":["R"]}')
ADDRESS: Final = '{"type":"record","name":"Address","namespace":"com.acme","fields":[{"name":"city","type":"string"}]}'
HOME: Final = '{"name":"home","type":"Address"}'
