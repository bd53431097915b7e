"""HTTP requests over plain connections, kept open: at a steady rate, or one after another; answers are checked.

The requests of a load are encoded before it begins, as a client in Python would be the limit.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kopfka_bench.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_bench.load.workers import Go

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Timed:
    """Answers of a load: seconds each took, and their bodies where they were asked for."""

    seconds: list[float]
    bodies: list[bytes]


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast, for how long, over how many connections."""

    per_second: float
    seconds: float
    connections: int


def encode(url: str, method: str, path: str, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: {_MEDIA_TYPE}\r\n"
    if body:
        head += f"Content-Type: {_MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def paced(go: Go, url: str, requests: Sequence[bytes], rate: Rate) -> Timed:
    """Send requests in turn at a rate, whatever the answers take; their seconds are from when each was due.

    Raises:
        RefusedError: one was answered with an error.
    """
    return asyncio.run(_paced(go, url, requests, rate))


def one_by_one(go: Go, url: str, requests: Sequence[bytes]) -> Timed:
    """Send requests one after another over one connection.

    Raises:
        RefusedError: one was answered with an error.
    """
    return asyncio.run(_one_by_one(go, url, requests))


async def _paced(go: Go, url: str, requests: Sequence[bytes], rate: Rate) -> Timed:
    total = int(rate.per_second * rate.seconds)
    took: list[float] = []
    streams = [await _open(url) for _ in range(rate.connections)]
    for reader, writer in streams:
        await _ask(reader, writer, requests[0])
    go()
    start = time.monotonic()

    async def worker(first: int) -> None:
        reader, writer = streams[first]
        for number in range(first, total, rate.connections):
            due = start + number / rate.per_second
            await asyncio.sleep(due - time.monotonic())
            await _ask(reader, writer, requests[number % len(requests)])
            took.append(time.monotonic() - due)

    await asyncio.gather(*map(worker, range(rate.connections)))
    return Timed(sorted(took), [])


async def _one_by_one(go: Go, url: str, requests: Sequence[bytes]) -> Timed:
    reader, writer = await _open(url)
    took: list[float] = []
    bodies: list[bytes] = []
    go()
    for request in requests:
        begun = time.monotonic()
        bodies.append(await _ask(reader, writer, request))
        took.append(time.monotonic() - begun)
    writer.close()
    return Timed(sorted(took), bodies)


async def _open(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(_length(head))
    if not head.startswith(b"HTTP/1.1 200"):
        raise RefusedError(f"{request[:80]!r} was answered with {head[:40]!r} {body[:200]!r}")
    return body


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def told(timed: Sequence[Timed]) -> list[Any]:
    """Return the bodies of several loads as JSON."""
    return [json.loads(body) for each in timed for body in each.bodies]
