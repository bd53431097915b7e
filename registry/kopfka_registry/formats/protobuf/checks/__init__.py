"""What protoc refuses in a file that is well written: numbers, names, types, options that are not allowed.

Each module looks at one kind of thing. They stop at the first fault: the text is not a schema then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf.checks.context import Context
from kopfka_registry.formats.protobuf.checks.files import check_file

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.symbols import Linked


def check(linked: Linked) -> None:
    """Check the main file.

    Raises:
        RefusalError: something in it is not allowed.
        SchemaTooComplexError: checking it takes too many steps.
    """
    check_file(Context(linked))
