"""Whether brokers wait for the disk before they answer `acks=all`: altered while they run, and back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kopfka_bench.errors import RefusedError
from kopfka_bench.figures import APACHE_KAFKA, KOPFKA
from kopfka_bench.protocol.raw import CLOSED, RawConnection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from kopfka_bench.brokers.targets import Broker

_SYNCING = {KOPFKA: ("kopfka.acks.all.fsync", "false"), APACHE_KAFKA: ("log.flush.interval.messages", "1")}
"""What makes each do other than it does by default."""
_BROKER, _SET, _DELETE = 4, 0, 1

BY_DEFAULT, BOTH, NEITHER = "as by default", "both sync", "neither syncs"
"""How `acks=all` is measured: the bundled broker syncs by default, Apache Kafka does not."""


def nobody_syncs(brokers: Sequence[Broker]) -> AbstractContextManager[None]:
    """Have the bundled broker answer as Apache Kafka does by default, after the write, while the block runs."""
    return _altered(brokers, KOPFKA)


def everybody_syncs(brokers: Sequence[Broker]) -> AbstractContextManager[None]:
    """Have Apache Kafka sync each append before it answers while the block runs: of all topics, internal ones too."""
    return _altered(brokers, APACHE_KAFKA)


@contextlib.contextmanager
def _altered(brokers: Sequence[Broker], name: str) -> Iterator[None]:
    ones = [broker for broker in brokers if broker.name == name]
    setting, value = _SYNCING[name]
    for broker in ones:
        _alter(broker.bootstrap, setting, value)
    try:
        yield
    finally:
        for broker in ones:
            _alter(broker.bootstrap, setting, None)


def _alter(bootstrap: str, setting: str, value: str | None) -> None:
    change = {"name": setting, "config_operation": _DELETE if value is None else _SET, "value": value}
    resource = {"resource_type": _BROKER, "resource_name": "", "configs": [change]}
    with RawConnection(bootstrap, seconds=30) as connection:
        answer = connection.call("incremental_alter_configs", 1, resources=[resource], validate_only=False)
    if answer is CLOSED or answer["responses"][0]["error_code"] != "none":
        raise RefusedError(f"{setting} could not be altered: {answer}")
