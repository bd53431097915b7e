"""Topics of the data folder: names, ids, numbers of partitions and configs, in one small file written atomically.

Apache Kafka keeps these in its metadata log; here they are a line a topic of JSON in `kopfka-topics.json`. The records
themselves are in Kafka's own files, one folder a partition.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kopfka_broker.storage.checkpoints import decode_uuid, encode_uuid, write_atomically
from kopfka_broker.storage.errors import DataFolderError, InvalidTopicError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from uuid import UUID

    from kopfka_broker.storage.log import PartitionLog

FILE = "kopfka-topics.json"
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
_VERSION = 1
_LONGEST_NAME = 249
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


@dataclass(slots=True)
class Topic:
    """A topic and its partitions; changed by the manager only."""

    name: str
    topic_id: UUID
    partitions: list[PartitionLog] = field(default_factory=list)
    config: dict[str, str] = field(default_factory=dict)
    """The topic's own configs as they were given; what is not here is the broker's default."""

    @property
    def internal(self) -> bool:
        """Whether it is one of Kafka's own."""
        return self.name in INTERNAL_TOPICS

    @property
    def entry(self) -> TopicEntry:
        """What the file says of it."""
        return TopicEntry(self.name, self.topic_id, len(self.partitions), self.config)


@dataclass(frozen=True, slots=True)
class TopicEntry:
    """A topic as the file has it."""

    name: str
    topic_id: UUID
    partitions: int
    config: dict[str, str]


def check_name(name: str) -> None:
    """Check a topic name as Apache Kafka does.

    Raises:
        InvalidTopicError: it is empty, `.`, `..`, too long, or has other than letters, digits, `.`, `_` and `-`.
    """
    if name in ("", ".", ".."):
        raise InvalidTopicError(f"{name!r} is not a topic name")
    if len(name) > _LONGEST_NAME:
        raise InvalidTopicError(f"the topic name has {len(name)} characters: {_LONGEST_NAME} is the most")
    if not _LEGAL.fullmatch(name):
        raise InvalidTopicError(f"topic name {name!r} has other characters than letters, digits, '.', '_' and '-'")


def read_topics(directory: Path) -> list[TopicEntry] | None:
    """Read the topics of a data folder; None where there is no list of them yet.

    Raises:
        DataFolderError: the file is damaged or of a newer version.
    """
    path = directory / FILE
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["version"] != _VERSION:
            raise DataFolderError(f"{path} has version {content['version']}, written by a newer Kopfka: start that one")
        return [
            TopicEntry(entry["name"], decode_uuid(entry["id"]), entry["partitions"], entry["config"])
            for entry in content["topics"]
        ]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DataFolderError(f"{path} is damaged ({error}): restore it from a copy") from error


def write_topics(directory: Path, entries: Iterable[TopicEntry]) -> None:
    """Write the topics; they are on disk when this returns.

    Raises:
        KafkaStorageError: the disk is full or failed; the old content is still there.
    """
    lines = [
        json.dumps(
            {
                "name": entry.name,
                "id": encode_uuid(entry.topic_id),
                "partitions": entry.partitions,
                "config": entry.config,
            }
        )
        for entry in entries
    ]
    text = f'{{"version": {_VERSION}, "topics": [\n' + ",\n".join(lines) + "\n]}\n"
    write_atomically(directory / FILE, text.encode())
