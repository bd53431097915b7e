"""Words of the schema registry's API that both its kinds use."""

from __future__ import annotations

from typing import Literal

CompatibilityLevel = Literal[
    "NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"
]
"""Values of `schema.compatibility.level`."""

Mode = Literal["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"]
"""Values of the API's /mode."""
