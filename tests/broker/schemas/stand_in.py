"""A small HTTP server that answers what the broker asks of a schema registry, as Confluent's does, and may fail to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import UUID, uuid4

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


def written(schema_id: int, data: bytes = b"data") -> bytes:
    """Return data as a serialiser writes it in front of which the schema's id stands."""
    return b"\0" + schema_id.to_bytes(4, "big") + data


def guid_header(guid: UUID, part: str = "value", behind: bytes = b"") -> tuple[str, bytes]:
    """Return the header of a serialiser that leaves the data as it is."""
    return f"__{part}_schema_id", b"\1" + guid.bytes + behind


class RegistryStandIn:
    """Schemas, subjects, and what was asked."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[int, list[str]] = {}
        self.guids: dict[str, int] = {}
        self.aliases: dict[str, str] = {}
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.open = asyncio.Event()
        """While it is not set, questions are heard and not answered."""
        self.open.set()
        self.instead: web.Response | None = None
        """What is answered whatever is asked."""

    def register(self, subject: str, schema: str = '"string"', kind: str | None = None, number: int = 0) -> int:
        """Register a schema and return its id, a new one where no `number` is given."""
        number = number or len(self.schemas) + 1
        self.schemas[number] = {"schema": schema, **({"schemaType": kind} if kind else {})}
        self.subjects.setdefault(number, []).append(subject)
        return number

    def guid_of(self, number: int) -> UUID:
        """Return the GUID of a schema."""
        guid = uuid4()
        self.guids[str(guid)] = number
        return guid

    def asked(self, beginning: str) -> int:
        """Return how often a path that begins so was asked for."""
        return sum(path.startswith(beginning) for path in self.paths)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request."""
        self.paths.append(request.raw_path)
        self.headers.append(dict(request.headers))
        await self.open.wait()
        if self.instead is not None:
            return web.Response(
                status=self.instead.status, body=self.instead.body, content_type=self.instead.content_type
            )
        match [unquote(part) for part in request.raw_path.strip("/").split("/")]:
            case ["schemas", "ids", number] if int(number) in self.schemas:
                return web.json_response(self.schemas[int(number)])
            case ["schemas", "ids", number, "versions"] if int(number) in self.schemas:
                return web.json_response([{"subject": each, "version": 1} for each in self.subjects[int(number)]])
            case ["schemas", "guids", guid, "ids"] if guid in self.guids:
                elsewhere = {"context": ".other", "id": self.guids[guid] + 1000}
                return web.json_response([{"context": ".", "id": self.guids[guid]}, elsewhere])
            case ["schemas", "ids" | "guids", *_]:
                return _missing(40403, "Schema not found")
            case ["config", subject] if subject in self.aliases:
                return web.json_response({"alias": self.aliases[subject]})
            case ["config", subject]:
                return _missing(40408, f"Subject '{subject}' does not have subject-level compatibility configured")
            case _:
                return _missing(404, "HTTP 404 Not Found")


def _missing(code: int, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=404)


@contextlib.asynccontextmanager
async def serving(registry: RegistryStandIn, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve the registry on loopback for the length of the block; give its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", registry.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        registry.open.set()
        await runner.cleanup()
