"""Rules of CRDs and whether their schema has the fields that they name: Kubernetes decides, in `test_differential`."""

from __future__ import annotations

from typing import Any

ANYTHING: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}
INTEGER = {"type": "integer"}
OPEN = {"type": "object", "additionalProperties": ANYTHING}
INNER = {"type": "object", "properties": {"a": INTEGER, "free": ANYTHING}}
SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": INTEGER,
        "free": ANYTHING,
        "open": OPEN,
        "typed": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": INTEGER}},
        "either": {"x-kubernetes-int-or-string": True},
        "numbers": {"type": "object", "additionalProperties": INTEGER},
        "list": {"type": "array", "items": INNER, "maxItems": 3},
        "frees": {"type": "array", "items": ANYTHING, "maxItems": 3},
        "inner": INNER,
        "a-b": INTEGER,
    },
}

RULES = (
    "has(self.a)",
    "has(self.b)",
    "has(self.free)",
    "has(self.open)",
    "has(self.typed)",
    "has(self.typed.a)",
    "has(self.typed.b)",
    "self.typed.a > 0",
    "has(self.either)",
    "!has(self.numbers) || self.numbers['x'] > 0",
    "!has(self.numbers) || self.numbers.x > 0",
    "has(self.frees)",
    "!has(self.list) || self.list.all(item, item.a > 0)",
    "!has(self.list) || self.list.all(item, item.b > 0)",
    "!has(self.list) || self.list.exists(item, has(item.free))",
    "!has(self.list) || self.list[0].a > 0",
    "!has(self.list) || self.list[0].b > 0",
    "self.inner.a == oldSelf.inner.a",
    "self.inner.a == oldSelf.inner.b",
    "self.a__dash__b > 0",
    "has(self.metadata)",
)
