"""One partition on its way: what was read of it, what is on the target for sure, and what of its batches can go as is.

Asks nothing and writes nothing: `reader` fills it, `copying` empties it.
"""

from __future__ import annotations

import collections
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kopfka_mirror.formats import Position
from kopfka_mirror.offset_map import OffsetMap
from kopfka_wire.batches import read_header
from kopfka_wire.client.offsets import EARLIEST
from kopfka_wire.records import encode_batch

if TYPE_CHECKING:
    from uuid import UUID

    from kopfka_wire.batches import BatchHeader
    from kopfka_wire.client.fetching import Batch

    Buffer = bytes | bytearray | memoryview

PART_BYTES: Final = 4 * 1024 * 1024
"""What one partition may have read and not yet written before it waits."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """One batch for the target."""

    header: BatchHeader
    data: Buffer
    runs: tuple[tuple[int, int, int], ...]
    """Source offset, distance from the first offset on the target, and length of each run in it."""
    next_offset: int
    """The source offset after it."""
    leader_epoch: int


def piece_of(batch: Batch) -> Piece | None:
    """Return what goes to the target for a batch of the source; None where nothing is left of it.

    Nearly every batch goes as it is. Brokers take only batches without gaps and with the times of who created the
    records: what compaction has thinned out, what a log-append-time topic holds, and a batch that is wanted in part are
    written anew, with the same compression.
    """
    header = batch.header
    whole = header.record_count == header.last_offset_delta + 1 and batch.wanted_from <= header.base_offset
    if whole and not header.is_log_append_time:
        runs = ((header.base_offset, 0, header.record_count),)
        return Piece(header, batch.data, runs, header.next_offset, header.partition_leader_epoch)
    records = list(batch.records())
    if not records:
        return None
    made: list[tuple[int, int, int]] = []
    for at, record in enumerate(records):
        if made and made[-1][0] + made[-1][2] == record.offset:
            made[-1] = (made[-1][0], made[-1][1], made[-1][2] + 1)
        else:
            made.append((record.offset, at, 1))
    data = encode_batch(records, compression=header.compression)
    return Piece(read_header(data), data, tuple(made), header.next_offset, header.partition_leader_epoch)


@dataclass(eq=False, slots=True)
class Part:
    """One partition. `written` is up to where it is on the target; `kept` up to where readers there see it for sure: in
    exactly-once mode what is committed, else what is written down as well.
    """

    topic: str
    partition: int
    remote: str
    topic_id: UUID | None
    start: Position
    """Where mirroring begins, or began, where nothing is known of it on the target."""
    written: Position
    kept: Position
    from_first: bool = False
    """Whether `start` is the source's first record."""
    offsets: OffsetMap = field(default_factory=OffsetMap)
    read_to: int = EARLIEST
    """The next offset that is asked for."""
    read_epoch: int = -1
    turn: int = 0
    """Counts how often reading began anew; what comes from an earlier turn is let go."""
    waiting: collections.deque[Piece] = field(default_factory=collections.deque)
    buffered: int = 0
    high_watermark: int = -1
    """The end that can be mirrored: the last stable offset where only committed records are."""
    log_start: int = -1
    gone: bool = False
    """Whether the source does not have it now, or it is not wanted any more; what is known of it is kept."""
    failure: str | None = None
    """Why it is not mirrored now."""
    retry_at: float | None = None
    """When that is tried again (monotonic); None where it is not, until somebody does something about it."""
    sync_at: int = -1
    """Source offset of the last offset sync."""
    seen: int = -1
    """Up to which source offset readers of the target see it."""
    records: int = 0
    bytes: int = 0
    fresh: tuple[int, int] = (0, 0)
    """Records and bytes that are written and not yet seen."""
    behind_since: float | None = None
    """Since when (monotonic) not all that was there is written."""

    @property
    def key(self) -> tuple[str, int]:
        """Topic and partition at the source."""
        return self.topic, self.partition

    @property
    def name(self) -> str:
        """As Kafka's messages have it."""
        return f"{self.topic}-{self.partition}"

    def may_read(self) -> bool:
        """Tell whether more of it is wanted now."""
        return self.failure is None and self.buffered < PART_BYTES

    def begin(self) -> None:
        """Read from where the target is, forgetting what was read beyond."""
        self.turn += 1
        self.waiting.clear()
        self.buffered = 0
        self.fresh = 0, 0
        self.seen = self.written.next_offset
        self.read_to, self.read_epoch = self.written.next_offset, self.written.leader_epoch

    def reset(self, position: Position | None, offsets: OffsetMap | None, *, restart_recreated: bool) -> None:
        """Begin anew from what was kept on the target; where nothing was, from the start that was decided on."""
        self.offsets = OffsetMap() if offsets is None else offsets
        self.written = self.start if position is None else position
        other = position is not None and None not in (position.topic_id, self.topic_id)
        if position is not None and other and position.topic_id != self.topic_id:
            if restart_recreated:
                self.begin_other_topic(self.topic_id)
                return
            self.fail("the topic was deleted and created again since", None)
        self.offsets.truncate(max(0, self.written.next_offset))
        if position is None and self.from_first:
            self.offsets.begin()
        self.kept = self.written
        self.begin()

    def begin_other_topic(self, topic_id: UUID | None) -> None:
        """Mirror another topic of the same name from its first record on; what is on the target stays there."""
        log.warning("%s was deleted and created again: mirroring the new one from its first record on", self.name)
        self.topic_id = topic_id
        self.offsets.clear()
        self.start = self.written = Position(EARLIEST, -1, topic_id)
        self.from_first = True
        self.failure = None
        self.begin()

    def take(self, piece: Piece) -> None:
        """Take a piece that was read."""
        self.waiting.append(piece)
        self.buffered += len(piece.data)

    def wrote(self, piece: Piece, offset: int) -> None:
        """Note that a piece is on the target from an offset on."""
        self.buffered -= len(piece.data)
        for source, distance, length in piece.runs:
            self.offsets.add(source, offset + distance, length)
        if self.buffered:
            self.written = Position(piece.next_offset, piece.leader_epoch, self.topic_id)
        else:  # what was passed over behind it is done with as well
            self.written = Position(max(piece.next_offset, self.read_to), self.read_epoch, self.topic_id)
        records, size = self.fresh
        self.fresh = records + piece.header.record_count, size + len(piece.data)

    def pass_over(self, offset: int, epoch: int) -> None:
        """Note that up to an offset nothing was for the target, where nothing is on its way."""
        if self.buffered == 0 and offset > self.written.next_offset:
            self.written = Position(offset, epoch, self.topic_id)
            if not self.fresh[0]:
                self.show()
        self.note_lag()

    def show(self) -> None:
        """Note that readers see all that is written."""
        self.seen = self.written.next_offset
        self.records += self.fresh[0]
        self.bytes += self.fresh[1]
        self.fresh = 0, 0
        self.note_lag()

    def note_lag(self) -> None:
        """Keep since when the target is behind."""
        if self.lag() == 0:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = time.monotonic()

    def lag(self) -> int:
        """Return how many offsets of the source are not on the target."""
        return max(0, self.high_watermark - max(self.seen, self.log_start, 0)) if self.high_watermark >= 0 else 0

    def fail(self, reason: str, retry_after: float | None) -> None:
        """Stop mirroring it, for a while or until it is looked after; said in the log once for each reason."""
        if reason != self.failure:
            then = "until that is put right" if retry_after is None else f"next attempt in {retry_after:g} s"
            log.error("%s is not mirrored: %s; %s", self.name, reason, then)
        self.failure = reason
        self.retry_at = None if retry_after is None else time.monotonic() + retry_after

    def recover(self, now: float) -> bool:
        """Try again where it is time to; return whether it is."""
        if self.failure is None or self.retry_at is None or now < self.retry_at:
            return False
        self.retry_at = None
        self.failure = None
        self.begin()
        return True
