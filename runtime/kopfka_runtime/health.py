"""Health and metrics of every process over HTTP: `/livez`, `/healthz`, `/readyz`, `/metrics`, on port 9404 by default.

A check is a name and a function that returns None when all is well, or a sentence that says what is not. `/healthz`
(and its synonym `/livez`) runs the liveness checks, `/readyz` those and the readiness checks; both answer 200 or 503
with a line a check. `/metrics` is in Prometheus's text format. Only GET and HEAD of these paths are served.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from kopfka_runtime.errors import AddressInUseError
from kopfka_runtime.network import bind_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.registry import Collector

    Check = Callable[[], str | None]

DEFAULT_PORT = 9404
_REQUEST_SECONDS = 10.0
_LONGEST_HEAD = 16 * 1024

log = logging.getLogger(__name__)


class Health:
    """The checks and the metrics of one process."""

    def __init__(self) -> None:
        self._alive: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._collectors: list[Collector] = []
        self._texts: list[Callable[[], Iterator[bytes]]] = []

    def add_liveness(self, name: str, check: Check) -> None:
        """Add a check whose failure means: restart this process."""
        self._alive[name] = check

    def add_readiness(self, name: str, check: Check) -> None:
        """Add a check whose failure means: send this process no requests yet."""
        self._ready[name] = check

    def add_collector(self, collector: Collector) -> None:
        """Add a source of metrics; its `collect` is called at each scrape, on the event loop's thread."""
        self._collectors.append(collector)

    def add_text(self, source: Callable[[], Iterator[bytes]]) -> None:
        """Add a source of many metrics, which gives them in Prometheus's text format, piece by piece.

        Whatever else the event loop has to do is done between two pieces.
        """
        self._texts.append(source)

    def liveness(self) -> dict[str, str | None]:
        """Run the liveness checks: None, or what is wrong, for each name."""
        return {name: check() for name, check in self._alive.items()}

    def readiness(self) -> dict[str, str | None]:
        """Run the readiness checks, after the liveness checks: None, or what is wrong, for each name."""
        return self.liveness() | {name: check() for name, check in self._ready.items()}

    async def metrics(self) -> bytes:
        """Return every metric in Prometheus's text format, version 0.0.4."""
        pieces = [self._collected()]
        for source in self._texts:
            for piece in source():
                pieces.append(piece)
                await asyncio.sleep(0)
        return b"".join(pieces)

    def _collected(self) -> bytes:
        # imported at the first scrape: a process that is not scraped does not pay for it
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector  # noqa: PLC0415
        from prometheus_client.exposition import generate_latest  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        for collector in self._collectors:
            registry.register(collector)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        return generate_latest(registry)


async def serve_health(health: Health, host: str, port: int) -> asyncio.Server:
    """Serve `health` on `host:port` until the returned server is closed.

    Raises:
        AddressInUseError: the port is taken.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(health, head))
                await writer.drain()
        writer.close()

    address = bind_host(host)
    try:
        return await asyncio.start_server(handle, address, port, limit=_LONGEST_HEAD)
    except OSError as error:
        raise AddressInUseError(
            f"cannot serve health and metrics on {address}:{port} ({os.strerror(error.errno or 0)}): "
            "pass --health HOST:PORT, or --health off"
        ) from error


async def _answer(health: Health, head: bytes) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    kind = "text/plain; charset=utf-8"
    if method not in (b"GET", b"HEAD"):
        status, body = "405 Method Not Allowed", b"only GET is served here\n"
    elif path in (b"/healthz", b"/livez"):
        status, body = _report(health.liveness)
    elif path == b"/readyz":
        status, body = _report(health.readiness)
    elif path == b"/metrics":
        status, body, kind = "200 OK", await health.metrics(), "text/plain; version=0.0.4; charset=utf-8"
    else:
        status, body = "404 Not Found", b"served here: /healthz /livez /readyz /metrics\n"
    lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return lines.encode() + (b"" if method == b"HEAD" else body)


def _report(run: Callable[[], dict[str, str | None]]) -> tuple[str, bytes]:
    try:
        results = run()
    except Exception:
        log.exception("a health check failed to run")
        return "503 Service Unavailable", b"a health check failed to run; the log says more\n"
    lines = [f"[-] {name}: {wrong}\n" if wrong else f"[+] {name}\n" for name, wrong in results.items()]
    status = "503 Service Unavailable" if any(results.values()) else "200 OK"
    return status, "".join(lines or ["ok\n"]).encode()
