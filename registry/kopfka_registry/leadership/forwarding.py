"""Requests for the leader, passed on as they came; the answer comes back with how far the topic was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import ForwardingError

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from kopfka_registry.leadership.identity import Identity

FORWARDED: Final = "X-Forward"
"""Header of a request that another instance passed on; Confluent's name for it. It is not passed on again."""
OFFSET: Final = "X-Kopfka-Offset"
"""Header of an answer to such a request: the offset that the instance asked must have read before it answers."""
_PASSED_ON: Final = ("Accept", "Authorization", "Content-Type", "Confluent-Accept-Unknown-Properties")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An answer of the leader."""

    status: int
    body: bytes
    content_type: str
    offset: int | None


class Forwarder:
    """Connections to leaders."""

    def __init__(
        self, *, timeout: float, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self._timeout = timeout
        self._tls = tls
        self._headers = headers or {}
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self, leader: Identity, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Forwarded:
        """Pass a request on; `target` is its path and query as they came.

        Raises:
            ForwardingError: the leader could not be reached, or did not answer in time.
        """
        import aiohttp  # noqa: PLC0415 - an instance that leads has no use for it
        import yarl  # noqa: PLC0415

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        lower = {name.lower(): value for name, value in headers.items()}
        passed = {name: lower[name.lower()] for name in _PASSED_ON if name.lower() in lower}
        url = yarl.URL(leader.url + target, encoded=True)
        try:
            async with self._session.request(
                method, url, data=body, headers={**passed, **self._headers, FORWARDED: "true"}, ssl=self._tls or True
            ) as answer:
                offset = answer.headers.get(OFFSET)
                return Forwarded(
                    answer.status, await answer.read(), answer.content_type, int(offset) if offset else None
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ForwardingError(
                f"the leader {leader.url} did not answer ({error or type(error).__name__}); ask again"
            ) from error

    async def close(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()
