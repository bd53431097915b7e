"""What our Java programs `LinesProducer` and `GroupReader` printed and wrote, held against what they were given."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.corpus import read_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from support.corpus import ReadRecord

PRODUCER = "io.kopfka.interop.LinesProducer"
READER = "io.kopfka.interop.GroupReader"

Pair = tuple[bytes | None, bytes | None]
Place = tuple[int, int]


def acknowledged(lines: Sequence[str]) -> dict[Place, int]:
    """Return {(partition, offset): index} from what LinesProducer printed; every index once, no place twice."""
    places = [tuple(map(int, line.split())) for line in lines[:-1]]
    assert lines[-1] == f"done {len(places)}"
    assert sorted(index for index, _, _ in places) == list(range(len(places)))
    taken = Counter((partition, offset) for _, partition, offset in places)
    assert max(taken.values()) == 1, "two records were acknowledged at one offset"
    return {(partition, offset): index for index, partition, offset in places}


def check_read(pairs: Sequence[Pair], places: Mapping[Place, int], folder: Path) -> list[list[ReadRecord]]:
    """Every acknowledged record was read back, byte for byte, where it was acknowledged, once, and none besides."""
    members = [read_records(path) for path in sorted(folder.iterdir())]
    read = [record for member in members for record in member]
    assert {(record.partition, record.offset): (record.key, record.value) for record in read} == {
        place: pairs[index] for place, index in places.items()
    }
    counts = Counter((record.partition, record.offset) for record in read)
    assert [place for place, count in counts.items() if count > 1] == []
    return members
