"""Requests for the leader, passed on as they came; the answer comes back with how far the topic was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kopfka_registry.errors import ForwardingError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import aiohttp

    from kopfka_registry.leadership.identity import Identity

FORWARDED: Final = "X-Forward"
"""Header of a request that another instance passed on; Confluent's name for it. It is not passed on again."""
ON_BEHALF: Final = "X-Kopfka-On-Behalf-Of"
"""Header of such a request: whom the instance that passes it on knows by a certificate. It is believed where that
instance proves by its own certificate that it is one of this registry's, and refused otherwise.
"""
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
        self, *, timeout: float, tls: Callable[[], ssl.SSLContext] | None = None, name: str | None = None
    ) -> None:
        """Make none yet.

        Args:
            timeout: seconds for a request.
            tls: gives the context for https, which has a certificate of this instance.
            name: the host name that certificates of leaders are for; None: the one of their address.
        """
        self._timeout = timeout
        self._tls = tls
        self._name = name
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self,
        leader: Identity,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
        *,
        on_behalf: str | None = None,
    ) -> Forwarded:
        """Pass a request on; `target` is its path and query as they came, `on_behalf` whom a certificate has named.

        Raises:
            ForwardingError: the leader could not be reached, or did not answer in time.
        """
        if on_behalf is not None and leader.scheme != "https":
            raise ForwardingError(
                f"the leader {leader.url} cannot know who asks by a certificate: set inter.instance.protocol=https"
            )
        import aiohttp  # noqa: PLC0415 - an instance that leads has no use for it
        import yarl  # noqa: PLC0415

        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout))
        lower = {name.lower(): value for name, value in headers.items()}
        passed = {name: lower[name.lower()] for name in _PASSED_ON if name.lower() in lower}
        if on_behalf is not None:
            # what the certificate says holds here, whatever header its owner sends besides
            passed.pop("Authorization", None)
            passed[ON_BEHALF] = quote(on_behalf)
        options: dict[str, Any] = {"allow_redirects": False}  # nobody but the leader gets to see a login
        if leader.scheme == "https":
            options |= {"ssl": self._tls() if self._tls is not None else True, "server_hostname": self._name}
        url = yarl.URL(leader.url + target, encoded=True)
        try:
            async with self._session.request(
                method, url, data=body, headers={**passed, FORWARDED: "true"}, **options
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
