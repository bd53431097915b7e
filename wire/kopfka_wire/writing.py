"""The few encodings that hand-written answers are made of. Everything else is written by kio."""

from __future__ import annotations

_NULL_LEGACY = b"\xff\xff"


def unsigned_varint(value: int) -> bytes:
    """Return an unsigned varint."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def compact_text(text: str | None) -> bytes:
    """Return a string as versions with tagged fields carry it; null where None."""
    if text is None:
        return b"\0"
    raw = text.encode()
    return unsigned_varint(len(raw) + 1) + raw


def legacy_text(text: str | None) -> bytes:
    """Return a string as versions before tagged fields carry it; null where None."""
    if text is None:
        return _NULL_LEGACY
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw
