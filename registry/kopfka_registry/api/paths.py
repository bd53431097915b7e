"""Paths as routes see them: percent-encoded, so that subjects may contain slashes, and with contexts made explicit.

`/contexts/.staging/subjects/a` means `/subjects/:.staging:a`; where a path names no subject, the context goes into the
parameter that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]
    App = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

_PREFIX: Final = "/contexts/"
_WITH_SUBJECT: Final = ("subjects", "config", "mode")


class Paths:
    """Middleware that rewrites paths."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            path, query = raw.decode("latin-1"), scope["query_string"].decode("latin-1")
            scope = dict(scope)
            scope["target"] = f"{path}?{query}" if query else path
            path, query = rewritten(path, query)
            scope["path"], scope["query_string"] = path, query.encode("latin-1")
        await self._app(scope, receive, send)


def rewritten(path: str, query: str) -> tuple[str, str]:
    """Return path and query without a context in front; paths are percent-encoded."""
    path = path.rstrip("/") or "/"
    if not path.startswith(_PREFIX):
        return path, query
    context, slash, rest = path.removeprefix(_PREFIX).partition("/")
    if not slash:
        return path, query
    name = unquote(context).strip(":")
    prefix = quote(f":{name if name.startswith('.') else '.' + name}:", safe=":.")
    first, _, subject = rest.partition("/")
    if rest.startswith("compatibility/subjects/"):
        return f"/compatibility/subjects/{_within(prefix, rest.removeprefix('compatibility/subjects/'))}", query
    if first in _WITH_SUBJECT and (subject or first != "subjects"):
        return f"/{first}/{_within(prefix, subject)}", query
    if first == "subjects" or rest == "schemas":
        return f"/{rest}", _with(query, "subjectPrefix", prefix)
    return f"/{rest}", _with(query, "subject", prefix)


def _within(prefix: str, subject: str) -> str:
    return subject if unquote(subject).startswith(":") else prefix + subject


def _with(query: str, name: str, prefix: str) -> str:
    """Return a query in which a parameter begins with the context."""
    parts = query.split("&") if query else []
    for index, part in enumerate(parts):
        key, _, value = part.partition("=")
        if key == name:
            parts[index] = f"{key}={_within(prefix, value)}"
            return "&".join(parts)
    return "&".join([*parts, f"{name}={prefix}"])
