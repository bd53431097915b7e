"""Start: what `__transaction_state` says, read back into transactional ids."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_broker.coordinators.errors import MalformedRecordError
from kopfka_broker.transactions.records import decode_key, decode_value
from kopfka_broker.transactions.state import State, TransactionalId

if TYPE_CHECKING:
    from kopfka_broker.coordinators.compaction import Compaction
    from kopfka_broker.coordinators.ports import StateLog

_RECORDS_A_TURN = 10_000

log = logging.getLogger(__name__)


async def replay(store: StateLog, compaction: Compaction) -> dict[str, TransactionalId]:
    """Read every partition of the log; other work of the event loop goes on meanwhile."""
    found: dict[str, TransactionalId] = {}
    for partition in range(store.partition_count):
        last: dict[bytes, bytes | None] = {}
        number = 0
        for number, record in enumerate(store.read_all(partition), 1):
            last[record.key] = record.value
            if number % _RECORDS_A_TURN == 0:
                await asyncio.sleep(0)
        compaction.loaded(partition, number, sum(value is not None for value in last.values()))
        for key, value in last.items():
            if value is None:
                continue
            try:
                name = decode_key(key)
                if name is None:
                    continue
                transaction = decode_value(value)
            except MalformedRecordError as error:
                log.error("partition %d of __transaction_state: a record was left out: %s", partition, error)
                continue
            if transaction.state is not State.DEAD:
                found[name] = TransactionalId(name, transaction)
        await asyncio.sleep(0)
    if found:
        log.info("loaded %d transactional ids", len(found))
    return found
