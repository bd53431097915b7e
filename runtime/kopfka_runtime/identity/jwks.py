"""The keys of an identity provider (JWKS): fetched by http(s) or from a file, again from time to time, and at once when
a token names a key that is not known. While the provider is away, the keys that were fetched last go on to be used.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

# what comes from the provider is not trusted to be small or quick
_MOST_BYTES: Final = 1024 * 1024
_SECONDS: Final = 10.0
SCHEMES: Final = ("http://", "https://", "file:")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JwksSettings:
    """Kafka's sasl.oauthbearer.jwks.endpoint.* settings."""

    url: str
    refresh_ms: int = 3_600_000
    backoff_ms: int = 100
    most_backoff_ms: int = 10_000
    setting: str = "sasl.oauthbearer.jwks.endpoint.url"
    """What the setting of the address is called where it was made."""


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str | None
    algorithm: str | None
    """None: any that RSA keys are for."""
    key: Any

    def fits(self, algorithm: str) -> bool:
        return algorithm[:2] in ("RS", "PS") if self.algorithm is None else self.algorithm == algorithm


class KeySet:
    """The keys of one provider."""

    def __init__(
        self,
        settings: JwksSettings,
        clock: Callable[[], float] = time.monotonic,
        fetch: Callable[[str], bytes] | None = None,
    ) -> None:
        if not settings.url.startswith(SCHEMES):
            raise SettingsError(
                f"{settings.setting}={settings.url}: write an address that starts with {', '.join(SCHEMES)}"
            )
        self._settings = settings
        self._clock = clock
        self._fetch = fetch or _fetch
        self._keys: list[_Key] = []
        self._due = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, algorithm: str) -> Any | None:
        """Return the key a token was signed with, None where the provider has none of this id for this algorithm."""
        if self._clock() >= self._due and not self._keys:
            await self._refreshed()
        elif self._clock() >= self._due:
            self._start()  # the old keys serve until the new ones are there
        found = self._known(key_id, algorithm)
        if found is None and self._clock() >= self._not_before:
            await self._refreshed()
            found = self._known(key_id, algorithm)
        return found

    def _known(self, key_id: str | None, algorithm: str) -> Any | None:
        fitting = [each for each in self._keys if each.fits(algorithm)]
        if key_id is None:
            return fitting[0].key if len(fitting) == 1 else None
        return next((each.key for each in fitting if each.key_id == key_id), None)

    async def _refreshed(self) -> None:
        # one fetch at a time, whoever waits for it; it goes on when a waiting client leaves
        await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> None:
        settings = self._settings
        if self._clock() < self._not_before:
            return
        try:
            self._keys = _parse(await asyncio.to_thread(self._fetch, settings.url))
        except (OSError, ValueError) as error:
            self._failures += 1
            wait = min(settings.most_backoff_ms, settings.backoff_ms * 2 ** min(self._failures - 1, 30))
            self._due = self._not_before = self._clock() + wait / 1000
            log.warning("cannot get the keys at %s (%s): %s", settings.url, settings.setting, error)
            return
        self._failures = 0
        self._due = self._clock() + settings.refresh_ms / 1000
        # tokens with made-up key ids must not make the provider be asked all the time
        self._not_before = self._clock() + settings.backoff_ms / 1000


def _fetch(url: str) -> bytes:
    # no proxy of the environment: a broker goes where its settings say
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_SECONDS) as answer:
        content: bytes = answer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
    return content


def _parse(content: bytes) -> list[_Key]:
    import jwt  # noqa: PLC0415

    try:
        entries = json.loads(content)["keys"]
        usable = [each for each in entries if each.get("use", "sig") == "sig" and each.get("kty") in ("RSA", "EC")]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("it is no JSON Web Key Set") from None
    keys = []
    for entry in usable:
        try:
            found = jwt.PyJWK(entry)
        except jwt.PyJWTError as error:
            log.warning("a key of the JWKS cannot be used: %s", error)
            continue
        # an RSA key that names no algorithm is for all of them; of an elliptic curve, the curve says which
        any_rsa = entry["kty"] == "RSA" and "alg" not in entry
        keys.append(_Key(found.key_id, None if any_rsa else found.algorithm_name, found.key))
    return keys
