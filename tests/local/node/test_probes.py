from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kopfka_local.node.probes import Verdict, attempt
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def no_command(_command: list[str]) -> tuple[int, str]:
    raise AssertionError("no command is to be run")


def port_of(port: int | str) -> int | None:
    return port if isinstance(port, int) else None


def test_thresholds() -> None:
    verdict = Verdict(success_threshold=2, failure_threshold=3)
    changes = [
        (verdict.count(success), verdict.healthy)
        for success in (True, True, False, False, True, False, False, False, True, True)
    ]
    assert changes == [
        (False, None), (True, True), (False, True), (False, True), (False, True), (False, True), (False, True),
        (True, False), (False, False), (True, True),
    ]  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[bytes], list[bytes]]]:
    """A port, the answers it gives in turn, and the requests it got."""
    answers: list[bytes] = []
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answers:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers.pop(0))
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1], answers, requests
    listener.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", None),
        (b"HTTP/1.0 399 Well\r\n\r\n", None),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP probe failed with statuscode: 404"),
        (
            b"HTTP/1.1 503 Service Unavailable\r\n\r\n[-] disk: full\n",
            "HTTP probe failed with statuscode: 503 ([-] disk: full)",
        ),
        (b"SSH-2.0\r\n", "the answer is not HTTP"),
    ],
)
async def test_http(server: tuple[int, list[bytes], list[bytes]], answer: bytes, expected: str | None) -> None:
    port, answers, requests = server
    answers.append(answer)
    probe = {"httpGet": {"path": "/readyz?x=1", "port": port, "httpHeaders": [{"name": "X", "value": "y"}]}}
    assert await attempt(probe, "127.0.0.1", port_of, no_command) == expected
    assert requests[0].startswith(b"GET /readyz?x=1 HTTP/1.1\r\nX: y\r\nHost: 127.0.0.1:")


async def test_tcp(server: tuple[int, list[bytes], list[bytes]]) -> None:
    assert await attempt({"tcpSocket": {"port": server[0]}}, "127.0.0.1", port_of, no_command) is None
    refused = await attempt({"tcpSocket": {"port": free_port()}}, "127.0.0.1", port_of, no_command)
    assert refused
    assert (
        await attempt({"tcpSocket": {"port": "no"}}, "127.0.0.1", port_of, no_command)
        == "no container port is named no"
    )


async def test_exec() -> None:
    async def run(command: list[str]) -> tuple[int, str]:
        return (0, "") if command == ["true"] else (7, "broken\n")

    assert await attempt({"exec": {"command": ["true"]}}, "127.0.0.1", port_of, run) is None
    assert await attempt({"exec": {"command": ["false"]}}, "127.0.0.1", port_of, run) == "broken"


async def test_a_probe_that_gets_no_answer_ends() -> None:
    async def run(_command: list[str]) -> tuple[int, str]:
        await asyncio.Event().wait()
        raise AssertionError

    probe = {"exec": {"command": ["sleep"]}, "timeoutSeconds": 0.05}
    assert await attempt(probe, "127.0.0.1", port_of, run) == "no answer within timeoutSeconds"


async def test_grpc_says_what_to_do() -> None:
    assert "use one of them" in str(await attempt({"grpc": {"port": 1}}, "127.0.0.1", port_of, no_command))
