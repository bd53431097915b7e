"""Messages of a parsed schema, by Protobuf's own runtime."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf import ProtobufSchema


def classes(schema: ProtobufSchema, *imported: ProtobufSchema) -> dict[str, Any]:
    """Return the classes of a schema's messages by name; `imported` are what it imports, in order."""
    pool = descriptor_pool.DescriptorPool()
    for number, other in enumerate((*imported, schema)):
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(other.formatted("serialized")))
        file.name = f"file{number}.proto"
        pool.Add(file)
    described = pool.FindFileByName(f"file{len(imported)}.proto")
    return {name: message_factory.GetMessageClass(message) for name, message in described.message_types_by_name.items()}
