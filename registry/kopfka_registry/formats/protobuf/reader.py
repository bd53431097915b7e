"""Reads a `.proto` text into its elements: the grammar of proto2, proto3 and the editions, no more.

Names are not resolved here and nothing is compared with anything: see `checks`. Depth is bounded, time is linear. It
is written by hand: the parser that PyPI has, made by ANTLR, takes 10 s and 240 MB for a megabyte of text where this
takes 0.4 s and 11 MB, goes on after errors, and ends in a RecursionError where messages nest deeply.
"""

from __future__ import annotations

from typing import Final

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.refusal import RefusalError, Steps
from kopfka_registry.formats.protobuf.tokens import END, STRING, WORD, Tokens
from kopfka_registry.formats.protobuf.values import read_option, read_options

DEEPEST_MESSAGE: Final = 32
"""Levels of messages within messages, as deep as protoc goes."""
DEEPEST_PACKAGE: Final = 100
"""Dots in the name of a package, as many as protoc takes."""
EDITIONS: Final = ("2023", "2024")
SCALARS: Final = frozenset(
    ("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
     "sfixed64", "bool", "string", "bytes")
)  # fmt: skip
_LABELS: Final = ("optional", "repeated", "required")


def read_file(text: str, steps: Steps) -> e.File:
    """Read a whole file.

    Raises:
        RefusalError: the text is not of the language.
        SchemaTooComplexError: it is nested too deeply, or too long for the steps.
    """
    return _Reader(text, steps).file()


class _Reader:
    __slots__ = ("_depth", "_steps", "_syntax", "_tokens")

    def __init__(self, text: str, steps: Steps) -> None:
        self._tokens = Tokens(text)
        self._steps = steps
        self._depth = 0
        self._syntax = ""

    def file(self) -> e.File:
        tokens = self._tokens
        if tokens.looking_at("syntax") or tokens.looking_at("edition"):
            self._read_syntax()
        package, at = "", -1
        imports: list[e.Import] = []
        body: list[e.TopLevel] = []
        while tokens.kind != END:
            self._steps.take()
            if tokens.try_take(";"):
                continue
            if tokens.looking_at("package"):
                if package:
                    raise RefusalError("a file has only one package", tokens.at)
                tokens.advance()
                at = tokens.at
                package = tokens.path("the name of a package")
                if package.startswith("."):
                    raise RefusalError("the name of a package starts with a letter", at)
                if package.count(".") > DEEPEST_PACKAGE:
                    raise SchemaTooComplexError(f"the package has more than {DEEPEST_PACKAGE} dots in its name")
                tokens.take(";")
            elif tokens.looking_at("import"):
                imports.append(self._import())
            else:
                body.append(self._top_level())
        return e.File(self._syntax, package, tuple(imports), tuple(body), at)

    def _read_syntax(self) -> None:
        tokens = self._tokens
        is_edition = tokens.text == "edition"
        tokens.advance()
        tokens.take("=")
        at = tokens.at
        syntax = tokens.name_in_string("a syntax in quotes")
        tokens.take(";")
        if is_edition and syntax not in EDITIONS:
            raise RefusalError(f'the edition "{syntax[:50]}" is not known: {", ".join(EDITIONS)} are', at)
        if not is_edition and syntax not in ("proto2", "proto3"):
            raise RefusalError(f'the syntax "{syntax[:50]}" is not known: proto2 and proto3 are', at)
        self._syntax = syntax

    @property
    def _in_edition(self) -> bool:
        return self._syntax in EDITIONS

    def _import(self) -> e.Import:
        tokens = self._tokens
        at, kind = tokens.at, ""
        tokens.advance()
        if tokens.kind == WORD:
            kind = tokens.text
            if kind not in ("public", "weak") and not (kind == "option" and self._syntax == "2024"):
                raise tokens.unexpected("the path of a file in quotes")
            if kind == "weak" and self._syntax == "2024":
                raise RefusalError("edition 2024 has no weak imports: write import option", tokens.at)
            tokens.advance()
        path = tokens.name_in_string("the path of a file in quotes")
        tokens.take(";")
        return e.Import(path, kind, at)

    def _top_level(self) -> e.TopLevel:
        tokens = self._tokens
        visibility = self._visibility()
        if tokens.kind == WORD:
            match tokens.text:
                case "message":
                    return self._message(visibility)
                case "enum":
                    return self._enum(visibility)
                case "extend":
                    return self._extend()
                case "service":
                    return self._service()
                case "option":
                    return self._option()
        raise tokens.unexpected('a top-level statement (such as "message")')

    def _visibility(self) -> str:
        tokens = self._tokens
        if not (tokens.looking_at("export") or tokens.looking_at("local")):
            return ""
        if tokens.following() not in ("message", "enum"):
            return ""
        if self._syntax != "2024":
            raise RefusalError(f'"{tokens.text}" is of edition 2024', tokens.at)
        return tokens.word("")

    def _option(self) -> e.Option:
        at = self._tokens.at
        self._tokens.advance()
        option = read_option(self._tokens, self._steps, at)
        self._tokens.take(";")
        return option

    def _message(self, visibility: str) -> e.Message:
        at = self._tokens.at
        self._tokens.advance()
        name = self._tokens.word("the name of a message")
        return e.Message(name, self._message_body(), visibility, at)

    def _message_body(self) -> tuple[e.Declaration, ...]:
        tokens = self._tokens
        self._depth += 1
        if self._depth > DEEPEST_MESSAGE:
            raise SchemaTooComplexError(f"messages are nested deeper than {DEEPEST_MESSAGE} levels")
        body: list[e.Declaration] = []
        tokens.take("{")
        while not tokens.try_take("}"):
            self._steps.take()
            if not tokens.try_take(";"):
                body.append(self._declaration())
        self._depth -= 1
        return tuple(body)

    def _declaration(self) -> e.Declaration:
        visibility = self._visibility()
        word = self._tokens.text if self._tokens.kind == WORD else ""
        declaration: e.Declaration
        match word:
            case "message":
                declaration = self._message(visibility)
            case "enum":
                declaration = self._enum(visibility)
            case "extensions":
                declaration = self._extensions()
            case "reserved":
                declaration = self._reserved(e.LARGEST_NUMBER, signed=False)
            case "extend":
                declaration = self._extend()
            case "option":
                declaration = self._option()
            case "oneof":
                declaration = self._oneof()
            case _:
                declaration = self._field()
        return declaration

    def _field(self, *, in_oneof: bool = False, in_extend: bool = False) -> e.Field:
        tokens = self._tokens
        at, label = tokens.at, ""
        if tokens.kind == WORD and tokens.text in _LABELS:
            label = tokens.text
            if in_oneof:
                raise RefusalError("fields of a oneof have no labels (required, optional, repeated)", at)
            if self._in_edition and label != "repeated":
                raise RefusalError(f'editions have no label "{label}": features.field_presence says it', at)
            if self._syntax == "proto3" and label == "required":
                raise RefusalError("proto3 has no required fields", at)
            tokens.advance()
        kind = self._map(label, in_oneof, in_extend) if tokens.looking_at("map") else ""
        is_group = not kind and tokens.looking_at("group")
        kind = kind or tokens.path("the type of a field")
        if not label and not in_oneof and self._syntax in ("", "proto2") and not kind.startswith("map<"):
            raise RefusalError('expected "required", "optional" or "repeated"', at)
        name_at = tokens.at
        name = tokens.word("the name of a field")
        if tokens.kind != "=":
            raise tokens.unexpected('"=" and the number of a field')
        tokens.advance()
        number = tokens.integer("the number of a field", e.LARGEST_VALUE)
        options = read_options(tokens, self._steps)
        if is_group:
            return self._group(label, name, number, options, name_at)
        tokens.take(";")
        return e.Field(label, kind, name, number, options, None, name_at)

    def _map(self, label: str, in_oneof: bool, in_extend: bool) -> str:
        tokens = self._tokens
        at = tokens.at
        if tokens.following() != "<":
            return ""
        if label:
            raise RefusalError("a map has no label (required, optional, repeated)", at)
        if in_oneof or in_extend:
            raise RefusalError(f"a map cannot be {'in a oneof' if in_oneof else 'an extension'}", at)
        tokens.advance()
        tokens.advance()
        key = tokens.path("the type of a map's key")
        tokens.take(",")
        value = tokens.path("the type of a map's value")
        tokens.take(">")
        return f"map<{key}, {value}>"

    def _group(self, label: str, name: str, number: int, options: tuple[e.Option, ...], at: int) -> e.Field:
        if self._in_edition:
            raise RefusalError("editions have no groups: features.message_encoding = DELIMITED says it", at)
        if self._syntax == "proto3":
            raise RefusalError("proto3 has no groups", at)
        if not name[0].isupper():
            raise RefusalError("the name of a group starts with a capital letter", at)
        group = e.Message(name, self._message_body(), "", at)
        return e.Field(label, name, name.lower(), number, options, group, at)

    def _oneof(self) -> e.OneOf:
        tokens = self._tokens
        tokens.advance()
        at = tokens.at
        name = tokens.word("the name of a oneof")
        tokens.take("{")
        body: list[e.Field | e.Option] = []
        while not tokens.try_take("}"):
            self._steps.take()
            body.append(self._option() if tokens.looking_at("option") else self._field(in_oneof=True))
        if not body:
            raise RefusalError("a oneof has at least one field", at)
        return e.OneOf(name, tuple(body), at)

    def _extend(self) -> e.Extend:
        tokens = self._tokens
        tokens.advance()
        at = tokens.at
        name = tokens.path("the name of a message")
        tokens.take("{")
        fields: list[e.Field] = []
        while not tokens.try_take("}"):
            self._steps.take()
            fields.append(self._field(in_extend=True))
        if not fields:
            raise RefusalError("an extend has at least one field", at)
        return e.Extend(name, tuple(fields), at)

    def _extensions(self) -> e.Extensions:
        at = self._tokens.at
        self._tokens.advance()
        ranges = self._ranges(e.LARGEST_NUMBER, signed=False)
        options = read_options(self._tokens, self._steps)
        self._tokens.take(";")
        return e.Extensions(ranges, options, at)

    def _reserved(self, largest: int, *, signed: bool) -> e.Reserved:
        tokens = self._tokens
        at = tokens.at
        tokens.advance()
        ranges: tuple[e.Range, ...] = ()
        names: list[str] = []
        bare = False
        if tokens.kind == STRING or (tokens.kind == WORD and self._in_edition):
            bare = self._in_edition
            while True:
                self._steps.take()
                if bare and tokens.kind == STRING:
                    raise RefusalError("editions reserve names without quotes", tokens.at)
                names.append(tokens.word("a name") if bare else tokens.name_in_string("a name in quotes"))
                if not tokens.try_take(","):
                    break
        else:
            ranges = self._ranges(largest, signed=signed)
        tokens.take(";")
        return e.Reserved(ranges, tuple(names), bare, at)

    def _ranges(self, largest: int, *, signed: bool) -> tuple[e.Range, ...]:
        tokens = self._tokens
        ranges: list[e.Range] = []
        while True:
            self._steps.take()
            first = self._number(signed)
            if tokens.looking_at("to"):
                tokens.advance()
                if tokens.looking_at("max"):
                    tokens.advance()
                    ranges.append((first, largest))
                else:
                    ranges.append((first, self._number(signed)))
            else:
                ranges.append((first,))
            if not tokens.try_take(","):
                return tuple(ranges)

    def _number(self, signed: bool) -> int:
        if signed and self._tokens.try_take("-"):
            return -self._tokens.integer("a number", 2**31)
        return self._tokens.integer("a number", e.LARGEST_VALUE)

    def _enum(self, visibility: str) -> e.Enum:
        tokens = self._tokens
        tokens.advance()
        at = tokens.at
        name = tokens.word("the name of an enum")
        tokens.take("{")
        body: list[e.EnumValue | e.Option | e.Reserved] = []
        while not tokens.try_take("}"):
            self._steps.take()
            if tokens.try_take(";"):
                continue
            if tokens.looking_at("option"):
                body.append(self._option())
            elif tokens.looking_at("reserved"):
                body.append(self._reserved(e.LARGEST_VALUE, signed=True))
            else:
                value_at = tokens.at
                value = tokens.word("the name of a value")
                tokens.take("=")
                number = self._number(signed=True)
                body.append(e.EnumValue(value, number, read_options(tokens, self._steps), value_at))
                tokens.take(";")
        return e.Enum(name, tuple(body), visibility, at)

    def _service(self) -> e.Service:
        tokens = self._tokens
        tokens.advance()
        at = tokens.at
        name = tokens.word("the name of a service")
        tokens.take("{")
        body: list[e.Rpc | e.Option] = []
        while not tokens.try_take("}"):
            self._steps.take()
            if tokens.try_take(";"):
                continue
            if tokens.looking_at("option"):
                body.append(self._option())
            elif tokens.looking_at("rpc"):
                body.append(self._rpc())
            else:
                raise tokens.unexpected('"rpc" or "option"')
        return e.Service(name, tuple(body), at)

    def _rpc(self) -> e.Rpc:
        tokens = self._tokens
        tokens.advance()
        at = tokens.at
        name = tokens.word("the name of a method")
        client_streams, request = self._rpc_type()
        if not tokens.looking_at("returns"):
            raise tokens.unexpected('"returns"')
        tokens.advance()
        server_streams, response = self._rpc_type()
        options: list[e.Option] = []
        if tokens.try_take("{"):
            while not tokens.try_take("}"):
                self._steps.take()
                if tokens.try_take(";"):
                    continue
                if not tokens.looking_at("option"):
                    raise tokens.unexpected('"option"')
                options.append(self._option())
        else:
            tokens.take(";")
        return e.Rpc(name, request, response, client_streams, server_streams, tuple(options), at)

    def _rpc_type(self) -> tuple[bool, str]:
        tokens = self._tokens
        tokens.take("(")
        streams = tokens.looking_at("stream")
        if streams:
            tokens.advance()
        kind = tokens.path("the name of a message")
        tokens.take(")")
        return streams, kind
