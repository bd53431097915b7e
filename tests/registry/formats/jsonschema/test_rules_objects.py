"""The rules of objects but those of content models: one test for each, with its source."""

from __future__ import annotations

from typing import Any

from registry.formats.jsonschema.evolution import (
    DRAFT_2019,
    INTEGER,
    MODERN,
    NUMBER,
    STRING,
    changes,
    compatible,
    incompatible,
    lenient,
    strict,
)


def of(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", **keywords}


A = {"a": STRING}


def test_required_attribute_added() -> None:
    """Validation 6.5.3; Confluent: the writer's `required` has to be a superset of the reader's."""
    incompatible(of(properties=A), of(properties=A, required=["a"]), ["REQUIRED_ATTRIBUTE_ADDED #/required/a"], {})


def test_required_attribute_with_default_added() -> None:
    """Confluent's documentation: a reader has the default for a required field that the writer left out."""
    with_default = of(properties={"a": {**STRING, "default": "x"}}, required=["a"])
    rules = ["REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED #/required/a", "DEFAULT_CHANGED #/properties/a"]
    lenient(of(properties=A), with_default, rules, {})


def test_required_attribute_removed() -> None:
    """Validation 6.5.3."""
    rule = "REQUIRED_ATTRIBUTE_REMOVED #/required/a"
    compatible(of(properties=A, required=["a"]), of(properties=A), [rule], {"a": "x"})


def test_required_names_without_properties_are_not_compared() -> None:
    """Confluent's own examples call this compatible: it looks at names that both schemas have under `properties`."""
    lenient(of(), of(required=["a"]), [], {})
    lenient(
        of(properties=A, required=["a"]),
        of(properties=A, required=["b"]),
        ["REQUIRED_ATTRIBUTE_REMOVED #/required/a"],
        {"a": "x"},
    )


def test_max_properties_added() -> None:
    """Validation 6.5.1."""
    incompatible(of(), of(maxProperties=1), ["MAX_PROPERTIES_ADDED #/maxProperties"], {"a": 1, "b": 1})


def test_max_properties_removed() -> None:
    """Validation 6.5.1."""
    compatible(of(maxProperties=1), of(), ["MAX_PROPERTIES_REMOVED #/maxProperties"], {"a": 1})


def test_max_properties_increased() -> None:
    """Validation 6.5.1; Confluent: the writer may have a smaller `maxProperties`."""
    compatible(of(maxProperties=1), of(maxProperties=2), ["MAX_PROPERTIES_INCREASED #/maxProperties"], {"a": 1})


def test_max_properties_decreased() -> None:
    """Validation 6.5.1."""
    rule = "MAX_PROPERTIES_DECREASED #/maxProperties"
    incompatible(of(maxProperties=2), of(maxProperties=1), [rule], {"a": 1, "b": 1})


def test_min_properties_added() -> None:
    """Validation 6.5.2."""
    incompatible(of(), of(minProperties=1), ["MIN_PROPERTIES_ADDED #/minProperties"], {})


def test_min_properties_removed() -> None:
    """Validation 6.5.2."""
    compatible(of(minProperties=1), of(), ["MIN_PROPERTIES_REMOVED #/minProperties"], {"a": 1})


def test_min_properties_increased() -> None:
    """Validation 6.5.2."""
    incompatible(of(minProperties=1), of(minProperties=2), ["MIN_PROPERTIES_INCREASED #/minProperties"], {"a": 1})


def test_min_properties_decreased() -> None:
    """Validation 6.5.2; Confluent: the writer may have a larger `minProperties`."""
    rule = "MIN_PROPERTIES_DECREASED #/minProperties"
    compatible(of(minProperties=2), of(minProperties=1), [rule], {"a": 1, "b": 1})


def test_additional_properties_added() -> None:
    """Core 10.3.2.3; Confluent: the writer may have false where the reader has true or a schema."""
    rule = "ADDITIONAL_PROPERTIES_ADDED #/additionalProperties"
    closed = of(properties=A, additionalProperties=False)
    compatible(closed, of(properties=A), [rule], {"a": "x"})
    compatible(closed, of(properties=A, additionalProperties=STRING), [rule], {"a": "x"})


def test_additional_properties_removed() -> None:
    """Core 10.3.2.3."""
    rule = "ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"
    incompatible(of(), of(additionalProperties=False), [rule], {"a": 1})
    incompatible(of(additionalProperties=STRING), of(additionalProperties=False), [rule], {"a": "x"})


def test_additional_properties_extended() -> None:
    """Core 10.3.2.3."""
    rule = "ADDITIONAL_PROPERTIES_EXTENDED #/additionalProperties"
    compatible(of(additionalProperties=STRING), of(), [rule], {"a": "x"})


def test_additional_properties_narrowed() -> None:
    """Core 10.3.2.3. Confluent takes `{}` for a schema like others here."""
    rule = "ADDITIONAL_PROPERTIES_NARROWED #/additionalProperties"
    incompatible(of(), of(additionalProperties=STRING), [rule], {"a": 1})
    strict(of(), of(additionalProperties={}), [rule])


def test_schemas_of_additional_properties_are_compared() -> None:
    """Core 10.3.2.3."""
    at = "#/additionalProperties"
    incompatible(of(additionalProperties=STRING), of(additionalProperties=NUMBER), [f"TYPE_CHANGED {at}"], {"a": "x"})
    compatible(of(additionalProperties=INTEGER), of(additionalProperties=NUMBER), [f"TYPE_EXTENDED {at}"], {"a": 1})


def modern(**keywords: Any) -> dict[str, Any]:
    return {**MODERN, **of(**keywords)}


def test_unevaluated_properties_added() -> None:
    """Core 11.3; Confluent from 8.3 on compares it like `additionalProperties`."""
    rule = "UNEVALUATED_PROPERTIES_ADDED #/unevaluatedProperties"
    compatible(modern(properties=A, unevaluatedProperties=False), modern(properties=A), [rule], {"a": "x"})
    wider = modern(properties=A, unevaluatedProperties=NUMBER)
    compatible(modern(properties=A, unevaluatedProperties=False), wider, [rule], {"a": "x"})


def test_unevaluated_properties_removed() -> None:
    """Core 11.3."""
    rule = "UNEVALUATED_PROPERTIES_REMOVED #/unevaluatedProperties"
    incompatible(modern(), modern(unevaluatedProperties=False), [rule], {"a": 1})
    old = {**DRAFT_2019, **of()}
    incompatible(old, {**old, "unevaluatedProperties": False}, [rule], {"a": 1})


def test_unevaluated_properties_extended() -> None:
    """Core 11.3."""
    rule = "UNEVALUATED_PROPERTIES_EXTENDED #/unevaluatedProperties"
    compatible(modern(unevaluatedProperties=STRING), modern(), [rule], {"a": "x"})


def test_unevaluated_properties_narrowed() -> None:
    """Core 11.3; what is evaluated depends on schemas beside, so those have to stay."""
    rule = "UNEVALUATED_PROPERTIES_NARROWED #/unevaluatedProperties"
    incompatible(modern(), modern(unevaluatedProperties=STRING), [rule], {"a": 1})
    beside = {"dependentSchemas": {"a": {"properties": {"b": True}}}, "unevaluatedProperties": False}
    without = {"dependentSchemas": {"a": True}, "unevaluatedProperties": False}
    incompatible(modern(properties=A, **beside), modern(properties=A, **without), [rule], {"a": "x", "b": 1})
    referred = {"allOf": [{"$ref": "#/$defs/b"}], "unevaluatedProperties": False}
    writer = {**MODERN, **referred, "$defs": {"b": {"properties": {"b": True}}}}
    incompatible(writer, {**writer, "$defs": {"b": {}}}, ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"], {"b": 1})
    assert changes(writer, {**writer, "title": "t"}) == ["TITLE_CHANGED #/"]


def test_dependency_array_added() -> None:
    """Validation 6.5.4; `dependencies` up to draft 7 are told at the same path."""
    rule, needs = "DEPENDENCY_ARRAY_ADDED #/dependencies/a", {"a": ["b"]}
    incompatible(of(), of(dependencies=needs), [rule], {"a": 1})
    incompatible(modern(), modern(dependentRequired=needs), [rule], {"a": 1})


def test_dependency_array_removed() -> None:
    """Validation 6.5.4."""
    rule = "DEPENDENCY_ARRAY_REMOVED #/dependencies/a"
    compatible(of(dependencies={"a": ["b"]}), of(dependencies={}), [rule], {"a": 1, "b": 1})
    compatible(modern(dependentRequired={"a": ["b"]}), modern(), [rule], {"a": 1, "b": 1})


def test_dependency_array_extended() -> None:
    """Validation 6.5.4."""
    rule = "DEPENDENCY_ARRAY_EXTENDED #/dependencies/a"
    incompatible(of(dependencies={"a": ["b"]}), of(dependencies={"a": ["b", "c"]}), [rule], {"a": 1, "b": 1})


def test_dependency_array_narrowed() -> None:
    """Validation 6.5.4; Confluent: the writer's dependencies may be a superset of the reader's."""
    rule = "DEPENDENCY_ARRAY_NARROWED #/dependencies/a"
    compatible(of(dependencies={"a": ["b", "c"]}), of(dependencies={"a": ["b"]}), [rule], {"a": 1, "b": 1, "c": 1})


def test_dependency_array_changed() -> None:
    """Validation 6.5.4."""
    rule = "DEPENDENCY_ARRAY_CHANGED #/dependencies/a"
    incompatible(of(dependencies={"a": ["b"]}), of(dependencies={"a": ["c"]}), [rule], {"a": 1, "b": 1})


def test_dependency_schema_added() -> None:
    """Core 10.2.2.4; up to draft 7 in `dependencies`."""
    rule, needs = "DEPENDENCY_SCHEMA_ADDED #/dependencies/a", {"a": {"properties": {"b": STRING}}}
    incompatible(of(), of(dependencies=needs), [rule], {"a": 1, "b": 1})
    incompatible(modern(), modern(dependentSchemas=needs), [rule], {"a": 1, "b": 1})


def test_dependency_schema_removed() -> None:
    """Core 10.2.2.4."""
    rule = "DEPENDENCY_SCHEMA_REMOVED #/dependencies/a"
    compatible(of(dependencies={"a": of(minProperties=2)}), of(), [rule], {"a": 1, "b": 1})


def test_schemas_of_dependencies_are_compared() -> None:
    """Core 10.2.2.4."""
    two, three = of(minProperties=2), of(minProperties=3)
    rule = "MIN_PROPERTIES_INCREASED #/dependencies/a/minProperties"
    incompatible(of(dependencies={"a": two}), of(dependencies={"a": three}), [rule], {"a": 1, "b": 1})


def test_property_names_added() -> None:
    """Core 10.3.2.4. Confluent does not look at `propertyNames`; here, what could not be read is told."""
    rule = "PROPERTY_NAMES_ADDED #/propertyNames"
    incompatible(of(), of(propertyNames={"maxLength": 1}), [rule], {"long": 1})
    compatible(of(), of(propertyNames=True), [], {"long": 1})


def test_property_names_removed() -> None:
    """Core 10.3.2.4."""
    rule = "PROPERTY_NAMES_REMOVED #/propertyNames"
    compatible(of(propertyNames={"maxLength": 1}), of(), [rule], {"a": 1})


def test_schemas_of_names_are_compared() -> None:
    """Core 10.3.2.4."""
    one, two = of(propertyNames={"maxLength": 1}), of(propertyNames={"maxLength": 2})
    compatible(one, two, ["MAX_LENGTH_INCREASED #/propertyNames/maxLength"], {"a": 1})
    incompatible(two, one, ["MAX_LENGTH_DECREASED #/propertyNames/maxLength"], {"ab": 1})
