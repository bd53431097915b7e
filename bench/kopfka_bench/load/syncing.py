"""Whether the bundled broker waits for the disk before it answers `acks=all`: altered while it runs, and back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kopfka_bench.errors import RefusedError
from kopfka_bench.figures import KOPFKA
from kopfka_bench.protocol.raw import CLOSED, RawConnection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kopfka_bench.brokers.targets import Broker

SETTING = "kopfka.acks.all.fsync"
_BROKER, _SET, _DELETE = 4, 0, 1

BY_DEFAULT, BOTH, NEITHER = "as by default", "both sync", "neither syncs"
"""How `acks=all` is measured: the bundled broker syncs by default, Apache Kafka does not."""


@contextlib.contextmanager
def nobody_syncs(brokers: Sequence[Broker]) -> Iterator[None]:
    """Have the bundled broker answer as Apache Kafka does by default, after the write, while the block runs."""
    own = [broker for broker in brokers if broker.name == KOPFKA]
    for broker in own:
        _alter(broker.bootstrap, _SET)
    try:
        yield
    finally:
        for broker in own:
            _alter(broker.bootstrap, _DELETE)


def _alter(bootstrap: str, operation: int) -> None:
    change = {"name": SETTING, "config_operation": operation, "value": "false" if operation == _SET else None}
    resource = {"resource_type": _BROKER, "resource_name": "", "configs": [change]}
    with RawConnection(bootstrap, seconds=30) as connection:
        answer = connection.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)
    if answer is CLOSED or answer["responses"][0]["error_code"] != "none":
        raise RefusedError(f"{SETTING} could not be altered: {answer}")
