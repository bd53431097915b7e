"""Parts made at their first use: each one is there when it is asked for, and none is made before."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kopfka_broker.cluster import Cluster
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.handlers import dispatcher
from kopfka_broker.lazily import Lazy, LazyHandler
from kopfka_broker.network.listeners import listeners_from
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from pathlib import Path

_ON_DEMAND = (
    "aiohttp", "cramjam", "cryptography", "hashlib", "jwt", "re2",
    "kopfka_broker.apis.acls", "kopfka_broker.apis.telemetry", "kopfka_broker.apis.tokens",
    "kopfka_broker.groups.consumer.groups", "kopfka_broker.groups.share.groups", "kopfka_broker.groups.streams.groups",
    "kopfka_broker.schemas", "kopfka_broker.security.sasl", "kopfka_broker.security.scram",
    "kopfka_broker.security.tls", "kopfka_broker.share.parts", "kopfka_broker.storage.cleaning.work",
    "kopfka_runtime.tls", "kopfka_wire.client", "kopfka_wire.sasl",
)  # fmt: skip
"""What a broker that nobody asks for it does not import."""

_START_AND_STOP = """
import asyncio, sys
from pathlib import Path
from kopfka_broker.main import _without_test_libraries
_without_test_libraries()
from kopfka_broker.broker import Broker
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.network.listeners import Listener, listeners_from

async def main():
    listeners = listeners_from({}, Listener("PLAINTEXT", "127.0.0.1", 0), None)
    broker = Broker(Path(sys.argv[1]), BrokerConfig({}), listeners)
    await broker.start()
    broker.cluster.create_topic("topic", 1, {})
    await asyncio.sleep(0.1)
    await broker.close()

asyncio.run(main())
print(*sys.modules)
"""


def test_each_handler_is_there_when_it_is_asked_for(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, BrokerConfig({}), listeners_from({}, None, None))
    answers = dispatcher(cluster)
    served = [*answers._handlers.values(), *answers._raw.values()]
    lazy = [each for each in served if isinstance(each, LazyHandler)]
    assert len(lazy) > 20
    for each in lazy:
        assert callable(each.handler)
    assert {ApiKey.DESCRIBE_ACLS, ApiKey.SHARE_FETCH, ApiKey.STREAMS_GROUP_HEARTBEAT} <= answers.versions.keys()


def test_a_part_is_made_once() -> None:
    part: Lazy[list[int]] = Lazy("builtins", "list", (1, 2))
    assert part.made is None
    assert part() == [1, 2]
    assert part() is part()
    assert part.made is part()


def test_a_part_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError):
        Lazy("builtins", "no_such_class")()


def test_a_broker_without_work_imports_nothing_of_what_it_does_not_use(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _START_AND_STOP, str(tmp_path / "data")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    imported = set(run.stdout.split())
    assert "kopfka_broker.apis.produce" in imported
    assert imported.isdisjoint(_ON_DEMAND)
