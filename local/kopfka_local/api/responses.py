"""Answers over HTTP: JSON with warnings, and streams that end when the client goes or the server stops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from kopfka_local.api.watching import Watching


def json_response(
    content: Any, status: int = 200, media_type: str = "application/json", warnings: list[str] | None = None
) -> Response:
    """Return JSON (a value, or bytes that are JSON already), with warnings for the client's user."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    response = Response(body, status, media_type=media_type)
    for warning in warnings or []:
        text = warning.replace("\\", "\\\\").replace('"', '\\"').encode("latin-1", "replace").decode("latin-1")
        response.headers.append("Warning", f'299 - "{text}"')
    return response


#: How long a log may take to say that it cannot be read; a followed log may have nothing to say yet.
_FIRST_CHUNK_SECONDS = 0.2


class _Stream(Response):
    """A body of unknown length. A client that goes away ends it at once, also while nothing happens."""

    def __init__(self, media_type: str) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    async def _send(self, send: Send) -> None:
        async for chunk in self.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class WatchStream(_Stream):
    """A watch: one event a line. The head is sent before the first event, for clients that wait for it."""

    def __init__(self, watching: Watching) -> None:
        super().__init__("application/json")
        self._watching = watching

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await super()._send(send)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield events."""
        return self._watching.lines()


class LogStream(_Stream):
    """A log, as it is written."""

    def __init__(self, first: asyncio.Task[bytes], rest: AsyncIterator[bytes]) -> None:
        super().__init__("text/plain")
        self._first = first
        self._reader = rest

    @classmethod
    async def open(cls, chunks: AsyncIterator[bytes]) -> LogStream:
        """Start reading, so that what cannot be read is an error and not an empty log.

        Raises:
            ApiError: what the reader raises before its first chunk.
        """
        reader = chunks.__aiter__()
        first = asyncio.ensure_future(_next(reader))
        await asyncio.wait({first}, timeout=_FIRST_CHUNK_SECONDS)
        if first.done():
            first.result()
        return cls(first, reader)

    async def _rest(self) -> AsyncIterator[bytes]:
        chunk = await self._first
        while chunk:
            yield chunk
            chunk = await _next(self._reader)

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is read."""
        return self._rest()


async def _next(reader: AsyncIterator[bytes]) -> bytes:
    """Return the next chunk that is not empty, nothing at the end."""
    async for chunk in reader:
        if chunk:
            return chunk
    return b""
