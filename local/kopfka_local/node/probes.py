"""Probes of containers: one attempt (`attempt`), and the counting that turns attempts into verdicts (`Verdict`, pure).

Until its first success a probe is tried every 100 ms, so that what starts fast counts as started at once; failures in
that time count no faster than `periodSeconds` says. gRPC probes fail with a sentence that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kopfka_local.kinds import Object

    Exec = Callable[[list[str]], Awaitable[tuple[int, str]]]

QUICK_PERIOD = 0.1
_LONGEST_ANSWER = 10 * 1024


@dataclass(slots=True)
class Verdict:
    """Counts the attempts of one probe: `healthy` is None until the thresholds have been met one way or the other."""

    success_threshold: int
    failure_threshold: int
    healthy: bool | None = None
    _successes: int = 0
    _failures: int = 0

    def count(self, success: bool) -> bool:
        """Count an attempt; tell whether the verdict changed."""
        before = self.healthy
        if success:
            self._successes, self._failures = self._successes + 1, 0
            if self._successes >= self.success_threshold:
                self.healthy = True
        else:
            self._successes, self._failures = 0, self._failures + 1
            if self._failures >= self.failure_threshold:
                self.healthy = False
        return self.healthy is not before


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a probe is tried."""

    initial_delay: float
    period: float
    timeout: float

    @staticmethod
    def of(probe: Object) -> Schedule:
        """Read it from a probe's spec."""
        return Schedule(
            float(probe.get("initialDelaySeconds") or 0),
            float(probe.get("periodSeconds") or 10),
            float(probe.get("timeoutSeconds") or 1),
        )


def verdict_of(probe: Object) -> Verdict:
    """Return a fresh verdict with a probe's thresholds."""
    return Verdict(probe.get("successThreshold") or 1, probe.get("failureThreshold") or 3)


async def attempt(probe: Object, address: str, port_of: Callable[[int | str], int | None], run: Exec) -> str | None:
    """Try a probe (or a lifecycle hook) once: None where it succeeds, else what went wrong.

    Args:
        probe: has `httpGet`, `tcpSocket` or `exec`, and `timeoutSeconds`.
        address: the pod's.
        port_of: the number of a port given by number or name.
        run: runs a command in the container's surroundings, and returns its exit code and output.
    """
    try:
        async with asyncio.timeout(Schedule.of(probe).timeout):
            if spec := probe.get("exec"):
                code, output = await run(list(spec.get("command") or ()))
                return None if code == 0 else output.strip() or f"command ended with exit code {code}"
            if spec := probe.get("httpGet") or probe.get("tcpSocket"):
                port = port_of(spec["port"])
                if port is None:
                    return f"no container port is named {spec['port']}"
                host = spec.get("host") or address
                return await (_get(spec, host, port) if "httpGet" in probe else _connect(host, port))
            return "only httpGet, tcpSocket and exec probes run here: use one of them"
    except TimeoutError:
        return "no answer within timeoutSeconds"
    except OSError as error:
        return error.strerror or str(error)


async def _connect(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    await _close(writer)


async def _get(spec: Object, host: str, port: int) -> str | None:
    secure = None
    if spec.get("scheme", "HTTP") == "HTTPS":
        secure = ssl.create_default_context()
        secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE  # as the kubelet does
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        headers = {header["name"]: header["value"] for header in spec.get("httpHeaders") or ()}
        lower = {name.lower() for name in headers}
        for name, value in (("Host", f"{host}:{port}"), ("User-Agent", "kube-probe/1.34"), ("Accept", "*/*")):
            if name.lower() not in lower:
                headers[name] = value
        lines = [f"GET {spec.get('path') or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        line = (await reader.readline()).split(b" ", 2)
        if len(line) < 2 or not line[1].strip().isdigit():
            return "the answer is not HTTP"
        code = int(line[1])
        if 200 <= code < 400:
            return None
        while (await reader.readline()).strip():
            pass  # headers
        body = (await reader.read(_LONGEST_ANSWER)).decode("utf-8", "replace").strip()
        return f"HTTP probe failed with statuscode: {code}" + (f" ({body})" if body else "")
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
