from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_local.node.logs import ContainerLog, Entry, LogRequest, read_entries, render, runs, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALL = LogRequest()
SECOND = 1_000_000_000


def test_stamps() -> None:
    assert stamp(1_767_323_045_000_000_006) == b"2026-01-02T03:04:05.000000006Z"


def shown(entries: Iterable[Entry], request: LogRequest) -> bytes:
    return b"".join(render(entries, request))


def written(folder: Path, *chunks: bytes, largest: int = 1 << 20, most: int = 5) -> ContainerLog:
    times = iter(range(0, 1_000_000 * SECOND, SECOND))
    log = ContainerLog(folder, clock=lambda: next(times), largest=largest, most=most)
    out, err = log.begin(0)
    for chunk in chunks:
        out(chunk)
    out(b"")
    err(b"")
    return log


async def test_lines_are_stamped_and_read_back(tmp_path: Path) -> None:
    log = written(tmp_path, b"one\ntw", b"o\n", b"\nlast without end")
    assert log.path.read_bytes() == (
        b"1970-01-01T00:00:00.000000000Z stdout F one\n1970-01-01T00:00:01.000000000Z stdout F two\n"
        b"1970-01-01T00:00:02.000000000Z stdout F \n1970-01-01T00:00:03.000000000Z stdout F last without end\n"
    )
    assert shown(read_entries(tmp_path, 0), ALL) == b"one\ntwo\n\nlast without end\n"
    assert shown(read_entries(tmp_path, 0), LogRequest(tail_lines=2)) == b"\nlast without end\n"
    assert shown(read_entries(tmp_path, 0), LogRequest(tail_lines=0)) == b""
    assert shown(read_entries(tmp_path, 0), LogRequest(limit_bytes=5)) == b"one\nt"
    since = datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert shown(read_entries(tmp_path, 0), LogRequest(since=since, timestamps=True)) == (
        b"1970-01-01T00:00:03.000000000Z last without end\n"
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=40_000), max_size=6))
async def test_what_goes_in_comes_out(tmp_path_factory, chunks: list[bytes]) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("log")
    written(folder, *[chunk for chunk in chunks if chunk])
    text = b"".join(chunks)
    assert shown(read_entries(folder, 0), ALL) == text + (b"" if text.endswith(b"\n") or not text else b"\n")


async def test_rotation_keeps_the_newest_parts(tmp_path: Path) -> None:
    written(tmp_path, *[b"%04d\n" % number for number in range(1000)], largest=1000, most=3)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["0.log", "0.log.1", "0.log.2"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())
    lines = shown(read_entries(tmp_path, 0), ALL).split()
    assert lines == [b"%04d" % number for number in range(1000 - len(lines), 1000)]
    assert len(lines) > 40


async def test_the_present_and_the_previous_run_are_kept(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path)
    for run in range(4):
        out, err = log.begin(run)
        out(b"run %d\n" % run)
        out(b"")
        err(b"")
    assert runs(tmp_path) == [2, 3]
    assert shown(read_entries(tmp_path, 2), ALL) == b"run 2\n"


async def test_output_of_a_former_run_does_not_get_into_the_next(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path)
    old, _ = log.begin(0)
    new, _ = log.begin(1)
    old(b"late\n")
    new(b"new\n")
    assert shown(read_entries(tmp_path, 1), ALL) == b"new\n"


async def test_follow_sees_what_comes_through_rotation_until_the_end(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path, largest=300, most=100)
    out, err = log.begin(0)
    out(b"before\n")
    seen = bytearray()
    begun = asyncio.Event()

    async def follow() -> None:
        async for chunk in log.follow(LogRequest(tail_lines=1)):
            seen.extend(chunk)
            begun.set()

    task = asyncio.create_task(follow())
    await begun.wait()
    expected = b"before\n"
    for number in range(40):
        line = b"line %d\n" % number
        expected += line
        out(line)
        if number % 3 == 0:
            await asyncio.sleep(0)
    out(b"")
    err(b"")
    await asyncio.wait_for(task, 10)
    assert bytes(seen) == expected
