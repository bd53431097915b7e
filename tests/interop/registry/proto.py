"""Protobuf's own compiler, which comes with `grpcio-tools`: classes of messages as an application has them."""

from __future__ import annotations

import base64
import functools
import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.type import money_pb2

from support.prerequisites import lacking

if TYPE_CHECKING:
    from collections.abc import Mapping


def classes(text: str, imports: Mapping[str, str] | None = None, file: str = "main.proto") -> dict[str, Any]:
    """Return the classes of the messages of a file, by full name, and of what it imports."""
    return _compiled(file, text, tuple((imports or {}).items()))


def filled(kind: Any, data: dict[str, Any]) -> Any:
    """Return a message with these data."""
    return json_format.ParseDict(data, kind())


def sole(text: str, imports: Mapping[str, str] | None = None) -> Any:
    """Return the class of the first message of a file."""
    return next(iter(classes(text, imports).values()))


def described(text: str, imports: Mapping[str, str] | None = None, file: str = "main.proto") -> str:
    """Return the FileDescriptorSet of a file and what it imports, in base64."""
    return base64.b64encode(_described(file, text, tuple((imports or {}).items())).SerializeToString()).decode()


@functools.cache
def _compiled(file: str, text: str, imports: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    files = _described(file, text, imports).file
    pool = descriptor_pool.DescriptorPool()
    for each in files:
        pool.Add(each)
    ordered = [pool.FindFileByName(each.name) for each in reversed(files)]
    return {
        message.full_name: message_factory.GetMessageClass(message)
        for each in ordered
        for message in each.message_types_by_name.values()
    }


def _described(file: str, text: str, imports: tuple[tuple[str, str], ...]) -> descriptor_pb2.FileDescriptorSet:
    if importlib.util.find_spec("grpc_tools") is None:
        lacking("protoc is needed: pip install grpcio-tools")
    compiler = importlib.import_module("grpc_tools.protoc")
    known = (Path(compiler.__file__).parent / "_proto", Path(money_pb2.__file__).parents[2])
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ((file, text), *imports):
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        out = Path(folder, "out.bin")
        options = ["--include_imports", f"--descriptor_set_out={out}"]
        roots = [f"-I{each}" for each in (folder, *known)]
        assert compiler.main(["protoc", *roots, *options, file]) == 0, text
        found = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    for each in found.file:
        _forget_json_names(each.message_type)
    return found


def _forget_json_names(messages: Any) -> None:
    """Leave out names in JSON that say nothing new, as generated code does."""
    for message in messages:
        for field in message.field:
            head, *others = field.name.split("_")
            if field.json_name == head + "".join(each.capitalize() for each in others):
                field.ClearField("json_name")
        _forget_json_names(message.nested_type)
