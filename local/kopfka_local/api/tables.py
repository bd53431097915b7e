"""Objects as tables, the form `kubectl get` prints: columns of built-in kinds, and the printer columns of CRDs."""

from __future__ import annotations

import functools
import gzip
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import cells, jsonpath
from kopfka_local.api.schemas import DATA

if TYPE_CHECKING:
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]


def table(
    resource: Resource, objects: list[Object], metadata: Object, include_object: str, *, columns: bool = True
) -> Object:
    """Return objects as a `meta.k8s.io/v1` Table; without `columns`, for all but the first event of a watch."""
    rows = []
    for obj in objects:
        row: Object = {"cells": _cells(resource, obj)}
        if include_object == "Object":
            row["object"] = obj
        elif include_object != "None":
            row["object"] = partial(obj)
        rows.append(row)
    return _table(metadata, _definitions(resource) if columns else [], rows)


def bookmark(mark: Object, *, columns: bool) -> Object:
    """Return the bookmark of a watch for tables; it carries no row that would be printed as an object."""
    return _table(mark["metadata"], [_name_column()] if columns else [], [{"cells": [""], "object": partial(mark)}])


def _table(metadata: Object, columns: list[Object], rows: list[Object]) -> Object:
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return head | {"columnDefinitions": columns, "rows": rows}


def partial(obj: Object) -> Object:
    """Return an object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _definitions(resource: Resource) -> list[Object]:
    if resource.custom is None:
        return _builtin_columns()[resource.gvr.storage]
    shown: list[Object] = [_name_column()]
    for column in _printer_columns(resource.custom):
        definition: Object = {"name": column["name"], "type": column["type"]}
        definition["format"] = column.get("format", "")
        path = column["jsonPath"]
        definition["description"] = (
            column.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
        )
        definition["priority"] = column.get("priority", 0)
        shown.append(definition)
    return shown


def _printer_columns(custom: Object) -> list[Object]:
    return custom.get("additionalPrinterColumns") or [_age_column()]


@functools.cache
def _builtin_columns() -> dict[str, list[Object]]:
    columns: dict[str, list[Object]] = orjson.loads(gzip.decompress((DATA / "columns.json.gz").read_bytes()))
    return columns


def _name_column() -> Object:
    return _builtin_columns()["configmaps"][0]


def _age_column() -> Object:
    """Return the column that a CRD has which names none."""
    return _builtin_columns()["configmaps"][-1] | {"type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _cells(resource: Resource, obj: Object) -> list[Any]:
    if resource.custom is None:
        return cells.of(resource.gvr.storage, obj)
    values: list[Any] = [obj["metadata"].get("name", "")]
    for column in _printer_columns(resource.custom):
        values.append(_custom_cell(obj, column))
    return values


def _custom_cell(obj: Object, column: Object) -> Any:
    found = jsonpath.find(obj, column["jsonPath"])
    if not found:
        return "" if column["type"] == "string" else None
    value = found[0]
    match column["type"]:
        case "integer":
            return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        case "number":
            return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return cells.age(value) if isinstance(value, str) else "<unknown>"
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
