"""That no API and no version of one is forgotten: each is called, by who may, on both brokers.

What those are told who may not is `test_differential_rights`, which has every API and version too.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey

if TYPE_CHECKING:
    from support.differential import Scenarios

HERE = Path(__file__).parent
ELSEWHERE = {
    *(("api_versions", version) for version in range(5)),  # test_differential
    *(("produce", version) for version in range(3)),  # test_differential
    *(("sasl_handshake", version) for version in range(2)),  # test_security_dialogues
    *(("sasl_authenticate", version) for version in range(3)),  # test_security_dialogues
}
"""What is compared without scenarios."""


def test_every_api_is_compared_in_every_version() -> None:
    shown = set(ELSEWHERE)
    for path in sorted(HERE.glob("test_differential_*.py")):
        shown |= _shown(path)
    wanted = {
        (key.name.lower(), version) for key, (low, high) in KAFKA_VERSIONS.items() for version in range(low, high + 1)
    }
    assert not wanted - shown


def _shown(path: Path) -> set[tuple[str, int]]:
    module = importlib.import_module(f"interop.{path.stem}")
    scenarios: Scenarios | None = getattr(module, "SCENARIOS", None)
    found = set() if scenarios is None else scenarios.shown()
    return {(api, version) for api, version in found if KAFKA_VERSIONS[ApiKey[api.upper()]].holds(version)}
