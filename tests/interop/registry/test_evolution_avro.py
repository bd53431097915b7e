"""Every rule of Avro's evolution: the registry's verdict, and what Confluent's serialisers (fastavro) do to data."""

from __future__ import annotations

import datetime
import json

import pytest

from interop.registry.evolution import LOST, Step, proven
from interop.registry.languages import AVRO
from kopfka_registry.formats.avro.rules import Rules

CLIENT = "Confluent's serialisers (Python)"


def record(*fields, name="R", **more):
    return json.dumps(plain_record(*fields, name=name, **more))


def plain_record(*fields, name="R", **more):
    return {"type": "record", "name": name, "fields": [field(*each) for each in fields], **more}


def field(name, kind, default=..., **more):
    return {"name": name, "type": kind} | ({} if default is ... else {"default": default}) | more


def aliased(schema, **aliases):
    made = json.loads(schema)
    for each in made["fields"]:
        if each["name"] in aliases:
            each["aliases"] = [aliases[each["name"]]]
    return json.dumps(made)


def enum(*symbols, **more):
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size):
    return {"type": "fixed", "name": "F", "size": size}


def of(kind, **more):
    return record(("v", kind), **more)


def changed(title, rule, old, new, old_value, new_value, new_reads, old_reads, **more):
    """Return a step in which the type of a field changes; values stand for themselves."""

    def data(value):
        return value if value is LOST else {"v": value}

    values = [data(each) for each in (old_value, new_value, new_reads, old_reads)]
    return Step(title, of(old), of(new), *values, rule=rule, **more)


A, AB = record(("a", "int")), record(("a", "int"), ("b", "int", 7))
NODE = plain_record(("a", "int"), ("next", ["null", "R"], None))
INNER, OUTER = plain_record(("x", "int"), name="Inner"), plain_record(("x", "int"), name="Other")
CYCLE = [{"a": 1, "next": {"a": 2, "next": None}}, {"a": 1, "b": 1, "next": {"a": 2, "b": 2, "next": None}}]
STEPS = (
    Step("a field with a default comes", A, AB, {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 7}, {"a": 2},
         Rules.FIELDS_BY_NAME),
    Step("a field without default comes", A, record(("a", "int"), ("b", "int")), {"a": 1}, {"a": 2, "b": 3}, LOST,
         {"a": 2}, Rules.FIELD_DEFAULT),
    Step("a field without default goes", record(("a", "int"), ("b", "int")), A, {"a": 1, "b": 2}, {"a": 3}, {"a": 1},
         LOST, Rules.FIELD_DEFAULT),
    Step("fields change places", record(("a", "int"), ("b", "string")), record(("b", "string"), ("a", "int")),
         {"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 1, "b": "x"}, {"a": 2, "b": "y"}, Rules.FIELDS_BY_NAME),
    Step("a field is renamed, with an alias", A, aliased(record(("b", "int")), b="a"), {"a": 1}, {"b": 2}, {"b": 1},
         LOST, Rules.FIELD_ALIAS),
    Step("a field is renamed, without alias", A, record(("b", "int")), {"a": 1}, {"b": 2}, LOST, LOST,
         Rules.FIELD_ALIAS),
    Step("a field's alias is another field of the writer", record(("a", "int"), ("b", "int")),
         aliased(record(("b", "int")), b="a"), {"a": 1, "b": 2}, {"b": 3}, {"b": 1}, LOST, Rules.FIELD_IS_ONE,
         backward=False, because="which of the two is meant is left to the library: Avro's for Java refuses it"),
    Step("a field comes whose enum has a default", A, record(("a", "int"), ("e", enum("X", default="X"))), {"a": 1},
         {"a": 1, "e": "X"}, LOST, {"a": 1}, Rules.FIELD_OF_ENUM),
    changed("int becomes long", Rules.PROMOTION, "int", "long", 5, 2**40, 5, LOST),
    changed("int becomes float", Rules.PROMOTION, "int", "float", 5, 0.5, 5.0, LOST),
    changed("long becomes double", Rules.PROMOTION, "long", "double", 5, 0.5, 5.0, LOST),
    changed("float becomes double", Rules.PROMOTION, "float", "double", 0.5, 0.1, 0.5, LOST),
    changed("string becomes bytes", Rules.PROMOTION, "string", "bytes", "ż", b"x", "ż".encode(), "x"),
    changed("int becomes string", Rules.TYPES_MATCH, "int", "string", 5, "x", LOST, LOST),
    changed("boolean becomes a record", Rules.TYPES_MATCH, "boolean", INNER, True, {"x": 1}, LOST, LOST),
    changed("a record is renamed", Rules.NAMES_MATCH, INNER, OUTER, {"x": 1}, {"x": 2}, LOST, LOST),
    changed("the namespace alone is another", Rules.NAMES_MATCH, INNER, INNER | {"namespace": "other"}, {"x": 1},
            {"x": 2}, {"x": 1}, {"x": 2}),
    changed("a record is renamed, with an alias", Rules.TYPE_ALIAS, INNER, OUTER | {"aliases": ["Inner"]}, {"x": 1},
            {"x": 2}, {"x": 1}, LOST),
    changed("fixed grows", Rules.FIXED_SIZE, fixed(2), fixed(3), b"ab", b"abc", LOST, LOST),
    changed("an enum has one symbol more", Rules.ENUM_SYMBOLS, enum("X"), enum("X", "Y"), "X", "Y", "X", LOST),
    changed("an enum has one symbol less", Rules.ENUM_SYMBOLS, enum("X", "Y"), enum("X"), "Y", "X", LOST, "X"),
    changed("an enum with a default has other symbols", Rules.ENUM_DEFAULT, enum("X", "Y", default="X"),
            enum("X", "Z", default="X"), "Y", "Z", "X", "X"),
    changed("items of an array change", Rules.ITEMS, {"type": "array", "items": "int"},
            {"type": "array", "items": "long"}, [1], [2**40], [1], LOST),
    changed("values of a map change", Rules.VALUES, {"type": "map", "values": "int"},
            {"type": "map", "values": "string"}, {"k": 1}, {"k": "x"}, LOST, LOST),
    changed("a union has one branch more", Rules.UNIONS, ["null", "int"], ["null", "int", "string"], 1, "x", 1, LOST),
    changed("a union has one branch less", Rules.UNIONS, ["null", "int", "string"], ["null", "int"], "x", 1, LOST, 1),
    changed("a type becomes a union", Rules.READER_UNION, "int", ["null", "long"], 1, None, 1, LOST),
    changed("a type becomes a union without it", Rules.READER_UNION, "string", ["null", "long"], "x", 1, LOST, LOST),
    changed("a union becomes one of its types", Rules.WRITER_UNION, ["int", "string"], "int", "x", 1, LOST, 1),
    Step("a type that contains itself has a field more", json.dumps(NODE),
         record(("a", "int"), ("b", "int"), ("next", ["null", "R"], None)), *CYCLE, LOST, CYCLE[0], Rules.RECURSION),
    # fastavro goes by the writer's
    changed("a logical type comes", Rules.ATTRIBUTES, "int", {"type": "int", "logicalType": "date"}, 1,
            datetime.date(1970, 1, 3), 1, datetime.date(1970, 1, 3)),
    Step("documentation and attributes change", A, json.dumps({**json.loads(A), "doc": "An A", "x": 1}), {"a": 1},
         {"a": 2}, {"a": 1}, {"a": 2}, Rules.ATTRIBUTES),
)  # fmt: skip
_told: set[str] = set()


@pytest.mark.client(CLIENT, "Avro: every rule of evolution, old data by new code and the other way about")
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step(stack, name, step):
    assert proven(stack, AVRO, name, step) <= {each.error for each in Rules}


def test_every_rule_has_a_step():
    assert {step.rule for step in STEPS} == set(Rules)
