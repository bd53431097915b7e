"""A child process of the fault tests: appends as fast as it can, and says over a pipe what it may acknowledge.

Each line is `log offset value`, written only after the group commit covered the record: what a producer with acks=all
would have been told. It ends only by being killed, or when the pipe is closed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from kopfka_broker.storage import KafkaStorageError, LogConfig, LogManager, StorageSettings
from support.storage import NOW, batch

CONFIG = LogConfig(segment_bytes=200_000, index_interval_bytes=500)
LOGS = 3


async def write(directory: Path, seed: int, pipe: int) -> None:
    """Append to every log of the topic, several appends on their way in each."""
    settings = StorageSettings(checkpoint_interval_ms=20)
    manager = LogManager(directory, CONFIG, settings=settings)
    manager.open()
    if "t" not in manager.topics:
        manager.create_topic("t", LOGS, {}, CONFIG)
    os.write(pipe, b"open\n")
    upkeep = asyncio.create_task(manager.run(asyncio.Event()))

    async def produce(index: int, lane: int) -> None:
        log = manager.topics["t"].partitions[index]
        number = 0
        while True:
            value = b"%d.%d.%d.%d:" % (seed, index, lane, number) + b"x" * (number * 37 % 3000)
            try:
                done = log.append(batch(value), NOW)
                await log.flushed(done.last_offset + 1)
                os.write(pipe, b"%d %d %d.%d.%d.%d\n" % (index, done.last_offset, seed, index, lane, number))
            except KafkaStorageError:
                await asyncio.sleep(0.001)  # a full disk: a producer tries again
            number += 1

    await asyncio.gather(upkeep, *(produce(index, lane) for index in range(LOGS) for lane in range(4)))


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
