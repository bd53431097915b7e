"""Protobuf: `.proto` texts and descriptors, their canonical and normal forms, and who can read whose messages."""

from __future__ import annotations

from typing import Final

from kopfka_registry.formats.protobuf.schema import ProtobufFormat, ProtobufSchema

__all__ = ["FORMAT", "ProtobufFormat", "ProtobufSchema"]

FORMAT: Final = ProtobufFormat()
