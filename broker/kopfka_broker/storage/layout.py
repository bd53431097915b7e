"""Partition folders of a data folder: whose they are, and what becomes of those that no topic claims.

A folder that Apache Kafka wrote and that has no list of topics yet is taken over: its partitions become topics. In a
folder with a list, a partition of no topic is set aside under another name, never read and never deleted: it is what a
crash in the middle of a deletion leaves, or something put there by hand.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import uuid
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import (
    PARTITION_METADATA,
    decode_uuid,
    random_uuid,
    write_partition_metadata,
)
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.segment import LOG_SUFFIX
from kopfka_broker.storage.topics import TopicEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from uuid import UUID

log = logging.getLogger(__name__)

DELETED_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"

_METADATA_TOPIC = "__cluster_metadata"
_FOLDER = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)-(?P<partition>\d+)")


def make_folder(directory: Path, topic_id: UUID) -> None:
    """Make a partition's folder where it is missing, and say in it whose it is.

    Raises:
        KafkaStorageError: the disk is full or failed.
    """
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise KafkaStorageError(f"cannot make {directory}: {error.strerror}") from error
    if not (directory / PARTITION_METADATA).exists():
        write_partition_metadata(directory, topic_id)


def renamed(directory: Path, suffix: str) -> Path:
    """Return the path under which a partition folder waits for its removal (or for a person)."""
    return directory.with_name(f"{directory.name}.{uuid.uuid4().hex}{suffix}")


def take_over(directory: Path) -> list[TopicEntry]:
    """Return the topics of partition folders that are there already, each without configs of its own."""
    found: dict[str, tuple[UUID, int]] = {}
    for path, topic, partition in _partition_folders(directory):
        topic_id, count = found.get(topic) or (topic_id_of(path) or random_uuid(), 0)
        found[topic] = (topic_id, max(count, partition + 1))
    entries = [TopicEntry(name, topic_id, count, {}) for name, (topic_id, count) in sorted(found.items())]
    if entries:
        log.warning(
            "%s has partitions but no list of topics: taking over %s, with default configs",
            directory, ", ".join(f"{entry.name} ({entry.partitions})" for entry in entries),
        )  # fmt: skip
    return entries


def set_strays_aside(directory: Path, topics: Iterable[TopicEntry]) -> None:
    """Rename partition folders that belong to no topic; those without records are removed. May raise OSError."""
    known = {entry.name: entry for entry in topics}
    for path, topic, partition in list(_partition_folders(directory)):
        entry, topic_id = known.get(topic), topic_id_of(path)
        if entry is not None and partition < entry.partitions and topic_id in (None, entry.topic_id):
            continue
        if any(file.stat().st_size for file in path.glob(f"*{LOG_SUFFIX}")):
            target = renamed(path, STRAY_SUFFIX)
            log.warning("%s belongs to no topic: kept as %s", path, target.name)
            path.rename(target)
        else:
            shutil.rmtree(path)


def remove_deleted(directory: Path) -> None:
    """Remove the folders of partitions that were deleted before."""
    for path in directory.glob(f"*{DELETED_SUFFIX}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def topic_id_of(partition: Path) -> UUID | None:
    """Return the topic id in a folder's `partition.metadata`, None where there is no such file or it is damaged."""
    try:
        text = (partition / PARTITION_METADATA).read_text("utf-8")
        return decode_uuid(text.partition("topic_id:")[2].strip())
    except (OSError, ValueError):
        return None


def _partition_folders(directory: Path) -> Iterator[tuple[Path, str, int]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            match = _FOLDER.fullmatch(entry.name)
            if match and match["topic"] != _METADATA_TOPIC and entry.is_dir():
                yield directory / entry.name, match["topic"], int(match["partition"])
