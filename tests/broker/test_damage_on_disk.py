"""A damaged batch on disk, as clients and the coordinators meet it: an error for it, and service for all else."""

from __future__ import annotations

from broker.live import batch
from kopfka_broker.coordinators.ports import StateRecord
from kopfka_broker.coordinators.topics import InternalTopic
from kopfka_wire.batches import HEADER_SIZE
from support.storage import NOW, crash, log_files, open_manager

CORRUPT_MESSAGE = 2


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


async def test_a_fetch_of_it_is_an_error_and_of_its_neighbours_is_not(live):
    client = await live.client()
    await client.create("t", 2, retention_ms="-1")
    for value in (b"zero", b"one", b"two"):
        await client.produce("t", batch(value))
        await client.produce("t", batch(value), partition=1)
    logs = live.broker.cluster.logs
    logs.apply_retention()  # from here on what is there counts as old
    log = logs.topics["t"].partitions[0]
    path = log_files(log)[0]
    flip(path, path.read_bytes().index(b"one"))
    answers = {}
    for offset in range(3):
        answer = await client.fetch(("t", 0, offset), ("t", 1, offset))
        for topic in answer.responses:
            for part in topic.partitions:
                answers[part.partition_index, offset] = (part.error_code.value, bytes(part.records or b""))
    assert answers[0, 0][0] == answers[0, 2][0] == 0
    assert b"zero" in answers[0, 0][1]
    assert b"two" not in answers[0, 0][1]
    assert answers[0, 1] == (CORRUPT_MESSAGE, b"")
    assert b"two" in answers[0, 2][1]
    assert {code for (partition, _), (code, _) in answers.items() if partition == 1} == {0}
    assert logs.damage.by_partition() == {("t", 0): 1}
    again = await client.produce("t", batch(b"three"))
    assert again.error_code.value == 0


async def test_coordinators_load_what_is_around_it(tmp_path):
    def topic(manager):
        def create(name, partitions, config):
            return manager.create_topic(name, partitions, config, manager.defaults)

        return InternalTopic(manager, create, "__consumer_offsets", 1, {})

    manager = open_manager(tmp_path / "data")
    state = topic(manager)
    for number in range(6):
        state.append(0, [StateRecord(b"%d-%d" % (number, index), b"value") for index in range(3)], NOW)
    path = log_files(manager.topics["__consumer_offsets"].partitions[0])[0]
    await manager.close()
    flip(path, path.stat().st_size // 2 + HEADER_SIZE + 3)
    manager = open_manager(tmp_path / "data")
    left = [record.key for record in topic(manager).read_all(0)]
    assert left == [b"%d-%d" % (number, index) for number in (0, 1, 2, 4, 5) for index in range(3)]
    crash(manager)
