"""Texts that protoc accepts and refuses, and the files they import. `test_protoc.py` holds protoc to that."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def imported() -> dict[str, str]:
    """Return the files that the texts import, by path."""
    return {path.name: path.read_text("utf-8") for path in sorted((_HERE / "lib").glob("*.proto"))}


def accepted() -> list[str]:
    """Return texts that are schemas."""
    return (_HERE / "accepted.txt").read_text("utf-8").split("%%\n")


def refused() -> list[tuple[str, str]]:
    """Return texts that are no schemas, each with what is said of it."""
    blocks = (_HERE / "refused.txt").read_text("utf-8").split("%% ")[1:]
    return [(text.removesuffix("\n"), said) for said, _, text in (block.partition("\n") for block in blocks)]
