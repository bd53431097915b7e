"""What every request passes before anything is done for it: who sent it, and what that one may do."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import ClientDisconnect

from kopfka_registry.api.answers import media_type
from kopfka_registry.errors import NotAuthenticatedError, NotPermittedError, RegistryError
from kopfka_registry.security.authentication import OverloadedError
from kopfka_registry.security.callers import ANONYMOUS, CALLER, RIGHTS
from kopfka_registry.security.settings import Method

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_registry.api.paths import App, Scope
    from kopfka_registry.security.authentication import Authentication, Peer
    from kopfka_registry.security.settings import SecuritySettings

PEER: Final = "peer"
"""Key of a request's state: the `Peer` of its connection, where its client showed a certificate."""
MOST_BODIES: Final = 128 * 1024 * 1024
"""Bytes of bodies that are held at once, of all requests together."""
_LOG_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Security:
    """Middleware that lets requests in."""

    def __init__(self, app: App, settings: SecuritySettings, authentication: Authentication | None) -> None:
        self._app = app
        self._settings = settings
        self._authentication = authentication
        self._bodies = 0
        self._refused = 0
        self._told = 0.0

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if self._authentication is not None:
                await self._let_in(self._authentication, scope)
            await self._served(scope, receive, send)
        except NotAuthenticatedError as error:
            self._note(scope, error)
            await _refuse(scope, send, error, self._challenges(scope))
        except (NotPermittedError, OverloadedError) as error:
            self._note(scope, error)
            await _refuse(scope, send, error)

    async def _let_in(self, authentication: Authentication, scope: Scope) -> None:
        peer: Peer | None = scope.get("state", {}).get(PEER)
        if self._skipped(scope["path"]):
            caller = ANONYMOUS
        else:
            caller = await authentication.caller(scope["headers"], peer)
        scope[CALLER] = caller
        roles = self._settings.roles
        if roles is not None:
            scope[RIGHTS] = roles.of(caller.name, caller.roles)

    def _skipped(self, path: str) -> bool:
        return any(
            path == each or (each.endswith("*") and path.startswith(each[:-1])) for each in self._settings.skipped_paths
        )

    async def _served(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve a request with its body counted; one whose client goes away in the middle is nobody's fault."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        held, began = 0, False

        async def counted() -> Any:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            if self._bodies + size > MOST_BODIES:
                raise OverloadedError("too many schemas are being sent at once; ask again")
            held += size
            self._bodies += size
            return message

        async def noted(message: Any) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except ClientDisconnect:
            if not began:
                await _refuse(scope, send, _Incomplete("the body is too large, or ended before its end"))
        finally:
            self._bodies -= held

    def _challenges(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Return the ways to log in, for who has not."""
        realm = self._settings.realm
        found = []
        if Method.BASIC in self._settings.methods:
            found.append(f'Basic realm="{realm}", charset="UTF-8"')
        if Method.BEARER in self._settings.methods:
            given = any(
                name == b"authorization" and value[:7].lower() == b"bearer " for name, value in scope["headers"]
            )
            found.append(f'Bearer realm="{realm}"' + (', error="invalid_token"' if given else ""))
        return [(b"www-authenticate", each.encode()) for each in found]

    def _note(self, scope: Scope, error: RegistryError) -> None:
        """Tell the log who was refused; of many in a second only the first, and their number."""
        self._refused += 1
        now = time.monotonic()
        if now - self._told < _LOG_SECONDS:
            return
        more = f" ({self._refused} since the last such line)" if self._refused > 1 else ""
        self._refused, self._told = 0, now
        client = scope.get("client")
        log.info(
            "refused %s %r from %s: %s%s", scope["method"], scope["path"], client[0] if client else "?", error, more
        )


class _Incomplete(RegistryError):
    """A body did not come to its end."""

    code = 413


async def _refuse(
    scope: Scope,
    send: Callable[..., Any],
    error: RegistryError,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    accept = next((value for name, value in scope["headers"] if name == b"accept"), None)
    body = orjson.dumps({"error_code": error.code, "message": str(error)})
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [
                (b"content-type", media_type(accept.decode("latin-1") if accept else None).encode()),
                (b"content-length", str(len(body)).encode()),
                *(headers or []),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
