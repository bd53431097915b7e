"""Topics, the data folder, its lock and its files."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid

import pytest

from kopfka_broker.storage import (
    DataFolderError,
    InvalidPartitionsError,
    InvalidTopicError,
    KafkaStorageError,
    LogConfig,
    LogManager,
    TopicExistsError,
    UnknownTopicError,
)
from kopfka_broker.storage.checkpoints import decode_uuid, encode_uuid, read_epochs, read_offsets, write_offsets
from support.storage import NOW, batch, crash, fill, log_files, new_log, open_manager, values_of


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.mark.parametrize("clean", [True, False])
async def test_topics_are_there_after_a_restart(data, clean):
    manager = open_manager(data)
    defaults = manager.defaults
    topic = manager.create_topic("a", 3, {"retention.ms": "5"}, defaults.overridden({"retention.ms": "5"}))
    manager.create_topic("b", 1, {}, defaults, topic_id=uuid.UUID(int=77))
    manager.create_topic("gone", 1, {}, defaults)
    manager.add_partitions("b", 2)
    manager.alter_config("b", {"segment.bytes": "1000"}, defaults.overridden({"segment.bytes": "1000"}))
    manager.delete_topic("gone")
    fill(topic.partitions[2], [b"v"])
    if clean:
        await manager.close()
    else:
        crash(manager)
    again = open_manager(data)
    assert {name: len(topic.partitions) for name, topic in again.topics.items()} == {"a": 3, "b": 2}
    assert again.topics["a"].topic_id == topic.topic_id
    assert again.topic_by_id(uuid.UUID(int=77)) is again.topics["b"]
    assert again.topic_by_id(uuid.UUID(int=78)) is None
    assert (again.topics["a"].config, again.topics["b"].config) == ({"retention.ms": "5"}, {"segment.bytes": "1000"})
    assert again.topics["a"].partitions[0].config.retention_ms == 5
    assert again.topics["b"].partitions[1].config.segment_bytes == 1000
    assert again.cluster_id == manager.cluster_id
    assert values_of(again.topics["a"].partitions[2]) == [b"v"]
    assert not list(data.glob("gone-*"))


def test_what_is_refused(data):
    manager = open_manager(data)
    manager.create_topic("a", 2, {}, manager.defaults)
    for name in ("", ".", "..", "a/b", "ü", "a b", "x" * 250):
        with pytest.raises(InvalidTopicError):
            manager.create_topic(name, 1, {}, manager.defaults)
    with pytest.raises(TopicExistsError):
        manager.create_topic("a", 1, {}, manager.defaults)
    with pytest.raises(InvalidPartitionsError):
        manager.create_topic("b", 0, {}, manager.defaults)
    for total in (1, 2):
        with pytest.raises(InvalidPartitionsError):
            manager.add_partitions("a", total)
    for change in (lambda: manager.delete_topic("b"), lambda: manager.add_partitions("b", 3)):
        with pytest.raises(UnknownTopicError):
            change()
    with pytest.raises(UnknownTopicError):
        manager.alter_config("b", {}, manager.defaults)
    assert list(manager.topics) == ["a"]


def test_internal_topics(data):
    manager = open_manager(data)
    assert manager.create_topic("__consumer_offsets", 1, {}, manager.defaults).internal
    assert not manager.create_topic("__mine", 1, {}, manager.defaults).internal


def test_a_topic_deleted_and_created_again_is_empty(data):
    manager = open_manager(data)
    fill(new_log(manager), [b"old"])
    manager.delete_topic("t")
    log = new_log(manager)
    assert values_of(log) == []
    fill(log, [b"new"])
    crash(manager)
    assert values_of(open_manager(data).topics["t"].partitions[0]) == [b"new"]


def test_a_deletion_that_was_cut_short_brings_nothing_back(data, caplog):
    manager = open_manager(data)
    log = new_log(manager)
    fill(log, [b"old"])
    crash(manager)
    (data / "kopfka-topics.json").write_text('{"version": 1, "topics": []}')  # deleted; the folder was not renamed yet
    manager = open_manager(data)
    assert not manager.topics
    assert "belongs to no topic" in caplog.text
    assert values_of(new_log(manager)) == []
    [stray] = data.glob("t-0.*-stray")
    assert (stray / "00000000000000000000.log").stat().st_size


def test_a_full_disk_creates_no_topic(data, monkeypatch):
    manager = open_manager(data)
    before = sorted(path.name for path in data.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(KafkaStorageError, match="No space"):
        manager.create_topic("t", 2, {}, manager.defaults)
    assert not manager.topics
    monkeypatch.undo()
    assert sorted(path.name for path in data.iterdir() if not path.name.endswith("-delete")) == before
    fill(new_log(manager), [b"v"])
    monkeypatch.setattr(os, "write", full)
    for change in (
        lambda: manager.delete_topic("t"),
        lambda: manager.add_partitions("t", 2),
        lambda: manager.alter_config("t", {"retention.ms": "1"}, LogConfig(retention_ms=1)),
    ):
        with pytest.raises(KafkaStorageError):
            change()
    monkeypatch.undo()
    topic = manager.topics["t"]
    assert (len(topic.partitions), topic.config, topic.partitions[0].config) == (1, {}, LogConfig())
    assert values_of(topic.partitions[0]) == [b"v"]


def test_one_folder_one_broker(data):
    manager = open_manager(data)
    with pytest.raises(DataFolderError, match="in use by another broker"):
        open_manager(data)
    code = (
        "import sys; from pathlib import Path\n"
        "from kopfka_broker.storage import LogManager, LogConfig, DataFolderError\n"
        "try: LogManager(Path(sys.argv[1]), LogConfig()).open()\n"
        "except DataFolderError as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
    assert "in use by another broker" in said.stdout
    crash(manager)
    said = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
    assert said.stdout == ""


def test_a_folder_of_another_node_is_refused(data):
    crash(open_manager(data))
    with pytest.raises(DataFolderError, match=r"of node 1, and node\.id is 2"):
        LogManager(data, LogConfig(), node_id=2).open()
    open_manager(data)  # the lock was given back


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="cannot use the data folder"):
        open_manager(tmp_path / "file")


def test_a_damaged_list_of_topics_is_refused(data):
    crash(open_manager(data))
    (data / "kopfka-topics.json").write_text('{"version": 1, "topics": [{"name"')
    with pytest.raises(DataFolderError, match="damaged"):
        open_manager(data)
    (data / "kopfka-topics.json").write_text('{"version": 2, "topics": []}')
    with pytest.raises(DataFolderError, match="newer"):
        open_manager(data)


async def test_files_are_kafkas(data):
    manager = open_manager(data)
    log = new_log(manager, config={"segment.bytes": "400"})
    fill(log, [b"%d" % number for number in range(10)])
    log.delete_records(4)
    await manager.close()
    meta = (data / "meta.properties").read_text()
    assert "version=1\n" in meta
    assert f"cluster.id={manager.cluster_id}\n" in meta
    assert "node.id=1\n" in meta
    assert len(manager.cluster_id) == 22
    metadata = (log.directory / "partition.metadata").read_text()
    assert metadata == f"version: 0\ntopic_id: {encode_uuid(log.topic_id)}"
    assert (data / "recovery-point-offset-checkpoint").read_text() == "0\n1\nt 0 10\n"
    assert (data / "replication-offset-checkpoint").read_text() == "0\n1\nt 0 10\n"
    assert (data / "log-start-offset-checkpoint").read_text() == "0\n1\nt 0 4\n"
    assert read_epochs(log.directory / "leader-epoch-checkpoint") == [(0, 4)]
    for path in log_files(log):
        assert path.with_suffix(".index").exists()
        assert path.with_suffix(".timeindex").stat().st_size % 12 == 0
    assert (log.directory / "00000000000000000010.snapshot").exists()


def test_checkpoints(tmp_path):
    path = tmp_path / "checkpoint"
    assert read_offsets(path) == {}
    offsets = {("a-b", 3): 7, ("c", 0): 2**60}
    write_offsets(path, offsets)
    assert read_offsets(path) == offsets
    assert list(tmp_path.iterdir()) == [path]
    for damaged in ("", "0\n", "1\n1\na 0 1\n", "0\n2\na 0 1\n"):
        path.write_text(damaged)
        assert read_offsets(path) == {}


def test_ids_are_kafkas():
    assert encode_uuid(uuid.UUID(int=1)) == "AAAAAAAAAAAAAAAAAAAAAQ"
    assert decode_uuid("AAAAAAAAAAAAAAAAAAAAAQ") == uuid.UUID(int=1)


async def test_closing_twice_or_unopened_does_nothing(data):
    manager = LogManager(data, LogConfig())
    await manager.close()
    manager.open()
    await manager.close()
    await manager.close()


def test_more_logs_than_descriptors(data, monkeypatch):
    monkeypatch.setattr("kopfka_broker.storage.manager.default_limit", lambda: 16)
    manager = open_manager(data)
    topic = manager.create_topic("t", 60, {}, manager.defaults)
    for round_ in range(3):
        for number, log in enumerate(topic.partitions):
            fill(log, [b"%d %d" % (round_, number)])
        assert sum(segment.file.is_open for log in topic.partitions for segment in log.segments) <= 16
    for number, log in enumerate(topic.partitions):
        assert values_of(log) == [b"%d %d" % (round_, number) for round_ in range(3)]


async def test_more_logs_to_sync_than_descriptors(data, monkeypatch):
    monkeypatch.setattr("kopfka_broker.storage.manager.default_limit", lambda: 16)
    monkeypatch.setattr("kopfka_broker.storage.flusher._MOST_AT_ONCE", 8)
    manager = open_manager(data)
    topic = manager.create_topic("t", 100, {}, manager.defaults)
    for log in topic.partitions:
        fill(log, [b"v"])
    await asyncio.gather(*(log.flushed(1) for log in topic.partitions))
    assert all(log.recovery_point == 1 for log in topic.partitions)
    assert sum(segment.file.is_open for log in topic.partitions for segment in log.segments) <= 16
    await manager.close()
    assert all(values_of(log) == [b"v"] for log in open_manager(data).topics["t"].partitions)


async def test_an_unused_log_has_no_files_open_and_none_but_its_metadata(data):
    manager = open_manager(data)
    log = new_log(manager)
    assert sorted(path.name for path in log.directory.iterdir()) == ["partition.metadata"]
    await manager.close()
    manager = open_manager(data)
    assert not manager.topics["t"].partitions[0].active.file.is_open


def test_a_log_that_cannot_be_read_is_out_of_use_and_others_are_served(data, caplog):
    manager = open_manager(data)
    fill(new_log(manager, "bad"), [b"v"])
    fill(new_log(manager, "good"), [b"v"])
    crash(manager)
    bad = log_files(manager.topics["bad"].partitions[0])[0]
    content = bad.read_bytes()
    bad.unlink()
    bad.mkdir()
    manager = open_manager(data)
    assert values_of(manager.topics["good"].partitions[0]) == [b"v"]
    assert list(manager.offline) == [bad.parent]
    with pytest.raises(KafkaStorageError, match="out of use until the broker is started again"):
        manager.topics["bad"].partitions[0].append(batch(b"x"), NOW)
    manager.save_checkpoints()
    crash(manager)
    bad.rmdir()
    bad.write_bytes(content)
    assert values_of(open_manager(data).topics["bad"].partitions[0]) == [b"v"]


def test_many_partitions_are_made_while_others_are_served(tmp_path):
    async def scenario():
        manager = open_manager(tmp_path / "data")
        other = new_log(manager, "other")
        making = asyncio.create_task(manager.create_topic_gradually("many", 100, {}, manager.defaults))
        turns = 0
        while not making.done():
            await asyncio.sleep(0)
            turns += 1
            other.append(batch(b"v"), NOW)
            if not making.done():
                assert "many" not in manager.topics
                with pytest.raises(TopicExistsError):
                    manager.create_topic("many", 1, {}, manager.defaults)
        assert turns > 3
        assert len((await making).partitions) == len(manager.topics["many"].partitions) == 100
        await manager.close()
        assert len(open_manager(tmp_path / "data").topics["many"].partitions) == 100

    asyncio.run(scenario())


def test_a_topic_whose_making_is_given_up_leaves_nothing(tmp_path):
    async def scenario():
        manager = open_manager(tmp_path / "data")
        making = asyncio.create_task(manager.create_topic_gradually("many", 100, {}, manager.defaults))
        await asyncio.sleep(0)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        assert not [path for path in manager.directory.glob("many-*") if not path.name.endswith("-delete")]
        assert len(manager.create_topic("many", 2, {}, manager.defaults).partitions) == 2
        await manager.close()

    asyncio.run(scenario())
