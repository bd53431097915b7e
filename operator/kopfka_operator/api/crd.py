"""From a kind's models to its CustomResourceDefinition: a structural OpenAPI schema as the API server demands it.

Structural schemas are a subset of JSON Schema: no references, no titles, one type a field, absent instead of null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from kopfka_operator.api.names import CATEGORY, GROUP, VERSION

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kopfka_operator.api.meta import Column, Kind

Schema = dict[str, Any]

_ORDER = ("description", "type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "pattern")


def definition(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of `kind`."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "kopfka"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def schema_of(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model."""
    plain = model.model_json_schema(by_alias=True, mode="validation", schema_generator=GenerateJsonSchema)
    return _structural(plain, plain.get("$defs", {}))


def _root(kind: Kind) -> Schema:
    root: Schema = {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema_of(kind.spec),
            "status": schema_of(kind.status),
        },
    }
    if kind.rules:
        root["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in kind.rules]
    return root


def _column(column: Column) -> dict[str, Any]:
    out: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        out["description"] = column.description
    if column.priority:
        out["priority"] = column.priority
    return out


def _structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _flatten(schema, definitions)
    out: Schema = {}
    for key, value in schema.items():
        if key in ("title", "$defs"):
            continue
        if key == "additionalProperties":
            if isinstance(value, dict):
                out[key] = _structural(value, definitions)
            # false is what the API server does anyway: it prunes
        elif key == "properties":
            out[key] = {name: _structural(each, definitions) for name, each in value.items()}
        elif key == "items":
            out[key] = _structural(value, definitions)
        elif key == "propertyNames":
            continue  # not structural; the operator checks them
        elif key == "default" and (value is None or value == []):
            continue
        elif key == "const":
            out["enum"] = [value]
        else:
            out[key] = list(value) if isinstance(value, tuple) else value
    if out.get("x-kubernetes-preserve-unknown-fields") and out.get("type") == "object":
        out.pop("additionalProperties", None)
    if out.get("type") == "integer":
        out.setdefault("format", "int32")
    return {key: out[key] for key in (*_ORDER, *out) if key in out}


def _flatten(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Resolve references and `X or null`; what is said beside them wins over what they refer to."""
    beside = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf", "allOf")}
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    elif "allOf" in schema and len(schema["allOf"]) == 1:
        target = schema["allOf"][0]
    elif "anyOf" in schema:
        choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        if len(choices) != 1:
            raise TypeError(f"structural schemas know no union: {schema}")
        target = choices[0]
    else:
        return schema
    flat = _flatten(target, definitions)
    merged = {**flat, **beside}
    both = [*flat.get("x-kubernetes-validations", []), *beside.get("x-kubernetes-validations", [])]
    if both:
        merged["x-kubernetes-validations"] = both
    return merged
