"""Reads a `FileDescriptorProto` into elements: the form in which some clients register schemas.

As in Confluent's registry the entries of a map stay messages with `map_entry`, and type names stay as they are. Custom
options are unknown fields here; `custom` says what they are, once the files that declare them are known. What comes
out is not to be trusted before it was written, read and checked like any text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf import runtime
from kopfka_registry.formats.protobuf.features import one_by_one
from kopfka_registry.formats.protobuf.refusal import RefusalError, Steps
from kopfka_registry.formats.protobuf.tokens import unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Custom: TypeAlias = Callable[[str, bytes], Iterable[tuple[str, e.Value]]]
    """Given the full name of a message of options and its bytes, returns its extensions' names and values."""

_SCALARS: Final = {
    1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 6: "fixed64", 7: "fixed32", 8: "bool", 9: "string",
    12: "bytes", 13: "uint32", 15: "sfixed32", 16: "sfixed64", 17: "sint32", 18: "sint64",
}  # fmt: skip
_GROUP: Final = 10
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH: Final = re.compile(r"\.?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WORD: Final = re.compile(r"-?[A-Za-z0-9_.+]+(?:[eE]-[0-9]+)?")
_LABELS: Final = {1: "optional", 2: "required", 3: "repeated"}
_EDITIONS: Final = {1000: "2023", 1001: "2024"}
_VISIBILITY: Final = {0: "", 1: "local", 2: "export"}


def read_descriptor(content: bytes) -> Any:
    """Read the bytes of a descriptor.

    Raises:
        RefusalError: they are none.
    """
    try:
        return runtime.descriptors().FileDescriptorProto.FromString(content)
    except runtime.decode_error():
        raise RefusalError("the bytes are no FileDescriptorProto") from None


def elements_of(file: Any, steps: Steps, custom: Custom | None = None) -> e.File:
    """Return the elements of a described file.

    Raises:
        RefusalError: it describes what cannot be written as text.
    """
    return _Decoder(file, steps, custom).file()


class _Decoder:
    __slots__ = ("_custom", "_file", "_steps", "_syntax")

    def __init__(self, file: Any, steps: Steps, custom: Custom | None) -> None:
        self._file = file
        self._steps = steps
        self._custom = custom
        self._syntax = _said(file.syntax)
        if file.syntax == "editions":
            if file.edition not in _EDITIONS:
                raise RefusalError(f"the edition {file.edition} is not known")
            self._syntax = _EDITIONS[file.edition]
        elif self._syntax not in ("", "proto2", "proto3"):
            raise RefusalError(f"the syntax {self._syntax[:50]!r} is not known: proto2 and proto3 are")

    def file(self) -> e.File:
        file = self._file
        kinds = dict.fromkeys(file.public_dependency, "public") | dict.fromkeys(file.weak_dependency, "weak")
        imports = [e.Import(_said(path), kinds.get(position, "")) for position, path in enumerate(file.dependency)]
        imports += [e.Import(_said(path), "option") for path in file.option_dependency]
        body: list[e.TopLevel] = [*self._options(file)]
        groups = self._groups(file.extension, file.message_type, "")
        for message in file.message_type:
            if f".{self._scope('')}{message.name}" not in groups:
                body.append(self._message(message, ""))
        body += [self._enum(enum) for enum in file.enum_type]
        body += self._extends(file.extension, groups)
        body += [self._service(service) for service in file.service]
        return e.File(self._syntax, _checked(_PATH, file.package) if file.package else "", tuple(imports), tuple(body))

    def _scope(self, prefix: str) -> str:
        package = f"{self._file.package}." if self._file.package else ""
        return package + prefix

    def _groups(self, fields: Iterable[Any], messages: Iterable[Any], prefix: str) -> dict[str, Any]:
        """Return the messages in this scope that are declared by groups, by full name with a dot before it."""
        wanted = {field.type_name for field in fields if field.type == _GROUP}
        scope = self._scope(prefix)
        return {name: message for message in messages if (name := f".{scope}{message.name}") in wanted}

    def _message(self, message: Any, prefix: str) -> e.Message:
        self._steps.take()
        return e.Message(
            _checked(_NAME, message.name), self._body(message, prefix), _VISIBILITY.get(message.visibility, "")
        )

    def _body(self, message: Any, prefix: str) -> tuple[e.Declaration, ...]:
        inner = f"{prefix}{message.name}."
        groups = self._groups((*message.field, *message.extension), message.nested_type, inner)
        body: list[e.Declaration] = []
        for bounds in message.reserved_range:
            body.append(e.Reserved(ranges=(_range(bounds.start, bounds.end - 1),)))
        bare = self._syntax in _EDITIONS.values()
        body += [e.Reserved(names=(_said(name),), bare=bare) for name in message.reserved_name]
        body += self._options(message)
        members: dict[int, list[e.Field]] = {}
        for field in message.field:
            self._steps.take()
            in_oneof = field.HasField("oneof_index") and not field.proto3_optional
            element = self._field(field, groups, inner, in_oneof=in_oneof)
            if not in_oneof:
                body.append(element)
                continue
            if not 0 <= field.oneof_index < len(message.oneof_decl):
                raise RefusalError(f'the field "{field.name}" is in a oneof that is not there')
            members.setdefault(field.oneof_index, []).append(element)
        for position, oneof in enumerate(message.oneof_decl):
            if position in members:
                body.append(e.OneOf(_checked(_NAME, oneof.name), (*self._options(oneof), *members[position])))
        for extension in message.extension_range:
            last = extension.end - 1
            if message.options.message_set_wire_format and last >= e.LARGEST_NUMBER:
                last = e.LARGEST_NUMBER
            ranges = (_range(extension.start, last),)
            body.append(e.Extensions(ranges, tuple(self._options(extension))))
        body += self._extends(message.extension, groups, inner)
        for nested in message.nested_type:
            if f".{self._scope(inner)}{nested.name}" not in groups:
                body.append(self._message(nested, inner))
        body += [self._enum(enum) for enum in message.enum_type]
        return tuple(body)

    def _field(self, field: Any, groups: dict[str, Any], inner: str, *, in_oneof: bool = False) -> e.Field:
        name = _checked(_NAME, field.name)
        options = list(self._options(field))
        if field.HasField("default_value"):
            options.append(e.Option("default", self._default(field)))
        if field.HasField("json_name"):
            options.append(e.Option("json_name", _said(field.json_name).encode()))
        label = _LABELS.get(field.label, "")
        if in_oneof or (self._syntax not in ("", "proto2") and label != "repeated" and not field.proto3_optional):
            label = ""
        if field.type == _GROUP:
            group = groups.get(field.type_name)
            if group is None:
                raise RefusalError(f'the group "{field.name}" has no message beside it')
            body = self._body(group, inner)
            element = e.Message(_checked(_NAME, group.name), body)
            return e.Field(label, group.name, name, field.number, tuple(options), element)
        kind = field.type_name or (_SCALARS.get(field.type) if field.HasField("type") else None)
        if not kind:
            raise RefusalError(f'the field "{field.name}" has no type')
        return e.Field(label, _checked(_PATH, kind), name, field.number, tuple(options))

    def _default(self, field: Any) -> e.Value:
        text: str | bytes = field.default_value
        if isinstance(text, bytes):
            # so the runtime has a string that is not UTF-8
            return text
        if _SCALARS.get(field.type) == "string":
            return text.encode()
        return unescaped(text) if _SCALARS.get(field.type) == "bytes" else _checked(_WORD, text)

    def _extends(self, fields: Iterable[Any], groups: dict[str, Any], inner: str = "") -> list[e.Extend]:
        by_name: dict[str, list[e.Field]] = {}
        for field in fields:
            self._steps.take()
            by_name.setdefault(_checked(_PATH, field.extendee), []).append(self._field(field, groups, inner))
        return [e.Extend(name, tuple(extended)) for name, extended in by_name.items()]

    def _enum(self, enum: Any) -> e.Enum:
        body: list[e.EnumValue | e.Option | e.Reserved] = []
        for bounds in enum.reserved_range:
            body.append(e.Reserved(ranges=(_range(bounds.start, bounds.end),)))
        bare = self._syntax in _EDITIONS.values()
        body += [e.Reserved(names=(_said(name),), bare=bare) for name in enum.reserved_name]
        body += self._options(enum)
        for value in enum.value:
            self._steps.take()
            body.append(e.EnumValue(_checked(_NAME, value.name), value.number, tuple(self._options(value))))
        return e.Enum(_checked(_NAME, enum.name), tuple(body), _VISIBILITY.get(enum.visibility, ""))

    def _service(self, service: Any) -> e.Service:
        body: list[e.Rpc | e.Option] = [*self._options(service)]
        for method in service.method:
            self._steps.take()
            body.append(
                e.Rpc(
                    _checked(_NAME, method.name),
                    _checked(_PATH, method.input_type),
                    _checked(_PATH, method.output_type),
                    method.client_streaming,
                    method.server_streaming,
                    tuple(self._options(method)),
                )
            )
        return e.Service(_checked(_NAME, service.name), tuple(body))

    def _options(self, described: Any) -> Iterable[e.Option]:
        if not described.HasField("options"):
            return
        options: Any = described.options
        for field, value in _set_fields(options):
            if field.name == "uninterpreted_option":
                raise RefusalError("the descriptor has an option that is not interpreted")
            items = value if _is_repeated(field) else (value,)
            for item in items:
                self._steps.take()
                yield from one_by_one(e.Option(field.name, self._value(field, item)))
        if self._custom is not None:
            for name, found in self._custom(options.DESCRIPTOR.full_name, options.SerializeToString()):
                yield e.Option(f"({name})", found)

    def _value(self, field: Any, value: Any) -> e.Value:
        if field.message_type is not None:
            return self._aggregate(value)
        if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            if known is None:
                raise RefusalError(f'the option "{field.name}" has the unknown value {value}')
            name: str = known.name
            return name
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value.encode()
        return value if isinstance(value, bytes) else str(value)

    def _aggregate(self, message: Any) -> e.Aggregate:
        entries: list[tuple[str, e.Value]] = []
        for field, value in _set_fields(message):
            items = value if _is_repeated(field) else (value,)
            for item in items:
                self._steps.take()
                entries.append((field.name, self._value(field, item)))
        if self._custom is not None:
            found = self._custom(message.DESCRIPTOR.full_name, message.SerializeToString())
            entries += [(f"[{name}]", value) for name, value in found]
        return e.Aggregate(tuple(entries))


def has_custom_options(file: Any) -> bool:
    """Tell whether a descriptor has fields the runtime does not know: extensions of its options."""
    plain = type(file)()
    plain.CopyFrom(file)
    plain.DiscardUnknownFields()
    return bool(plain.ByteSize() != file.ByteSize())


def _said(text: str | bytes) -> str:
    """Return a text of a descriptor; the runtime has it as bytes where it is not UTF-8."""
    if isinstance(text, bytes):
        raise RefusalError("the descriptor has a text that is not UTF-8")
    return text


def _checked(pattern: re.Pattern[str], text: str | bytes) -> str:
    text = _said(text)
    if not pattern.fullmatch(text):
        raise RefusalError(f"the descriptor has a name or a value that cannot be written: {text[:50]!r}")
    return text


def _set_fields(message: Any) -> list[tuple[Any, Any]]:
    """Return the fields that are set, in the order of their declaration, as Confluent's registry has them."""
    order = {field.number: position for position, field in enumerate(message.DESCRIPTOR.fields)}
    found: list[tuple[Any, Any]] = [(field, value) for field, value in message.ListFields() if not field.is_extension]
    return sorted(found, key=lambda item: order[item[0].number])


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _range(first: int, last: int) -> e.Range:
    return (first,) if first == last else (first, last)
