"""What fuzzing starts from: a request of every API in every version, and batches of every codec.

python tests/fuzz/seeds.py FOLDER      writes FOLDER/frames and FOLDER/batches
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.batches import (
    ATTRIBUTES_OFFSET,
    CRC_OFFSET,
    HEADER_SIZE,
    LENGTH_OFFSET,
    LOG_OVERHEAD,
    checksum,
)
from kopfka_wire.codec import codec
from kopfka_wire.compression import NAMES, compress
from kopfka_wire.records import Record, encode_batch
from support.messages import entities

if TYPE_CHECKING:
    from collections.abc import Iterator

_EACH = 2


def frames() -> Iterator[bytes]:
    """Give streams of one request."""
    for key, versions in KAFKA_VERSIONS.items():
        for version in range(3 if key is ApiKey.PRODUCE else versions.low, versions.high + 1):
            form = codec(key, version)
            for request in _examples(form.request):
                message = form.write_request(request, 1, "fuzz")
                yield b"\xff" + len(message).to_bytes(4, "big") + message


def batches() -> Iterator[bytes]:
    """Give records fields of one batch, plain and compressed."""
    records = [Record(0, 1_700_000_000_000 + at, b"key %d" % at, b"value " * at, (("h", b"1"),)) for at in range(5)]
    plain = encode_batch(records)
    for how in (0, 1, 2, 3):
        for codec_number in range(len(NAMES)):
            section = bytes(compress(codec_number, plain[HEADER_SIZE:]))
            batch = bytearray(plain[:HEADER_SIZE] + section)
            batch[LENGTH_OFFSET : LENGTH_OFFSET + 4] = (len(batch) - LOG_OVERHEAD).to_bytes(4, "big")
            batch[ATTRIBUTES_OFFSET + 1] |= codec_number
            batch[CRC_OFFSET : CRC_OFFSET + 4] = checksum(batch, 0, len(batch)).to_bytes(4, "big")
            yield bytes([0x80 | how]) + bytes(batch)


def write(folder: Path) -> None:
    """Write all of them, a file each."""
    for name, seeds in (("frames", frames()), ("batches", batches())):
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(seeds):
            (target / f"seed-{number:04d}").write_bytes(content)


def _examples(entity: type) -> list[object]:
    found: list[object] = []

    @seed(1)
    @settings(
        max_examples=_EACH, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(entities(entity))
    def collect(value: object) -> None:
        found.append(value)

    collect()
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))
