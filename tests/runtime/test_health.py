"""Health over HTTP, asked by a real HTTP client, and rubbish sent to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client.core import GaugeMetricFamily

from kopfka_runtime.errors import AddressInUseError
from kopfka_runtime.health import Health, serve_health
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric


class _Answer:
    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("kopfka_test_answer", "The answer.", value=42)


async def _get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.request(method, f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_checks_decide_the_status() -> None:
    health = Health()
    wrong: dict[str, str | None] = {"disk": None, "logs": "still loading"}
    health.add_liveness("disk", lambda: wrong["disk"])
    health.add_readiness("logs", lambda: wrong["logs"])
    port = free_port()
    async with await serve_health(health, "127.0.0.1", port):
        assert await _get(port, "/healthz") == (200, "[+] disk\n")
        assert await _get(port, "/readyz") == (503, "[+] disk\n[-] logs: still loading\n")
        wrong["logs"] = None
        assert (await _get(port, "/readyz?verbose"))[0] == 200
        wrong["disk"] = "full"
        assert (await _get(port, "/livez"))[0] == 503
        assert (await _get(port, "/readyz"))[0] == 503


async def test_a_check_that_fails_to_run_is_not_healthy() -> None:
    health = Health()
    health.add_liveness("broken", lambda: str(1 // 0))
    port = free_port()
    async with await serve_health(health, "127.0.0.1", port):
        status, text = await _get(port, "/healthz")
        assert status == 503
        assert "Traceback" not in text


async def test_metrics_are_prometheus_text() -> None:
    health = Health()
    health.add_collector(_Answer())
    port = free_port()
    async with await serve_health(health, "127.0.0.1", port):
        status, text = await _get(port, "/metrics")
        assert status == 200
        assert "kopfka_test_answer 42.0" in text
        assert "process_resident_memory_bytes" in text
        assert (await _get(port, "/elsewhere"))[0] == 404
        assert (await _get(port, "/metrics", "POST"))[0] == 405


async def test_rubbish_does_not_stop_it() -> None:
    port = free_port()
    async with await serve_health(Health(), "127.0.0.1", port):
        for rubbish in (b"", b"\x00\xff" * 100, b"GET", b"A" * 40_000, b"\r\n\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            writer.close()
        assert await _get(port, "/healthz") == (200, "ok\n")


async def test_a_taken_port_is_one_clear_error() -> None:
    port = free_port()
    async with await serve_health(Health(), "127.0.0.1", port):
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}.*--health"):
            await serve_health(Health(), "127.0.0.1", port)
