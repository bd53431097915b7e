"""Texts that are no Avro schemas, and what is said of them: for us and for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from registry.formats.avro.shapes import ADDRESS, INT_FIELD, OTHER_E, OWN_PARENT, E, written

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Refused:
    """A text that is no schema."""

    title: str
    text: str
    why: str
    """What the error ends with: the reason's last words and the place."""
    references: Mapping[str, str] = field(default_factory=dict)


REFUSED: Final = (
    Refused("nothing", "", "not JSON: Expecting value (line 1, column 1)"),
    Refused("blanks", " \n ", "not JSON: Expecting value (line 2, column 2)"),
    Refused("no JSON", '{"type": }', "not JSON: Expecting value (line 1, column 10)"),
    Refused("a name without quotes", "string", "not JSON: Expecting value (line 1, column 1)"),
    Refused("cut off", '{"type":"record",', "column 18)"),
    Refused("two schemas", '"int"\n "string"', 'not JSON: "\\"string\\"" follows the end of the schema (line 1)'),
    Refused("a comment at the end", '"int" // done', 'not JSON: "// done" follows the end of the schema (line 1)'),
    Refused("a comment without end", '\n/* "int"', "not JSON: a comment without end (line 2)"),
    Refused("no number", '{"type":"int","x":NaN}', "not JSON: NaN is no number"),
    Refused(
        "a control character in a text",
        '{"type":"int","x":"\n"}',
        "not JSON: Invalid control character at (line 1, column 20)",
    ),
    Refused("a number", "1", "1 is no type: write a name, an object or a list (at /)"),
    Refused("null", '{"type":"array","items":null}', "null is no type: write a name, an object or a list (at /items)"),
    Refused("an object without type", '{"name":"R"}', 'a schema needs a "type" that is a string (at /)'),
    Refused("a type in a type", '{"type":{"type":"int"}}', 'a schema needs a "type" that is a string (at /)'),
    Refused(
        "an unknown type",
        written('{"name":"a","type":"strin"}', ',"namespace":"n"'),
        'there is no type "n.strin", here or in the references (at /fields/0/type)',
    ),
    Refused(
        "an unknown type in a union", '["null","a.B"]', 'there is no type "a.B", here or in the references (at /1)'
    ),
    Refused("an unknown type alone", '"R"', 'there is no type "R", here or in the references (at /)'),
    Refused("an array without items", '{"type":"array"}', 'an array needs "items" (at /)'),
    Refused("a map without values", '["null",{"type":"map"}]', 'a map needs "values" (at /1)'),
    Refused("a union in a union", '["null",["int"]]', "a union may not stand directly in a union (at /1)"),
    Refused(
        "a union with one type twice",
        '["int","string",{"type":"int","logicalType":"date"}]',
        "the union has int twice (at /2)",
    ),
    Refused(
        "a union with two arrays",
        '[{"type":"array","items":"int"},{"type":"array","items":"string"}]',
        "the union has array twice (at /1)",
    ),
    Refused(
        "a union with one name twice",
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":["E","E"]}}'),
        "the union has E twice (at /fields/1/type/1)",
    ),
    Refused(
        "a union with one name twice before its definition",
        written(f'{{"name":"b","type":["E","E"]}},{{"name":"a","type":{E}}}'),
        "the union has E twice (at /fields/0/type/1)",
    ),
    Refused(
        "a record without name", '{"type":"record","fields":[]}', 'a record needs a "name" that is a string (at /)'
    ),
    Refused(
        "a record without fields", '{"type":"record","name":"R"}', 'a record needs "fields" that are a list (at /)'
    ),
    Refused(
        "a record whose fields are an object",
        '{"type":"record","name":"R","fields":{}}',
        'a record needs "fields" that are a list (at /)',
    ),
    Refused("a field that is no object", written('"a"'), 'a field needs a "name" that is a string (at /fields/0)'),
    Refused(
        "a field without name", written('{"type":"int"}'), 'a field needs a "name" that is a string (at /fields/0)'
    ),
    Refused("a field without type", written('{"name":"a"}'), 'the field "a" needs a "type" (at /fields/0)'),
    Refused("two fields of one name", written(f"{INT_FIELD},{INT_FIELD}"), "there is another field a (at /fields/1)"),
    Refused(
        "an order that is none",
        written('{"name":"a","type":"int","order":"up"}'),
        '"up" is no order: write one of ascending, descending, ignore (at /fields/0/order)',
    ),
    Refused(
        "a float's default that is no number",
        written('{"name":"a","type":"float","default":"x"}'),
        '"x" is no number (at /fields/0/default)',
    ),
    Refused("aliases that are no list", written("", ',"aliases":"S"'), '"aliases" are a list of strings (at /aliases)'),
    Refused(
        "an alias of a field that is no text",
        written('{"name":"a","type":"int","aliases":[1]}'),
        '"aliases" are a list of strings (at /fields/0/aliases)',
    ),
    Refused(
        "an alias that is no name",
        written("", ',"aliases":["a-b"]'),
        '"a-b" is no name: write letters, digits and _, and no digit first (at /aliases)',
    ),
    Refused(
        "a record's name with a dash",
        written("").replace('"R"', '"a-b"'),
        '"a-b" is no name: write letters, digits and _, and no digit first (at /name)',
    ),
    Refused(
        "a name that begins with a digit",
        written("").replace('"R"', '"n.1R"'),
        '"1R" is no name: write letters, digits and _, and no digit first (at /name)',
    ),
    Refused(
        "a name of no letters",
        written("").replace('"R"', '"n."'),
        '"" is no name: write letters, digits and _, and no digit first (at /name)',
    ),
    Refused(
        "a name beyond 16 bits",
        written("").replace('"R"', '"𝐑"'),
        '"𝐑" is no name: write letters, digits and _, and no digit first (at /name)',
    ),
    Refused(
        "a field's name with a space",
        written('{"name":"a b","type":"int"}'),
        '"a b" is no name: write letters, digits and _, and no digit first (at /fields/0/name)',
    ),
    Refused(
        "a name of a primitive type",
        written("").replace('"R"', '"string"'),
        "string is the name of a primitive type (at /name)",
    ),
    Refused("an enum without symbols", '{"type":"enum","name":"E"}', 'an enum needs "symbols" that are a list (at /)'),
    Refused(
        "a symbol twice",
        '{"type":"enum","name":"E","symbols":["A","B","A"]}',
        "the symbol A is there twice (at /symbols/2)",
    ),
    Refused(
        "a symbol that is no name",
        '{"type":"enum","name":"E","symbols":["A","B C"]}',
        '"B C" is no name: write letters, digits and _, and no digit first (at /symbols/1)',
    ),
    Refused(
        "a symbol that is no text",
        '{"type":"enum","name":"E","symbols":[1]}',
        "1 is no name: write letters, digits and _, and no digit first (at /symbols/0)",
    ),
    Refused(
        "a default that is no symbol",
        '{"type":"enum","name":"E","symbols":["A"],"default":"B"}',
        'the default "B" is none of the symbols (at /default)',
    ),
    Refused(
        "a fixed type without size",
        '{"type":"fixed","name":"F"}',
        'a fixed type needs a "size" from 0 to 2147483639 (at /)',
    ),
    Refused(
        "a fixed type of a size that is no integer",
        '{"type":"fixed","name":"F","size":4.0}',
        'a fixed type needs a "size" from 0 to 2147483639 (at /)',
    ),
    Refused(
        "a fixed type of a negative size",
        '{"type":"fixed","name":"F","size":-1}',
        'a fixed type needs a "size" from 0 to 2147483639 (at /)',
    ),
    Refused(
        "a fixed type that no array holds",
        '{"type":"fixed","name":"F","size":2147483640}',
        'a fixed type needs a "size" from 0 to 2147483639 (at /)',
    ),
    Refused(
        "another type of one name",
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":{OTHER_E}}}'),
        "the name E is taken by another type (at /fields/1/type)",
    ),
    Refused("a record in itself, twice", f"[{OWN_PARENT},{OWN_PARENT}]", "the name R is taken by another type (at /1)"),
    Refused(
        "another type of a reference's name",
        ADDRESS.replace("string", "int"),
        "the name com.acme.Address is taken by another type (at /)",
        {"address": ADDRESS},
    ),
    Refused(
        "a name of a reference that is not there",
        '"com.acme.Address"',
        'there is no type "com.acme.Address", here or in the references (at /)',
        {"other": E},
    ),
    Refused(
        "a reference that is no schema",
        '"int"',
        'in the reference other: a schema needs a "type" that is a string (at /)',
        {"other": "{}"},
    ),
    Refused(
        "a reference to what stands after it",
        '"int"',
        'in the reference first: there is no type "E", here or in the references (at /0)',
        {"first": '["E"]', "second": E},
    ),
)
