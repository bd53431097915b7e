"""Loads of encoded requests over plain sockets, in one thread: the broker works, the client hardly does."""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_bench.load.streams import Stream, check, scratch, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.load.workers import Go
    from kopfka_bench.protocol.frames import FetchFrame, Frame

_STUCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """How much is sent: for so many seconds, or so many requests in all."""

    window: int = 1
    """Requests of a connection that may be in flight."""
    seconds: float = 0.0
    total: int = 0
    rate: float = 0.0
    """Requests a second of all connections, for `paced`."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back."""

    requests: int
    seconds: float
    bytes_in: int
    times: list[float]
    """Seconds from request to answer, in order of size."""


def closed_loop(
    go: Go, bootstrap: str, frames: Sequence[Sequence[Frame]], load: Load
) -> Answers:  # fmt: skip
    """Send a connection's frames over and over with so many in flight, for so long or until so many were sent.

    `frames` has a list for each connection, all with the error code in the same place of their answers.
    """
    left = load.total or 1 << 60
    ends = 0.0
    position: dict[Stream, int] = {}

    def answered(stream: Stream, head: bytearray) -> None:
        own = plans[stream]
        check(head, own[0].error_at)
        if left > 0 and (load.total or time.perf_counter() < ends):
            following(stream)

    def following(stream: Stream) -> None:
        nonlocal left
        left -= 1
        own, at = plans[stream], position[stream]
        position[stream] = at + 1 if at + 1 < len(own) else 0
        stream.send(own[at].data, time.perf_counter())

    plans = {Stream(bootstrap, answered): own for own in frames}
    position.update(dict.fromkeys(plans, 0))
    go()
    begun = time.perf_counter()
    ends = begun + load.seconds
    with selectors.DefaultSelector() as selector:
        for stream in plans:
            stream.register(selector)
            for _ in range(load.window):
                if left > 0:
                    following(stream)
        _until_answered(selector, list(plans))
    return _answers(list(plans), begun)


def synchronous(go: Go, bootstrap: str, frame: Frame, seconds: float) -> Answers:
    """Send a request, wait for its answer, and so on: one connection, and nothing between it and the broker."""
    stream = Stream(bootstrap, lambda _, head: check(head, frame.error_at))
    stream.socket.settimeout(_STUCK_SECONDS)
    buffer = scratch()
    go()
    begun = time.perf_counter()
    ends = begun + seconds
    while (now := time.perf_counter()) < ends:
        stream.send(frame.data, now)
        while stream.sent:
            count = stream.socket.recv_into(buffer)
            if not count:
                raise ConnectionError("the broker closed the connection")
            stream.take(buffer[:count])
    return _answers([stream], begun)


def paced(go: Go, bootstrap: str, frames: Sequence[Frame], connections: int, load: Load) -> Answers:
    """Send frames one after the other at a rate, on connections in turn, whatever the answers do.

    A time is from when a request was due, so that one held up by those before it counts as slow.
    """
    taken = frames[0]

    def answered(_: Stream, head: bytearray) -> None:
        check(head, taken.error_at)

    streams = [Stream(bootstrap, answered) for _ in range(connections)]
    buffer = scratch()
    go()
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            stream.register(selector)
        begun = time.perf_counter()
        for number in range(int(load.rate * load.seconds)):
            due = begun + number / load.rate
            while (now := time.perf_counter()) < due:
                serve(selector, buffer, due - now)
            streams[number % connections].send(frames[number % len(frames)].data, due)
        _until_answered(selector, streams)
    return _answers(streams, begun)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one connection reads: from an offset to before another."""

    frame: FetchFrame
    first: int
    end: int


def fetch_through(go: Go, bootstrap: str, wanted: Sequence[Stretch], batch_bytes: int, batch_records: int) -> Answers:
    """Read partitions that hold batches of one size only, a connection each."""
    position: dict[Stream, int] = {}

    def answered(stream: Stream, head: bytearray) -> None:
        frame, end = plans[stream].frame, plans[stream].end
        check(head, frame.records_at - 34)  # error 2, three offsets of 8, aborted transactions 4, preferred replica 4
        size = int.from_bytes(head[frame.records_at : frame.records_at + 4], "big", signed=True)
        position[stream] += size // batch_bytes * batch_records  # the last batch of an answer may be cut
        if position[stream] < end:
            following(stream)

    def following(stream: Stream) -> None:
        frame = plans[stream].frame
        data = bytearray(frame.data)
        data[frame.offset_at : frame.offset_at + 8] = position[stream].to_bytes(8, "big")
        stream.send(bytes(data), time.perf_counter())

    plans = {Stream(bootstrap, answered): one for one in wanted}
    position.update({stream: one.first for stream, one in plans.items()})
    go()
    begun = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for stream in plans:
            stream.register(selector)
            following(stream)
        _until_answered(selector, list(plans))
    return _answers(list(plans), begun)


def _until_answered(selector: selectors.BaseSelector, streams: Sequence[Stream]) -> None:
    buffer = scratch()
    heard, last = 0, time.perf_counter()
    while any(stream.sent for stream in streams):
        serve(selector, buffer, 1.0)
        now = sum(stream.bytes_in for stream in streams)
        if now != heard:
            heard, last = now, time.perf_counter()
        elif time.perf_counter() - last > _STUCK_SECONDS:
            raise TimeoutError(f"no answer for {_STUCK_SECONDS} s")


def _answers(streams: Sequence[Stream], begun: float) -> Answers:
    seconds = time.perf_counter() - begun
    times = sorted(one for stream in streams for one in stream.times)
    for stream in streams:
        stream.close()
    return Answers(len(times), seconds, sum(stream.bytes_in for stream in streams), times)
