"""Pairs of schemas by the rule they are about, with what is told of them: for our verdict and for others'."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from kopfka_registry.formats.avro.rules import Rules
from registry.formats.avro.shapes import array, enum, field, fixed, map_, record

TYPE, NAME, SIZE = "TYPE_MISMATCH", "NAME_MISMATCH", "FIXED_SIZE_MISMATCH"
SYMBOLS, BRANCH, FIELD = "MISSING_ENUM_SYMBOLS", "MISSING_UNION_BRANCH", "READER_FIELD_MISSING_DEFAULT_VALUE"


@dataclass(frozen=True, slots=True)
class Case:
    """What a reader's schema can read of a writer's."""

    rule: Rules
    title: str
    reader: Any
    writer: Any
    told: tuple[tuple[str, str, str], ...] = ()
    """Error type, path and additional info of each difference."""
    lenient: bool = False
    """Whether fastavro reads the data although it breaks the rule."""

    @property
    def texts(self) -> tuple[str, str]:
        """The reader's and the writer's schema as texts."""
        return json.dumps(self.reader), json.dumps(self.writer)

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.title}"


def mismatch(path: str, reader: str, writer: str) -> tuple[str, str, str]:
    """Return what is told of two types."""
    return TYPE, path, f"reader type: {reader} not compatible with writer type: {writer}"


def lacking(path: str, writer: str) -> tuple[str, str, str]:
    """Return what is told of a union."""
    return BRANCH, path, f"reader union lacking writer type: {writer}"


def case(rule: Rules, title: str, reader: Any, writer: Any, *told: tuple[str, str, str], lenient: bool = False) -> Case:
    """Return a case."""
    return Case(rule, title, reader, writer, told, lenient)


_PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_WIDER: Final = {
    ("long", "int"), ("float", "int"), ("float", "long"), ("double", "int"), ("double", "long"), ("double", "float"),
    ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip
_COMPLEX: Final = {
    "record": record("int"),
    "enum": enum("A"),
    "fixed": fixed(4),
    "array": array("int"),
    "map": map_("int"),
}
_NODE: Final = record(field("value", "int"), field("next", ["null", "Node"], default=None), name="Node")

CASES: Final = (
    # types
    *(case(Rules.TYPES_MATCH, f"{each} reads {each}", each, each) for each in _PRIMITIVES),
    *(case(Rules.TYPES_MATCH, f"{name} reads {name}", each, each) for name, each in _COMPLEX.items()),
    *(
        case(
            Rules.TYPES_MATCH,
            f"{mine} does not read {theirs}",
            mine,
            theirs,
            mismatch("/", mine.upper(), theirs.upper()),
        )
        for mine in _PRIMITIVES
        for theirs in _PRIMITIVES
        if mine != theirs and (mine, theirs) not in _WIDER
    ),
    *(
        case(
            Rules.TYPES_MATCH, f"{mine} does not read {theirs}", one, other, mismatch("/", mine.upper(), theirs.upper())
        )
        for mine, one in _COMPLEX.items()
        for theirs, other in _COMPLEX.items()
        if mine != theirs
    ),
    case(
        Rules.TYPES_MATCH,
        "within a record, each field is told of",
        record("int", "string"),
        record("string", "int"),
        mismatch("/fields/0/type", "INT", "STRING"),
        mismatch("/fields/1/type", "STRING", "INT"),
    ),
    # promotions
    *(case(Rules.PROMOTION, f"{mine} reads {theirs}", mine, theirs) for mine, theirs in sorted(_WIDER)),
    case(Rules.PROMOTION, "within a record", record("double"), record("int")),
    case(
        Rules.PROMOTION, "not the other way", record("int"), record("long"), mismatch("/fields/0/type", "INT", "LONG")
    ),
    # names
    case(Rules.NAMES_MATCH, "a record of another name", record(name="New"), record(), (NAME, "/name", "expected: R")),
    case(
        Rules.NAMES_MATCH, "an enum of another name", enum("A", name="New"), enum("A"), (NAME, "/name", "expected: E")
    ),
    case(Rules.NAMES_MATCH, "a fixed type of another name", fixed(1, "New"), fixed(1), (NAME, "/name", "expected: F")),
    case(Rules.NAMES_MATCH, "in another namespace", record(namespace="a"), record(namespace="b")),
    case(
        Rules.NAMES_MATCH,
        "the writer's name is told with its namespace",
        record("int", name="New"),
        record("int", namespace="a.b"),
        (NAME, "/name", "expected: a.b.R"),
    ),
    case(
        Rules.NAMES_MATCH,
        "a name and what is in it are both told",
        record(fixed(1, "G"), name="New"),
        record(fixed(2)),
        (NAME, "/name", "expected: R"),
        (NAME, "/fields/0/type/name", "expected: F"),
        (SIZE, "/fields/0/type/size", "expected: 2, found: 1"),
    ),
    # aliases of types
    case(Rules.TYPE_ALIAS, "of a record", record(name="New", aliases=["R"]), record()),
    case(Rules.TYPE_ALIAS, "of an enum", enum("A", name="New", aliases=["E"]), enum("A")),
    case(Rules.TYPE_ALIAS, "of a fixed type", fixed(1, "New", aliases=["F"]), fixed(1)),
    case(
        Rules.TYPE_ALIAS,
        "with a namespace of its own",
        record(name="New", namespace="b", aliases=["a.R"]),
        record(namespace="a"),
    ),
    case(
        Rules.TYPE_ALIAS,
        "in the namespace of its type",
        record(name="New", namespace="a", aliases=["R"]),
        record(namespace="a"),
    ),
    case(
        Rules.TYPE_ALIAS,
        "in another namespace than the writer's",
        record(name="New", namespace="b", aliases=["R"]),
        record(namespace="a"),
        (NAME, "/name", "expected: a.R"),
        lenient=True,
    ),
    case(
        Rules.TYPE_ALIAS,
        "the writer's do not count",
        record(name="New"),
        record(aliases=["New"]),
        (NAME, "/name", "expected: R"),
    ),
    # fixed
    case(Rules.FIXED_SIZE, "the same size", record(fixed(4)), record(fixed(4))),
    case(Rules.FIXED_SIZE, "another size", fixed(4), fixed(8), (SIZE, "/size", "expected: 8, found: 4")),
    case(
        Rules.FIXED_SIZE,
        "in a field",
        record(fixed(4)),
        record(fixed(8)),
        (SIZE, "/fields/0/type/size", "expected: 8, found: 4"),
    ),
    # enums
    case(Rules.ENUM_SYMBOLS, "more symbols", enum("A", "B", "C"), enum("B", "A")),
    case(Rules.ENUM_SYMBOLS, "symbols in another order", enum("B", "A"), enum("A", "B")),
    case(Rules.ENUM_SYMBOLS, "fewer symbols", enum("A"), enum("C", "A", "B"), (SYMBOLS, "/symbols", "[B, C]")),
    case(
        Rules.ENUM_SYMBOLS,
        "the default of the field is no default of the enum",
        record(field("e", enum("A"), default="A")),
        record(field("e", enum("A", "B"))),
        (SYMBOLS, "/fields/0/type/symbols", "[B]"),
    ),
    case(Rules.ENUM_DEFAULT, "fewer symbols and a default", enum("A", default="A"), enum("A", "B")),
    case(
        Rules.ENUM_DEFAULT,
        "the writer's default does not count",
        enum("A"),
        enum("A", "B", default="A"),
        (SYMBOLS, "/symbols", "[B]"),
    ),
    # fields
    case(
        Rules.FIELDS_BY_NAME,
        "in another order",
        record(field("b", "int"), field("a", "string")),
        record(field("a", "string"), field("b", "int")),
    ),
    case(Rules.FIELDS_BY_NAME, "one less", record(field("a", "int")), record(field("a", "int"), field("b", "int"))),
    case(Rules.FIELDS_BY_NAME, "none", record(), record("int", "string")),
    case(Rules.FIELD_ALIAS, "a field that was renamed", record(field("new", "int", aliases=["f0"])), record("int")),
    case(Rules.FIELD_ALIAS, "and promoted", record(field("new", "long", aliases=["f0"])), record("int")),
    case(
        Rules.FIELD_ALIAS,
        "and of another type",
        record(field("new", "string", aliases=["older", "f0"])),
        record("int"),
        mismatch("/fields/0/type", "STRING", "INT"),
    ),
    case(
        Rules.FIELD_ALIAS,
        "the writer's do not count",
        record(field("new", "int")),
        record(field("f0", "int", aliases=["new"])),
        (FIELD, "/fields/0", "new"),
    ),
    case(Rules.FIELD_DEFAULT, "one more with a default", record("int", field("b", "int", default=1)), record("int")),
    case(
        Rules.FIELD_DEFAULT,
        "one more whose default is null",
        record(field("b", ["null", "int"], default=None)),
        record(),
    ),
    case(
        Rules.FIELD_DEFAULT,
        "one more without",
        record("int", field("f2", "int")),
        record("int"),
        (FIELD, "/fields/1", "f2"),
    ),
    case(
        Rules.FIELD_DEFAULT,
        "one more that may be null, without",
        record(field("b", ["null", "int"])),
        record(),
        (FIELD, "/fields/0", "b"),
    ),
    case(
        Rules.FIELD_DEFAULT,
        "in a record in a record",
        record(record("int", field("more", "int"), name="S")),
        record(record("int", name="S")),
        (FIELD, "/fields/0/type/fields/1", "more"),
    ),
    case(
        Rules.FIELD_OF_ENUM,
        "one more of an enum with a default, without its own",
        record(field("e", enum("A", default="A"))),
        record(),
        mismatch("/fields/0/type", "ENUM", "RECORD"),
    ),
    case(
        Rules.FIELD_OF_ENUM,
        "two more of it are told of once",
        record(field("e", enum("A", default="A")), field("f", "E")),
        record(),
        mismatch("/fields/0/type", "ENUM", "RECORD"),
    ),
    case(
        Rules.FIELD_IS_ONE,
        "by its name and an alias",
        record(field("a", "int", aliases=["b"])),
        record(field("a", "int"), field("b", "int")),
        ("READER_FIELD_MATCHES_SEVERAL", "/fields/0", "a"),
    ),
    case(
        Rules.FIELD_IS_ONE,
        "nothing else is told then",
        record("string", field("a", "int", aliases=["b", "c"]), name="New"),
        record("int", field("b", "int"), field("c", "int")),
        ("READER_FIELD_MATCHES_SEVERAL", "/fields/1", "a"),
    ),
    # arrays and maps
    case(Rules.ITEMS, "promoted", array("long"), array("int")),
    case(Rules.ITEMS, "of another type", array("int"), array("string"), mismatch("/items", "INT", "STRING")),
    case(Rules.ITEMS, "of records", array(record(field("b", "int"))), array(record()), (FIELD, "/items/fields/0", "b")),
    case(Rules.VALUES, "promoted", map_("double"), map_("float")),
    case(Rules.VALUES, "of another type", map_("int"), map_(array("int")), mismatch("/values", "INT", "ARRAY")),
    case(
        Rules.VALUES,
        "in arrays in maps",
        map_(array("int")),
        map_(array("long")),
        mismatch("/values/items", "INT", "LONG"),
    ),
    # unions
    case(Rules.UNIONS, "more branches", ["null", "int", "string"], ["int", "null"]),
    case(Rules.UNIONS, "branches in another order", ["null", "int"], ["int", "null"]),
    case(Rules.UNIONS, "a branch is promoted", ["null", "double"], ["null", "int", "float"]),
    case(Rules.UNIONS, "fewer branches", ["null", "int"], ["null", "int", "string"], lacking("/2", "STRING")),
    case(
        Rules.UNIONS,
        "each missing branch is told of",
        ["null"],
        ["int", "null", "string"],
        lacking("/0", "INT"),
        lacking("/2", "STRING"),
    ),
    case(
        Rules.UNIONS,
        "a branch that does not fit counts as missing",
        record(["null", record("int", name="S")]),
        record(["null", record("string", name="S")]),
        lacking("/fields/0/type/1", "RECORD"),
    ),
    case(Rules.UNIONS, "none reads none", [], []),
    case(Rules.UNIONS, "a record by its simple name", ["null", record(namespace="b")], ["null", record(namespace="a")]),
    case(
        Rules.UNIONS,
        "what was found in a union is told where the pair is met again",
        record(["null", record("int", name="S")], field("s", "S")),
        record(["null", record("string", name="S")], field("s", "S")),
        lacking("/fields/0/type/1", "RECORD"),
        mismatch("/fields/0/type", "INT", "STRING"),
    ),
    case(Rules.READER_UNION, "a type became a union with it", record(["null", "string"]), record("string")),
    case(Rules.READER_UNION, "a branch it is promoted to", record(["null", "long"]), record("int")),
    case(
        Rules.READER_UNION,
        "a type became a union without it",
        record(["null", "int"]),
        record("string"),
        lacking("/fields/0/type", "STRING"),
    ),
    case(Rules.READER_UNION, "a branch by an alias", ["null", record(name="New", aliases=["R"])], record()),
    case(Rules.WRITER_UNION, "a union of what is promoted", "double", ["int", "float"]),
    case(Rules.WRITER_UNION, "a union of one", record("string"), record(["string"])),
    case(
        Rules.WRITER_UNION,
        "a union with null",
        record("string"),
        record(["null", "string"]),
        mismatch("/fields/0/type/0", "STRING", "NULL"),
    ),
    case(
        Rules.WRITER_UNION,
        "each branch is told of",
        "int",
        ["null", "int", "string"],
        mismatch("/0", "INT", "NULL"),
        mismatch("/2", "INT", "STRING"),
    ),
    # recursion
    case(Rules.RECURSION, "a list reads itself", _NODE, _NODE),
    case(
        Rules.RECURSION,
        "a list with one more field",
        record(*_NODE["fields"], field("more", "int", default=0), name="Node"),
        _NODE,
    ),
    case(
        Rules.RECURSION,
        "a list with one more field without default",
        record(*_NODE["fields"], field("more", "int"), name="Node"),
        _NODE,
        (FIELD, "/fields/2", "more"),
    ),
    case(
        Rules.RECURSION,
        "a list of other values, told once",
        record(field("next", ["null", "Node"]), field("value", "string"), name="Node"),
        _NODE,
        mismatch("/fields/1/type", "STRING", "INT"),
    ),
    case(
        Rules.RECURSION,
        "a tree of two types",
        record(array(record(map_("R"), name="S"))),
        record(array(record(map_("R"), field("more", "int"), name="S"))),
    ),
    # attributes
    case(
        Rules.ATTRIBUTES,
        "another logical type",
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "long", "logicalType": "timestamp-micros"},
    ),
    case(
        Rules.ATTRIBUTES,
        "a decimal of another scale",
        {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1},
    ),
    case(
        Rules.ATTRIBUTES,
        "a decimal of fixed size of another precision",
        fixed(4, logicalType="decimal", precision=9),
        fixed(4, logicalType="decimal", precision=3),
    ),
    case(
        Rules.ATTRIBUTES,
        "documentation and order",
        record(field("a", "int", doc="x", order="ignore"), doc="y"),
        record(field("a", "int"), owner="us"),
    ),
)
