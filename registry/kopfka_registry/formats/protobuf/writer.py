"""Writes elements as the registry's canonical text: one layout, without comments, the same as Confluent's registry has.

Kinds of declarations are grouped, messages before enums, and a blank line stands between groups; inside a message it
has the message's indentation, as clients compare texts byte by byte. What `ProtobufSchema.canonicalString` loses or
writes so that it cannot be read again (a default of bytes, options of extension ranges, the inside of groups) is
written in full. Nothing is sorted here: see `normal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import LARGEST_TEXT
from kopfka_registry.formats.protobuf import elements as e

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_ESCAPES: Final = {
    **{code: f"\\{code:03o}" for code in (*range(32), 127)},
    7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r",
    ord("\\"): "\\\\", ord("'"): "\\'", ord('"'): '\\"',
}  # fmt: skip
_PSEUDO: Final = ("default", "json_name")


def write_file(
    file: e.File,
    keep: Callable[[e.Option], bool] | None = None,
    *,
    extensions: bool = True,
    in_order: bool = False,
) -> str:
    """Return the canonical text.

    Args:
        file: what to write.
        keep: which options are written; all where it is not given.
        extensions: whether ranges of extension numbers and extensions are written.
        in_order: whether a default and a name in JSON stay where they are among options, and are not put last.

    Raises:
        SchemaTooComplexError: the text is longer than what is read, which nesting can make of a shorter one.
    """
    return _Writer(keep, extensions, in_order).file(file)


def quoted(content: bytes) -> str:
    """Return a string literal that stands for these bytes."""
    text = content.decode("utf-8", "surrogateescape").translate(_ESCAPES)
    if not text.isascii():
        # bytes that are no UTF-8 came as lone surrogates U+DC80 to U+DCFF
        text = "".join(f"\\{ord(char) & 0xFF:03o}" if "\udc80" <= char <= "\udcff" else char for char in text)
    return f'"{text}"'


class _Writer:
    __slots__ = ("_extensions", "_in_order", "_keep", "_lines", "_size")

    def __init__(self, keep: Callable[[e.Option], bool] | None, extensions: bool, in_order: bool) -> None:
        self._in_order = in_order
        self._keep = keep
        self._extensions = extensions
        self._lines: list[str] = []
        self._size = 0

    def _add(self, line: str) -> None:
        self._size += len(line)
        if self._size > LARGEST_TEXT:
            raise SchemaTooComplexError(f"the schema's canonical text is longer than {LARGEST_TEXT} characters")
        self._lines.append(line)

    def file(self, file: e.File) -> str:
        if file.syntax:
            self._add(f'{"edition" if file.is_edition else "syntax"} = "{file.syntax}";\n')
        if file.package:
            self._add(f"package {file.package};\n")
        options = self._kept(file.options)
        extends = file.extends if self._extensions else ()
        sections: list[tuple[object, Callable[[], None]]] = [
            (file.imports, lambda: self._imports(file.imports)),
            (options, lambda: self._options(options, "")),
            (file.messages or file.enums, lambda: self._types(file, "")),
            (extends, lambda: self._extends(extends, "")),
            (file.services, lambda: self._services(file.services)),
        ]
        for content, section in sections:
            if content:
                self._add("\n")
                section()
        return "".join(self._lines)

    def _imports(self, imports: tuple[e.Import, ...]) -> None:
        for kind in ("", "public", "weak", "option"):
            for item in imports:
                if item.kind == kind:
                    self._add(f"import {kind + ' ' if kind else ''}{quoted(item.path.encode())};\n")

    def _kept(self, options: tuple[e.Option, ...]) -> tuple[e.Option, ...]:
        return options if self._keep is None else tuple(filter(self._keep, options))

    def _options(self, options: Iterable[e.Option], indent: str) -> None:
        for option in options:
            self._add(f"{indent}option {option.name} = ")
            self._value(option.value, indent)
            self._add(";\n")

    def _block(self, head: str, indent: str, sections: Iterable[Callable[[str], None]]) -> None:
        self._add(f"{indent}{head}")
        self._braces(indent, sections)

    def _braces(self, indent: str, sections: Iterable[Callable[[str], None]]) -> None:
        """Write sections in braces; a blank line stands between them."""
        self._add(" {")
        separator = "\n"
        for section in sections:
            self._add(separator)
            section(indent + "  ")
            separator = f"{indent}\n"
        self._add("}\n" if separator == "\n" else f"{indent}}}\n")

    def _message(self, message: e.Message, indent: str) -> None:
        self._block(f"{_exported(message)}message {message.name}", indent, self._sections(message))

    def _sections(self, message: e.Message) -> list[Callable[[str], None]]:
        fields = [field for field in message.fields if field.group is None]
        groups = [field for field in message.fields if field.group is not None]
        options = self._kept(message.options)
        sections: list[tuple[object, Callable[[str], None]]] = [
            (message.reserved, lambda indent: self._reserved(message.reserved, indent, e.LARGEST_NUMBER)),
            (options, lambda indent: self._options(options, indent)),
            (fields, lambda indent: self._fields(fields, indent)),
            (message.oneofs, lambda indent: self._oneofs(message.oneofs, indent)),
            (groups, lambda indent: self._fields(groups, indent)),
        ]
        if self._extensions:
            sections += [
                (message.extensions, lambda indent: self._extension_ranges(message.extensions, indent)),
                (message.extends, lambda indent: self._extends(message.extends, indent)),
            ]
        sections.append((message.messages or message.enums, lambda indent: self._types(message, indent)))
        return [section for content, section in sections if content]

    def _types(self, message: e.Message | e.File, indent: str) -> None:
        for nested in message.messages:
            self._message(nested, indent)
        for enum in message.enums:
            self._enum(enum, indent)

    def _extends(self, extends: Iterable[e.Extend], indent: str) -> None:
        for extend in extends:
            self._extend(extend, indent)

    def _extend(self, extend: e.Extend, indent: str) -> None:
        fields = [field for field in extend.fields if field.group is None]
        fields += [field for field in extend.fields if field.group is not None]
        self._block(f"extend {extend.name}", indent, [lambda inner: self._fields(fields, inner)])

    def _oneofs(self, oneofs: Iterable[e.OneOf], indent: str) -> None:
        for oneof in oneofs:
            options = self._kept(oneof.options)
            plain = [field for field in oneof.fields if field.group is None]
            groups = [field for field in oneof.fields if field.group is not None]
            sections: list[Callable[[str], None]] = []
            if options:
                sections.append(lambda inner, items=options: self._options(items, inner))  # type: ignore[misc]
            for fields in (plain, groups):
                if fields:
                    sections.append(lambda inner, items=fields: self._fields(items, inner))  # type: ignore[misc]
            self._block(f"oneof {oneof.name}", indent, sections)

    def _fields(self, fields: Iterable[e.Field], indent: str) -> None:
        for field in fields:
            label = f"{field.label} " if field.label else ""
            if field.group is None:
                self._add(f"{indent}{label}{field.type} {field.name} = {field.number}")
                self._bracketed(self._field_options(field), indent)
                self._add(";\n")
            else:
                self._add(f"{indent}{label}group {field.group.name} = {field.number}")
                self._bracketed(self._field_options(field), indent)
                self._braces(indent, self._sections(field.group))

    def _field_options(self, field: e.Field) -> tuple[e.Option, ...]:
        if not field.options or self._in_order:
            return field.options
        ordered = [option for option in field.options if option.name not in _PSEUDO]
        ordered += [option for name in _PSEUDO if (option := field.option(name)) is not None]
        return tuple(ordered)

    def _bracketed(self, options: tuple[e.Option, ...], indent: str) -> None:
        options = self._kept(options)
        if not options:
            return
        if len(options) == 1:
            self._add(f" [{options[0].name} = ")
            self._value(options[0].value, indent)
            self._add("]")
            return
        inner = indent + "  "
        separator = " [\n"
        for option in options:
            self._add(f"{separator}{inner}{option.name} = ")
            self._value(option.value, inner)
            separator = ",\n"
        self._add(f"\n{indent}]")

    def _enum(self, enum: e.Enum, indent: str) -> None:
        def body(inner: str) -> None:
            self._reserved(enum.reserved, inner, e.LARGEST_VALUE)
            self._options(self._kept(enum.options), inner)
            for value in enum.values:
                self._add(f"{inner}{value.name} = {value.number}")
                self._bracketed(value.options, inner)
                self._add(";\n")

        self._block(f"{_exported(enum)}enum {enum.name}", indent, [body] if enum.body else [])

    def _reserved(self, items: Iterable[e.Reserved], indent: str, largest: int) -> None:
        for item in items:
            names = item.names if item.bare else [quoted(name.encode()) for name in item.names]
            self._add(f"{indent}reserved {', '.join(names) or _ranges(item.ranges, largest)};\n")

    def _extension_ranges(self, items: Iterable[e.Extensions], indent: str) -> None:
        for item in items:
            self._add(f"{indent}extensions {_ranges(item.ranges, e.LARGEST_NUMBER)}")
            self._bracketed(item.options, indent)
            self._add(";\n")

    def _services(self, services: Iterable[e.Service]) -> None:
        for service in services:
            self._service(service)

    def _service(self, service: e.Service) -> None:
        options = self._kept(service.options)
        sections: list[Callable[[str], None]] = []
        if options:
            sections.append(lambda indent: self._options(options, indent))
        if service.rpcs:
            sections.append(lambda indent: self._rpcs(service.rpcs, indent))
        self._block(f"service {service.name}", "", sections)

    def _rpcs(self, rpcs: Iterable[e.Rpc], indent: str) -> None:
        for rpc in rpcs:
            request = f"{'stream ' if rpc.client_streams else ''}{rpc.request}"
            response = f"{'stream ' if rpc.server_streams else ''}{rpc.response}"
            self._add(f"{indent}rpc {rpc.name} ({request}) returns ({response})")
            options = self._kept(rpc.options)
            if options:
                self._add(" {\n")
                self._options(options, indent + "  ")
                self._add(f"{indent}}}")
            self._add(";\n")

    def _value(self, value: e.Value, indent: str) -> None:
        if isinstance(value, str):
            self._add(value)
            return
        if isinstance(value, bytes):
            self._add(quoted(value))
            return
        inner = indent + "  "
        opening, closing = "{}" if isinstance(value, e.Aggregate) else "[]"
        items = merged(value).items() if isinstance(value, e.Aggregate) else (("", item) for item in value)
        separator = f"{opening}\n"
        for key, item in items:
            self._add(f"{separator}{inner}{key}: " if key else f"{separator}{inner}")
            self._value(item, inner)
            separator = ",\n"
        self._add(f"{separator}{indent}{closing}" if separator[0] == opening else f"\n{indent}{closing}")


def merged(aggregate: e.Aggregate) -> dict[str, e.Value]:
    """Return the entries of a message, those with the same key as one list in the place of the first."""
    lists: dict[str, list[e.Value]] = {}
    found: dict[str, e.Value] = {}
    for key, value in aggregate.entries:
        if key not in found:
            found[key] = value
            continue
        if key not in lists:
            first = found[key]
            lists[key] = list(first) if isinstance(first, tuple) else [first]
        lists[key].extend(value if isinstance(value, tuple) else (value,))
    return found | {key: tuple(items) for key, items in lists.items()}


def _exported(item: e.Message | e.Enum) -> str:
    return f"{item.visibility} " if item.visibility else ""


def _ranges(ranges: Sequence[e.Range], largest: int) -> str:
    return ", ".join(
        str(item[0]) if len(item) == 1 else f"{item[0]} to {'max' if item[1] == largest else item[1]}"
        for item in ranges
    )
