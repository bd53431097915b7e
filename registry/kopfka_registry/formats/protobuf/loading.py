"""Brings a file together with what it imports: references by name, known files without one.

What is missing, and what imports itself, is refused.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import LARGEST_TEXT
from kopfka_registry.formats.protobuf.known import DESCRIPTOR, KNOWN, known_file
from kopfka_registry.formats.protobuf.refusal import RefusalError, Steps, placed
from kopfka_registry.formats.protobuf.symbols import Linked, Table, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_registry.formats.protobuf.elements import File

LARGEST_REFERENCES: Final = 4 * LARGEST_TEXT
"""Characters of all texts a schema refers to, directly and indirectly."""


def load(
    file: File, references: Mapping[str, str], read: Callable[[str], File], steps: Steps, *, tolerant: bool = False
) -> dict[str, File]:
    """Return the files that a file imports, directly and indirectly, by path.

    Args:
        file: what imports.
        references: texts by name.
        read: reads a text.
        steps: what it may cost.
        tolerant: whether what is missing is left out.

    Raises:
        RefusalError: a file is missing, is not readable, or imports itself.
        SchemaTooComplexError: the texts are too long.
    """
    files: dict[str, File] = {}
    size = 0
    for wanted in file.imports:
        # depth first without recursion: a path stands on the trail while what it imports is looked at
        stack, trail = [(wanted.path, False)], dict[str, None]()
        while stack:
            path, left = stack.pop()
            if left:
                del trail[path]
                continue
            steps.take()
            if path in trail:
                raise RefusalError(f"a file imports itself: {' -> '.join([*trail, path])}"[:500], wanted.at)
            if path in files:
                continue
            if path in references and path:
                text = references[path]
                size += len(text)
                if size > LARGEST_REFERENCES:
                    raise SchemaTooComplexError(f"the references are longer than {LARGEST_REFERENCES} characters")
                try:
                    found = read(text)
                except RefusalError as error:
                    raise RefusalError(f'import "{path}": {placed(str(error), text, error.at)}', wanted.at) from None
            elif path in KNOWN:
                found = known_file(path)
            elif tolerant:
                continue
            else:
                raise RefusalError(f'import "{path}" is not found: it needs a reference of this name', wanted.at)
            trail[path] = None
            stack.append((path, True))
            stack += [(item.path, False) for item in found.imports]
            files[path] = found
    return files


def link(file: File, files: Mapping[str, File], steps: Steps) -> Linked:
    """Collect the symbols of a file and of those it imports.

    Raises:
        RefusalError: two things have the same name.
    """
    tables = []
    for path, other in files.items():
        if path in KNOWN and other is known_file(path):
            tables.append(_known_table(path))
            continue
        try:
            tables.append(declared(path, other, steps))
        except RefusalError as error:
            raise RefusalError(f'import "{path}": {error}') from None
    return Linked(declared("", file, steps), tables, steps)


@functools.cache
def _known_table(path: str) -> Table:
    return declared(path, known_file(path), Steps())


@functools.cache
def descriptor_alone() -> Linked:
    """Return `descriptor.proto`, which says what options there are, whether or not a file imports it."""
    return Linked(_known_table(DESCRIPTOR), (), Steps(10**18))
