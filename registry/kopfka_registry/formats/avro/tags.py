"""Tags that a schema has in itself: the attribute `confluent:tags` of records and fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.avro import text
from kopfka_registry.formats.avro.types import Record, reachable

if TYPE_CHECKING:
    from kopfka_registry.formats.avro.types import Field, Type

TAGS: Final = "confluent:tags"


def inline_tags(root: Type) -> dict[str, set[str]]:
    """Return the tags of each record and field that has some, by the full name: `ns.Record`, `ns.Record.field`."""
    found: dict[str, set[str]] = {}
    for each in reachable(root):
        if isinstance(each, Record):
            found[each.name.full] = _tags(each)
            for field in each.fields:
                found[f"{each.name.full}.{field.name}"] = _tags(field)
    return {name: tags for name, tags in found.items() if tags}


def _tags(of: Record | Field) -> set[str]:
    tags = of.props.get(TAGS)
    if not isinstance(tags, list):
        return set()
    return {each if isinstance(each, str) else text.write(each) for each in tags}
