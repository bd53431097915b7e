"""The style of names that edition 2024 demands: `TitleCase`, `lower_snake_case`, `UPPER_SNAKE_CASE`.

Earlier editions demand none. An underscore stands between letters or digits and is followed by a letter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.features import Features

_TITLE: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_LOWER: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*")
_UPPER: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z][A-Z0-9]*)*")


def _enforced(features: Features) -> bool:
    return features.enforce_naming_style != "STYLE_LEGACY"


def check_title(name: str, what: str, features: Features, at: int) -> None:
    """Check a name that is in `TitleCase`."""
    if _enforced(features) and not _TITLE.fullmatch(name):
        raise RefusalError(f'the {what} "{name}" should be in TitleCase', at)


def check_lower(name: str, what: str, features: Features, at: int, *, dots: bool = False) -> None:
    """Check a name that is in `lower_snake_case`; with `dots`, several of them."""
    if _enforced(features) and not all(_LOWER.fullmatch(part) for part in (name.split(".") if dots else (name,))):
        raise RefusalError(f'the {what} "{name}" should be in lower_snake_case', at)


def check_upper(name: str, what: str, features: Features, at: int) -> None:
    """Check a name that is in `UPPER_SNAKE_CASE`."""
    if _enforced(features) and not _UPPER.fullmatch(name):
        raise RefusalError(f'the {what} "{name}" should be in UPPER_SNAKE_CASE', at)
