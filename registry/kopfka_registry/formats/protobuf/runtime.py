"""Protobuf's own runtime, imported at its first use: it costs tens of milliseconds, and it has no types."""

from __future__ import annotations

import importlib
from typing import Any


def descriptors() -> Any:
    """Return `google.protobuf.descriptor_pb2`."""
    return importlib.import_module("google.protobuf.descriptor_pb2")


def decode_error() -> type[Exception]:
    """Return the error of bytes that are no message."""
    error: type[Exception] = importlib.import_module("google.protobuf.message").DecodeError
    return error
