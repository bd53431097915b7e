"""Makes a `FileDescriptorProto` of elements, as protoc does: names resolved, options interpreted, maps as messages.

`json_name` is there only where it is written. The file has to be one that `checks` lets pass.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf import encoding, features, runtime
from kopfka_registry.formats.protobuf.options import Options
from kopfka_registry.formats.protobuf.scalars import number, whole
from kopfka_registry.formats.protobuf.symbols import entry_name
from kopfka_registry.formats.protobuf.types import resolved

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.symbols import Linked

_TYPES: Final = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9,
    "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
_GROUP: Final = 10
_MESSAGE: Final = 11
_ENUM: Final = 14
_LABELS: Final = {"optional": 1, "required": 2, "repeated": 3, "": 1}
_VISIBILITY: Final = {"local": 1, "export": 2}


def describe(linked: Linked, name: str) -> Any:
    """Return the descriptor of the main file, with this name.

    Raises:
        RefusalError: an option is not allowed.
    """
    return _Builder(linked).file(name)


class _Builder:
    __slots__ = ("_file", "_linked", "_options")

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._file = linked.main.file
        self._options = Options(linked)

    def file(self, name: str) -> Any:
        file, out = self._file, runtime.descriptors().FileDescriptorProto(name=name)
        if file.package:
            out.package = file.package
        for item in file.imports:
            if item.kind == "option":
                out.option_dependency.append(item.path)
                continue
            if item.kind:
                positions = out.public_dependency if item.kind == "public" else out.weak_dependency
                positions.append(len(out.dependency))
            out.dependency.append(item.path)
        if file.is_edition:
            out.syntax = "editions"
            out.edition = features.EDITIONS[file.syntax]
        elif file.syntax == "proto3":
            out.syntax = file.syntax
        scope = file.package
        self._set_options(out, file.options, "FileOptions", scope)
        for element in file.body:
            match element:
                case e.Message():
                    self._message(out.message_type.add(), element, scope)
                case e.Enum():
                    self._enum(out.enum_type.add(), element, scope)
                case e.Extend():
                    self._extend(out.extension, out.message_type, element, scope)
                case e.Service():
                    self._service(out.service.add(), element, scope)
        return out

    def _set_options(self, out: Any, options: tuple[e.Option, ...], kind: str, scope: str) -> None:
        content = self._options.interpret(options, kind, scope, pseudo=kind == "FieldOptions")
        if content:
            out.options.MergeFromString(content)
        elif options and not all(option.name in ("default", "json_name") for option in options):
            out.options.SetInParent()

    def _message(self, out: Any, message: e.Message, outer: str) -> None:
        out.name = message.name
        if message.visibility:
            out.visibility = _VISIBILITY[message.visibility]
        scope = f"{outer}.{message.name}" if outer else message.name
        for item in message.body:
            match item:
                case e.Field():
                    self._member(out, item, scope)
                case e.OneOf():
                    for field in item.fields:
                        self._member(out, field, scope)
                        out.field[-1].oneof_index = len(out.oneof_decl)
                    oneof = out.oneof_decl.add(name=item.name)
                    self._set_options(oneof, item.options, "OneofOptions", scope)
                case e.Message():
                    self._message(out.nested_type.add(), item, scope)
                case e.Enum():
                    self._enum(out.enum_type.add(), item, scope)
                case e.Extend():
                    self._extend(out.extension, out.nested_type, item, scope)
        self._ranges(out, message, scope)
        self._set_options(out, message.options, "MessageOptions", outer)
        if self._file.syntax == "proto3":
            _add_synthetic_oneofs(out)

    def _ranges(self, out: Any, message: e.Message, scope: str) -> None:
        # what max means for a message set
        is_set = any(item.name == "message_set_wire_format" and item.value == "true" for item in message.options)
        for item in message.extensions:
            for bounds in item.ranges:
                is_all = is_set and bounds[-1] == e.LARGEST_NUMBER
                end = e.LARGEST_VALUE if is_all else bounds[-1] + 1
                ranged = out.extension_range.add(start=bounds[0], end=end)
                self._set_options(ranged, item.options, "ExtensionRangeOptions", scope)
        for reserved in message.reserved:
            for bounds in reserved.ranges:
                out.reserved_range.add(start=bounds[0], end=bounds[-1] + 1)
            out.reserved_name.extend(reserved.names)

    def _member(self, out: Any, field: e.Field, scope: str) -> None:
        described = out.field.add()
        self._field(described, field, scope)
        if field.map is not None:
            self._map_entry(out.nested_type.add(), field, described, scope)
        elif field.group is not None:
            self._message(out.nested_type.add(), field.group, scope)

    def _map_entry(self, out: Any, field: e.Field, described: Any, scope: str) -> None:
        out.name = entry_name(field.name)
        out.options.map_entry = True
        types = field.map or ("", "")
        for position, (name, kind) in enumerate(zip(("key", "value"), types, strict=True), 1):
            inner = out.field.add()
            self._field(inner, e.Field("", kind, name, position), f"{scope}.{out.name}")
            # what the map's features say of its strings goes for key and value
            if described.options.HasField("features"):
                inner.options.features.CopyFrom(described.options.features)

    def _extend(self, out: Any, messages: Any, extend: e.Extend, scope: str) -> None:
        extended = self._linked.resolve(extend.name, scope, self._linked.main, options=True)
        for field in extend.fields:
            described = out.add(extendee=f".{extended.name}" if extended is not None else extend.name)
            self._field(described, field, scope)
            if field.group is not None:
                self._message(messages.add(), field.group, scope)

    def _field(self, out: Any, field: e.Field, scope: str) -> None:
        out.name = field.name
        out.number = field.number
        out.label = 3 if field.map is not None else _LABELS[field.label]
        scalar, symbol = resolved(self._linked, field, scope, self._linked.main)
        if symbol is None:
            out.type = _TYPES[scalar]
        else:
            out.type_name = f".{symbol.name}"
            out.type = _GROUP if field.group is not None else _MESSAGE if symbol.kind == "message" else _ENUM
        default = field.option("default")
        if default is not None:
            _set_default(out, scalar, default.value)
        json_name = field.option("json_name")
        if json_name is not None and isinstance(json_name.value, bytes):
            out.json_name = json_name.value.decode()
        if self._file.syntax == "proto3" and field.label == "optional":
            out.proto3_optional = True
        self._set_options(out, field.options, "FieldOptions", scope)

    def _enum(self, out: Any, enum: e.Enum, outer: str) -> None:
        out.name = enum.name
        if enum.visibility:
            out.visibility = _VISIBILITY[enum.visibility]
        for item in enum.body:
            match item:
                case e.EnumValue():
                    value = out.value.add(name=item.name, number=item.number)
                    self._set_options(value, item.options, "EnumValueOptions", outer)
                case e.Reserved():
                    for bounds in item.ranges:
                        out.reserved_range.add(start=bounds[0], end=bounds[-1])
                    out.reserved_name.extend(item.names)
        self._set_options(out, enum.options, "EnumOptions", outer)

    def _service(self, out: Any, service: e.Service, outer: str) -> None:
        out.name = service.name
        scope = f"{outer}.{service.name}" if outer else service.name
        for rpc in service.rpcs:
            method = out.method.add(name=rpc.name)
            method.input_type = self._message_name(rpc.request, scope)
            method.output_type = self._message_name(rpc.response, scope)
            if rpc.client_streams:
                method.client_streaming = True
            if rpc.server_streams:
                method.server_streaming = True
            self._set_options(method, rpc.options, "MethodOptions", scope)
        self._set_options(out, service.options, "ServiceOptions", outer)

    def _message_name(self, name: str, scope: str) -> str:
        symbol = self._linked.resolve(name, scope, self._linked.main)
        return f".{symbol.name}" if symbol is not None else name


def _set_default(out: Any, scalar: str, value: e.Value) -> None:
    if isinstance(value, bytes) and scalar == "string":
        # it may be no UTF-8, which the runtime takes in bytes only
        out.MergeFromString(encoding.delimited(out.DEFAULT_VALUE_FIELD_NUMBER, value))
    else:
        out.default_value = default_text(scalar, value)


def default_text(scalar: str, value: e.Value) -> str:
    """Return a default as descriptors have it."""
    if isinstance(value, bytes):
        return escaped(value)
    assert isinstance(value, str)
    if scalar in ("float", "double"):
        found = number(value)
        return value if found is None else float_text(found, single=scalar == "float")
    found_whole = whole(value)
    return value if found_whole is None else str(found_whole)


def float_text(value: float, *, single: bool) -> str:
    """Return a number in the shortest form that is read back as the same, as C++ writes it."""
    if single:
        value = struct.unpack("<f", encoding.bare_scalar("float", value)[1])[0]
    if not math.isfinite(value):
        return str(value)
    short, long = (f"{value:.6g}", f"{value:.9g}") if single else (f"{value:.15g}", f"{value:.17g}")
    same = encoding.bare_scalar("float", float(short)) == encoding.bare_scalar("float", value)
    return short if (same if single else float(short) == value) else long


def escaped(content: bytes) -> str:
    """Return bytes as C++ escapes them: octal but for letters of ASCII."""
    names = {10: "\\n", 13: "\\r", 9: "\\t", 34: '\\"', 39: "\\'", 92: "\\\\"}
    return "".join(names.get(byte, chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in content)


def _add_synthetic_oneofs(out: Any) -> None:
    """Give each `optional` field of proto3 a oneof of its own, after all others."""
    names = {field.name for field in out.field} | {oneof.name for oneof in out.oneof_decl}
    for field in out.field:
        if field.proto3_optional:
            name = field.name if field.name.startswith("_") else f"_{field.name}"
            while name in names:
                name = f"X{name}"
            names.add(name)
            field.oneof_index = len(out.oneof_decl)
            out.oneof_decl.add(name=name)
