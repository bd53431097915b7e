"""protoc itself, to be asked what it makes of a text: the one whose verdicts and descriptors are the measure.

It comes with `grpcio-tools`. Answers are brought to what both sides can say: names in JSON that are the default are
left out, as are empty options of methods.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2

from kopfka_registry.formats.protobuf.checks.names import camel_case
from support.prerequisites import lacking

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN = Path(__file__).parents[4] / "registry/kopfka_registry/formats/protobuf/known"
_NOISE = re.compile(r"warning:|^WARNING: All log|^[WI]\d{4} ")


def bundled() -> dict[str, str]:
    """Return the files that come with protoc, by path."""
    root = _tools() / "_proto"
    return {str(path.relative_to(root)): path.read_text("utf-8") for path in sorted(root.rglob("*.proto"))}


def compiled(text: str, others: Mapping[str, str], name: str = "main.proto") -> tuple[Any, list[str]]:
    """Return what protoc makes of a text: its descriptor, or None, and what it complains of."""
    tools = _tools()
    with tempfile.TemporaryDirectory() as folder:
        for path, content in {**others, name: text}.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode("utf-8", "surrogateescape"))
        out = Path(folder, "out.bin")
        roots = [f"-I{root}" for root in (folder, tools / "_proto", _KNOWN)]
        code, said = _run(["protoc", *roots, "--retain_options", f"--descriptor_set_out={out}", name])
        complaints = [line for line in said.splitlines() if not _NOISE.search(line)]
        if code != 0:
            return None, complaints or [f"protoc ended with {code}"]
        (file_descriptor,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    return plain(file_descriptor), complaints


def plain(file: Any) -> Any:
    """Return a descriptor without what is the same whether or not it is said."""
    _plain_fields(file.extension)
    for message in file.message_type:
        _plain_message(message)
    for service in file.service:
        for method in service.method:
            if method.HasField("options") and not method.options.ByteSize():
                method.ClearField("options")
    return file


def _plain_message(message: Any) -> None:
    _plain_fields((*message.field, *message.extension))
    for nested in message.nested_type:
        _plain_message(nested)


def _plain_fields(fields: Any) -> None:
    for field in fields:
        if field.json_name == camel_case(field.name):
            field.ClearField("json_name")


def _tools() -> Path:
    spec = importlib.util.find_spec("grpc_tools")
    if spec is None or not spec.submodule_search_locations:
        lacking("protoc is needed: pip install grpcio-tools")
    return Path(next(iter(spec.submodule_search_locations)))


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run protoc in this process, as a new one costs more than its work; it writes to the file of standard error."""
    main = importlib.import_module("grpc_tools.protoc").main
    with tempfile.TemporaryFile() as said:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            code = main(arguments)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        return code, said.read().decode("utf-8", "replace")
