"""Texts that are Avro schemas, with the text each is stored as: for us and for others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from registry.formats.avro.peer import CONFLUENT, LATEST
from registry.formats.avro.shapes import ADDRESS, HOME, INT_FIELD, E, written

if TYPE_CHECKING:
    from collections.abc import Mapping

BOTH: Final = frozenset({LATEST, CONFLUENT})


@dataclass(frozen=True, slots=True)
class Taken:
    """A text that is a schema."""

    title: str
    text: str
    canonical: str
    references: Mapping[str, str] = field(default_factory=dict)
    others_refuse: frozenset[str] = frozenset()
    """Versions of Avro's Java library that do not take it."""


TAKEN: Final = (
    Taken("a primitive by its name", '"string"', '"string"'),
    Taken("a primitive as an object", ' {"type" : "string"}\n', '"string"'),
    Taken(
        "a primitive with an attribute", '{"x":[1, {"b":1,"a":2}],"type":"int"}', '{"type":"int","x":[1,{"b":1,"a":2}]}'
    ),
    Taken(
        "attributes that Avro defines are dropped from a primitive",
        '{"type":"int","doc":"d","name":"x","size":1}',
        '"int"',
    ),
    Taken(
        "an unknown logical type", '{"logicalType":"mine","type":"string"}', '{"type":"string","logicalType":"mine"}'
    ),
    Taken(
        "a misplaced logical type", '{"type":"string","logicalType":"date"}', '{"type":"string","logicalType":"date"}'
    ),
    Taken("an array", '{"items":"int","type":"array","default":[]}', '{"type":"array","items":"int","default":[]}'),
    Taken("a map", '{"values":{"type":"int"},"type":"map"}', '{"type":"map","values":"int"}'),
    Taken(
        "a union",
        '["null",  {"type":"int"}, {"type":"array","items":"int"}]',
        '["null","int",{"type":"array","items":"int"}]',
    ),
    Taken("an empty union", "[]", "[]"),
    Taken("a record", written(INT_FIELD), written(INT_FIELD)),
    Taken("a record without fields", written(""), written("")),
    Taken("an error", written("").replace("record", "error"), written("").replace("record", "error")),
    Taken(
        "attributes in any order",
        '{"fields":[{"x":1,"aliases":["b","b"],"order":"DESCENDING","default":1,"doc":"d","type":"int","name":"a"}],'
        '"aliases":["S"],"x":null,"doc":"D","namespace":"n","name":"R","type":"record"}',
        '{"type":"record","name":"R","namespace":"n","doc":"D","fields":[{"name":"a","type":"int","doc":"d","default":1,'
        '"order":"descending","aliases":["b"],"x":1}],"x":null,"aliases":["S"]}',
    ),
    Taken(
        "what must be text and is not counts as not there",
        '{"type":"record","name":"R","namespace":1,"doc":2,"fields":[{"name":"a","type":"int","doc":[]}]}',
        written(INT_FIELD),
    ),
    Taken("a name with dots", written("").replace('"R"', '"a.b.R"'), written("", ',"namespace":"a.b"')),
    Taken(
        "a name with dots beside a namespace",
        written("", ',"namespace":"c"').replace('"R"', '"a.b.R"'),
        written("", ',"namespace":"a.b"'),
    ),
    Taken("an empty namespace", written("", ',"namespace":""'), written("")),
    Taken(
        "types in the enclosing namespace, in another one and in none",
        written(
            '{"name":"a","type":{"type":"fixed","name":"F","size":1}},'
            '{"name":"b","type":{"type":"fixed","name":"m.G","size":1}},'
            '{"name":"c","type":{"type":"fixed","name":"H","namespace":"","size":1}},'
            '{"name":"d","type":"n.F"},{"name":"e","type":"m.G"},{"name":"f","type":"H"}',
            ',"namespace":"n"',
        ),
        written(
            '{"name":"a","type":{"type":"fixed","name":"F","size":1}},'
            '{"name":"b","type":{"type":"fixed","name":"G","namespace":"m","size":1}},'
            '{"name":"c","type":{"type":"fixed","name":"H","namespace":"","size":1}},'
            '{"name":"d","type":"F"},{"name":"e","type":"m.G"},{"name":"f","type":"H"}',
            ',"namespace":"n"',
        ),
    ),
    Taken(
        "a type called like one of Avro's",
        '[{"type":"fixed","name":"n.string","size":1},{"type":"record","name":"n.R","fields":[{"name":"a","type":"n.string"}]}]',
        '[{"type":"fixed","name":"string","namespace":"n","size":1},'
        '{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"n.string"}]}]',
    ),
    Taken("letters of other scripts", written("").replace('"R"', '"Größe_٣"'), written("").replace('"R"', '"Größe_٣"')),
    Taken(
        "a namespace with other characters",
        written("", ',"namespace":"my-app.v1"'),
        written("", ',"namespace":"my-app.v1"'),
        others_refuse=frozenset({LATEST}),
    ),
    Taken(
        "aliases in the same namespace, in another one, and in none",
        written("", ',"namespace":"n","aliases":["A","n.B","m.C",".D"]'),
        '{"type":"record","name":"R","namespace":"n","fields":[],"aliases":["A","B","m.C","D"]}',
    ),
    Taken(
        "a record within itself",
        written('{"name":"next","type":["null","R"]}', ',"namespace":"n"'),
        written('{"name":"next","type":["null","R"]}', ',"namespace":"n"'),
    ),
    Taken(
        "a record of the null namespace within one of another namespace within it",
        written('{"name":"a","type":{"type":"record","name":"n.S","fields":[{"name":"b","type":["null","R"]}]}}'),
        written(
            '{"name":"a","type":{"type":"record","name":"S","namespace":"n","fields":[{"name":"b","type":["null","R"]}]}}'
        ),
        others_refuse=frozenset({LATEST}),
    ),
    Taken(
        "a type before its definition is defined where it is met",
        written(f'{{"name":"a","type":"E"}},{{"name":"b","type":{E}}}'),
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":"E"}}'),
        others_refuse=frozenset({CONFLUENT}),
    ),
    Taken(
        "in an array, a map and a union before its definition",
        written(
            '{"name":"a","type":{"type":"array","items":"E"}},{"name":"b","type":{"type":"map","values":"E"}},'
            f'{{"name":"c","type":["null","E"]}},{{"name":"d","type":{E}}}'
        ),
        written(
            f'{{"name":"a","type":{{"type":"array","items":{E}}}}},{{"name":"b","type":{{"type":"map","values":"E"}}}},'
            '{"name":"c","type":["null","E"]},{"name":"d","type":"E"}'
        ),
        others_refuse=frozenset({CONFLUENT}),
    ),
    Taken(
        "the same enum twice",
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":{E}}}'),
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":"E"}}'),
        others_refuse=frozenset({CONFLUENT}),
    ),
    Taken(
        "the same record twice",
        f'{{"type":"record","name":"S","fields":[{{"name":"a","type":{written(INT_FIELD)}}},{{"name":"b","type":{written(INT_FIELD)}}}]}}',
        f'{{"type":"record","name":"S","fields":[{{"name":"a","type":{written(INT_FIELD)}}},{{"name":"b","type":"R"}}]}}',
        others_refuse=frozenset({CONFLUENT}),
    ),
    Taken(
        "a type by an object with its name",
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":{{"type":"E","doc":"d"}}}}'),
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":"E"}}'),
    ),
    Taken("an enum with a default", E.replace("]", '],"default":"A"'), E.replace("]", '],"default":"A"')),
    Taken("an enum whose default is no text", E.replace("]", '],"default":1'), E),
    Taken(
        "an enum without symbols", '{"type":"enum","name":"E","symbols":[]}', '{"type":"enum","name":"E","symbols":[]}'
    ),
    Taken("a fixed type of no bytes", '{"type":"fixed","name":"F","size":0}', '{"type":"fixed","name":"F","size":0}'),
    Taken(
        "a default that does not fit",
        written('{"name":"a","type":"int","default":"x"}'),
        written('{"name":"a","type":"int","default":"x"}'),
    ),
    Taken(
        "a float's default as text",
        written('{"name":"a","type":"float","default":" 1.5f "}'),
        written('{"name":"a","type":"float","default":1.5}'),
    ),
    Taken(
        "a double's default that is no number",
        written('{"name":"a","type":"double","default":"NaN"}'),
        written('{"name":"a","type":"double","default":"NaN"}'),
    ),
    Taken(
        "an infinite default",
        written('{"name":"a","type":"double","default":"-Infinity"}'),
        written('{"name":"a","type":"double","default":"-Infinity"}'),
    ),
    Taken(
        "a default in hexadecimal",
        written('{"name":"a","type":"double","default":"0x1.8p1"}'),
        written('{"name":"a","type":"double","default":3.0}'),
    ),
    Taken(
        "numbers",
        '{"type":"int","x":[-0,1e2,1.0,-0.0,1E400,12345678901234567890123,0.001,0.0001,1234567.0,12345678.5,1.25e-9]}',
        '{"type":"int","x":[0,100.0,1.0,-0.0,"Infinity",12345678901234567890123,0.001,1.0E-4,1234567.0,1.23456785E7,1.25E-9]}',
    ),
    Taken(
        "characters",
        '{"type":"int","x":"\\u00e4\\/\\u0001\\u001F\\n\\t\\"\\\\\\ud83d\\ude00\\u2028\\u007f"}',
        '{"type":"int","x":"ä/\\u0001\\u001F\\n\\t\\"\\\\😀\u2028\x7f"}',
    ),
    Taken(
        "the last of two equal keys, at the place of the first",
        '{"type":"int","a":1,"b":2,"a":3}',
        '{"type":"int","a":3,"b":2}',
    ),
    Taken("comments", '// a "schema"\n{"type"/* of {[ */:"int", "x": "// none"}', '{"type":"int","x":"// none"}'),
    Taken(
        "a reference",
        written(HOME, ',"namespace":"com.acme"'),
        written(HOME, ',"namespace":"com.acme"'),
        {"address": ADDRESS},
    ),
    Taken("a reference alone", '"com.acme.Address"', '"com.acme.Address"', {"address": ADDRESS}),
    Taken(
        "a reference from another namespace",
        written('{"name":"home","type":"com.acme.Address"}'),
        written('{"name":"home","type":"com.acme.Address"}'),
        {"address": ADDRESS},
    ),
    Taken(
        "a reference that refers to another",
        written('{"name":"to","type":"com.acme.Person"}'),
        written('{"name":"to","type":"com.acme.Person"}'),
        {
            "address": ADDRESS,
            "person": '{"type":"record","name":"com.acme.Person","fields":[{"name":"home","type":"com.acme.Address"}]}',
        },
    ),
    Taken(
        "a type in a referenced one is written out, as it is no reference",
        written('{"name":"a","type":"E"},{"name":"b","type":"S"},{"name":"c","type":"E"}'),
        written(f'{{"name":"a","type":{E}}},{{"name":"b","type":"S"}},{{"name":"c","type":"E"}}'),
        {"s": f'{{"type":"record","name":"S","fields":[{{"name":"e","type":{E}}}]}}'},
    ),
    Taken("a reference that is nowhere named", '"int"', '"int"', {"address": ADDRESS}),
    Taken(
        "a reference that is defined again",
        ADDRESS.replace('{"name":"city"', '{"doc":"d","name":"city"'),
        '"com.acme.Address"',
        {"address": ADDRESS},
        others_refuse=frozenset({CONFLUENT}),
    ),
)
