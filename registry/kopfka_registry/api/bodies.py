"""What is asked of every request's body before anybody reads it: that it is JSON, and not endless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from kopfka_registry.api.answers import media_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_registry.api.paths import App, Scope

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of one body: a schema of the largest size, with every character escaped."""
_REFUSED: Final = ("application/x-www-form-urlencoded", "multipart/", "text/", "application/xml")


class Bodies:
    """Middleware that refuses bodies."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").decode("latin-1").lower()
        length = headers.get(b"content-length", b"0")
        if kind.startswith(_REFUSED) and length != b"0":
            await _refuse(send, headers, 415, f"HTTP 415 Unsupported Media Type: {kind}")
            return
        if length.isdigit() and int(length) > LARGEST:
            await _read_off(receive)
            await _refuse(send, headers, 413, f"a body may have {LARGEST} bytes at most")
            return
        taken = 0

        async def limited() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST:
                return {"type": "http.disconnect"}
            return message

        await self._app(scope, limited, send)


async def _read_off(receive: Callable[..., Any]) -> None:
    """Take a body nobody wants, as far as that is no attack: clients that are still sending do not hear an answer."""
    taken = 0
    while taken < 8 * LARGEST:
        message = await receive()
        taken += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _refuse(send: Callable[..., Any], headers: dict[bytes, bytes], status: int, message: str) -> None:
    kind = media_type(headers.get(b"accept", b"*/*").decode("latin-1"))
    body = orjson.dumps({"error_code": status, "message": message})
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
