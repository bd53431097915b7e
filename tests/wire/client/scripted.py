"""A server on loopback that says what a test tells it to: answers in Kafka's protocol, late, wrong, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec, read_request_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[ApiKey, int, int, Any]:
        """Return the next request: API, version, correlation id, body."""
        (size,) = struct.unpack(">i", await self.reader.readexactly(4))
        frame = await self.reader.readexactly(size)
        header = read_request_header(frame)
        form = codec(header.api_key, header.api_version)
        body = form.read_request(frame, form.skip_header_tags(frame, header.end))
        return ApiKey(header.api_key), header.api_version, header.correlation_id, body

    def frame(self, content: bytes) -> None:
        """Send a frame."""
        self.writer.write(struct.pack(">i", len(content)) + content)

    def answer(self, api: ApiKey, version: int, correlation_id: int, **fields: Any) -> None:
        """Send an answer."""
        form = codec(api, version)
        if "error_code" in fields:
            fields["error_code"] = ErrorCode(fields["error_code"])
        self.frame(form.response_header(correlation_id) + form.write_response(form.make(**fields)))

    @staticmethod
    def make(api: ApiKey, version: int) -> Any:
        """Return what makes parts of answers."""
        return codec(api, version).make

    async def serve_versions(self, **ranges: tuple[int, int]) -> None:
        """Answer ApiVersions: Kafka's versions, but for those that are named."""
        api, version, number, _ = await self.request()
        assert api is ApiKey.API_VERSIONS
        self.answer(api, version, number, error_code=0, api_keys=self.versions(version, **ranges),
                    supported_features=(), finalized_features=(), finalized_features_epoch=-1,
                    zk_migration_ready=False)  # fmt: skip

    @staticmethod
    def versions(version: int, **ranges: tuple[int, int]) -> tuple[Any, ...]:
        named = {api: tuple(known) for api, known in KAFKA_VERSIONS.items()}
        named |= {ApiKey[name.upper()]: chosen for name, chosen in ranges.items()}
        make = codec(ApiKey.API_VERSIONS, version).make
        return tuple(make("ApiVersion", api_key=int(api), min_version=low, max_version=high)
                     for api, (low, high) in named.items())  # fmt: skip


@contextlib.asynccontextmanager
async def scripted(handler: Handler) -> AsyncIterator[Scripted]:
    """Serve every connection by `handler`; it ends the connection by returning."""
    server = Scripted(handler)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


class Scripted:
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._handler(Peer(reader, writer))
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
