"""Small files of the data folder in Apache Kafka's formats: checkpoints, `meta.properties`, `partition.metadata`.

Everything is written to a temporary file first and renamed over the old one, so a reader finds the old or the new
content, never half of one.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import uuid
from typing import TYPE_CHECKING

from kopfka_broker.storage.errors import DataFolderError, KafkaStorageError
from kopfka_runtime.settings import parse_properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_START_OFFSETS = "log-start-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
LEADER_EPOCHS = "leader-epoch-checkpoint"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
META_PROPERTIES = "meta.properties"
PARTITION_METADATA = "partition.metadata"

_VERSION = "0"

Offsets = dict[tuple[str, int], int]


def sync_data(descriptor: int) -> None:
    """Have the bytes of an open file on disk when this returns; may raise OSError."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:  # macOS: fsync alone stops at the drive's cache
        fcntl.fcntl(descriptor, full)
    else:
        os.fdatasync(descriptor)


def sync_directory(directory: Path) -> None:
    """Have the entries of a folder (files created, renamed, removed) on disk when this returns; may raise OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> None:
    """Replace a file by new content; `durable`: it is on disk when this returns.

    Raises:
        KafkaStorageError: the disk is full or failed; the old content is still there.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            _write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise KafkaStorageError(f"cannot write {path}: {error.strerror}") from error


def read_offsets(path: Path) -> Offsets:
    """Read a checkpoint of offsets by partition; a missing or damaged file is an empty one."""
    offsets: Offsets = {}
    for line in _read_lines(path):
        topic, partition, offset = line.split(" ")
        offsets[topic, int(partition)] = int(offset)
    return offsets


def write_offsets(path: Path, offsets: Mapping[tuple[str, int], int], *, durable: bool = True) -> None:
    """Write a checkpoint of offsets by partition."""
    lines = [f"{topic} {partition} {offset}" for (topic, partition), offset in sorted(offsets.items())]
    write_atomically(path, _checkpoint(lines), durable=durable)


def read_epochs(path: Path) -> list[tuple[int, int]]:
    """Read `leader-epoch-checkpoint`: pairs of epoch and start offset."""
    pairs = (line.split(" ") for line in _read_lines(path))
    return [(int(epoch), int(start)) for epoch, start in pairs]


def write_epochs(path: Path, epochs: Iterable[tuple[int, int]], *, durable: bool) -> None:
    """Write `leader-epoch-checkpoint`."""
    write_atomically(path, _checkpoint([f"{epoch} {start}" for epoch, start in epochs]), durable=durable)


def encode_uuid(value: uuid.UUID) -> str:
    """Return Kafka's text form of an id: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(value.bytes).decode().rstrip("=")


def decode_uuid(text: str) -> uuid.UUID:
    """Read Kafka's text form of an id.

    Raises:
        ValueError: it is malformed.
    """
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def random_uuid() -> uuid.UUID:
    """Return a new id; none begins with a dash, which command lines would take for an option."""
    while True:
        value = uuid.uuid4()
        if not encode_uuid(value).startswith("-"):
            return value


def load_meta(directory: Path, node_id: int) -> str:
    """Return the cluster id in `meta.properties`; a folder that has none gets one.

    Raises:
        DataFolderError: the folder is of another node, or the file is damaged.
    """
    path = directory / META_PROPERTIES
    try:
        meta = parse_properties(path.read_text("utf-8"))
    except FileNotFoundError:
        cluster_id = encode_uuid(random_uuid())
        lines = ["#", "version=1", f"cluster.id={cluster_id}", f"node.id={node_id}"]
        lines.append(f"directory.id={encode_uuid(random_uuid())}")
        write_atomically(path, ("\n".join(lines) + "\n").encode())
        return cluster_id
    cluster_id, found = meta.get("cluster.id", ""), meta.get("node.id", meta.get("broker.id", ""))
    if not cluster_id:
        raise DataFolderError(f"{path} has no cluster.id: restore the file, or start over an empty folder")
    if found != str(node_id):
        raise DataFolderError(f"{path} is of node {found or '(none)'}, and node.id is {node_id}: set node.id={found}")
    return cluster_id


def write_partition_metadata(directory: Path, topic_id: uuid.UUID) -> None:
    """Write `partition.metadata`, which ties a partition's folder to its topic id."""
    text = f"version: 0\ntopic_id: {encode_uuid(topic_id)}"
    write_atomically(directory / PARTITION_METADATA, text.encode(), durable=False)


def _checkpoint(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in (_VERSION, str(len(lines)), *lines)).encode()


def _read_lines(path: Path) -> list[str]:
    try:
        version, count, *lines = path.read_text("utf-8").splitlines()
    except (FileNotFoundError, ValueError):
        return []
    whole = version == _VERSION and count.isdigit() and int(count) == len(lines)
    return lines if whole else []


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
