"""Resources from YAML files, with the file and document each comes from. They are only read here, not judged."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUFFIXES = (".yaml", ".yml", ".json")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestError(KopfkaError):
    """A file cannot be read, is not YAML, or holds something that is not a resource or is refused."""


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as written, and where."""

    source: str  # file and document
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.source} ({self.body['kind']} {self.body['metadata']['name']})"


def read_documents(names: Sequence[str], *, recursive: bool = False, strict: bool = True) -> list[Document]:
    """Read resources from files, from the YAML files of folders, or from standard input (`-`).

    Folders in folders are read too with `recursive`; documents that are no resources are left out without `strict`.

    Raises:
        ManifestError: with the file, the document and the line.
    """
    texts = [found for name in names for found in _texts(name, recursive)]
    return [document for file, text in texts for document in parse_documents(file, text, strict=strict)]


def _texts(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(name)
    try:
        inside = path.rglob("*") if recursive else path.iterdir() if path.is_dir() else ()
        files = sorted(one for one in inside if one.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise ManifestError(f"{name}: no file there ends in {', '.join(_SUFFIXES)}")
        for file in files:
            yield str(file), file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def parse_documents(file: str, text: str, *, strict: bool = True) -> list[Document]:
    """Return the resources of one YAML text; a `List` gives its items.

    What is no resource is left out without `strict`.

    Raises:
        ManifestError: with the file, the document and the line.
    """
    found: list[Document] = []
    loader = _Loader(text)
    number = 0
    try:
        while True:
            number += 1
            if not loader.check_data():
                return found
            body = loader.get_data()
            if body is not None:
                found += _resources(f"{file}: document {number}", body, strict)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
        raise ManifestError(f"{file}: document {number}{where}: not YAML: {problem}") from None
    finally:
        loader.dispose()


def _resources(source: str, body: Any, strict: bool) -> list[Document]:
    try:
        return _checked(source, body, strict)
    except ManifestError:
        if strict:
            raise
        return []


def _checked(source: str, body: Any, strict: bool) -> list[Document]:
    if not isinstance(body, dict):
        raise ManifestError(f"{source}: this is no resource: a resource has apiVersion, kind and metadata")
    if str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list):
        items = enumerate(body["items"], 1)
        return [one for at, item in items for one in _resources(f"{source}, item {at}", item, strict)]
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            raise ManifestError(f"{source}: {field} is missing")
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise ManifestError(f"{source}: metadata.name is missing")
    return [Document(source, body)]
