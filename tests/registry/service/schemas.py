"""Small Avro schemas for tests of what does not depend on the language."""

from __future__ import annotations

import orjson


def record(name: str = "A", **fields: object) -> str:
    """Return a record; `x="int"` is a field, `x=("int", 0)` one with a default."""
    said = []
    for field, kind in fields.items():
        type_, *default = kind if isinstance(kind, tuple) else (kind,)
        said.append({"name": field, "type": type_, **({"default": default[0]} if default else {})})
    return orjson.dumps({"type": "record", "name": name, "fields": said}).decode()


ONE = record(x="int")
TWO = record(x="int", y=("int", 0))
"""May follow `ONE` at every level."""
OTHER = record(x="int", z="string")
"""May not follow `ONE` at the level BACKWARD."""
