"""Tokens for SASL/OAUTHBEARER: from a token endpoint by client credentials, a file, the settings, or made here.

A token is kept for the part of its life that `sasl.login.refresh.window.factor` says. The endpoint is asked by urllib
in a thread: once an hour or so, and no HTTP library has to be loaded for it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.client.errors import UnreachableError
from kopfka_wire.client.tls import TlsContext
from kopfka_wire.error_codes import SaslError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_wire.client.credentials import TokenOrigin
    from kopfka_wire.client.settings import TlsOptions

_LARGEST = 1024 * 1024
_UNSECURED_LIFE = 3600
"""`unsecuredLoginLifetimeSeconds`."""
_RETRIABLE = frozenset({408, 429, 500, 502, 503, 504})


class TokenSource:
    """The tokens of one client; several connections may ask at once, and the endpoint is asked once."""

    def __init__(self, origin: TokenOrigin, tls: TlsOptions | None, clock: Callable[[], float] = time.time) -> None:
        self._origin = origin
        self._tls = None if tls is None else TlsContext(tls)
        self._clock = clock
        self._token = ""
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that has not expired.

        Raises:
            SaslError: there is none to be had: the file is not there, the endpoint refuses the credentials.
            UnreachableError: the endpoint does not answer, or not now.
        """
        async with self._lock:
            if self._clock() >= self._good_until:
                token, seconds = await asyncio.to_thread(self._fetch)
                now = self._clock()
                life = _life(token, now) if seconds is None else seconds
                self._token, self._good_until = token, now + life * self._origin.refresh_factor
            return self._token

    def forget(self) -> None:
        """Fetch another token for the next login: a broker did not take this one."""
        self._good_until = 0.0

    def _fetch(self) -> tuple[str, float | None]:
        """Return a token and for how long it is good; None where only the token itself may know."""
        origin = self._origin
        if origin.token is not None:
            return origin.token, None
        if origin.file is not None:
            try:
                return origin.file.read_text("utf-8").strip(), 0  # whoever renews it writes the file anew
            except (OSError, UnicodeDecodeError) as error:
                raise _none(f"the token file {origin.file} cannot be read: {error}") from None
        if origin.url is not None:
            return self._ask_endpoint(origin, origin.url)
        now = int(self._clock())
        claims = dict(origin.claims) | {"iat": now, "exp": now + _UNSECURED_LIFE}
        return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}.", _UNSECURED_LIFE

    def _ask_endpoint(self, origin: TokenOrigin, url: str) -> tuple[str, float | None]:
        user, password = origin.client_id, origin.client_secret
        if origin.encode_header:
            user, password = urllib.parse.quote_plus(user), urllib.parse.quote_plus(password)
        fields = {"grant_type": "client_credentials"} | ({"scope": origin.scope} if origin.scope else {})
        request = urllib.request.Request(
            url,
            data=urllib.parse.urlencode(fields).encode(),
            headers={
                "authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
                "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
            },
        )
        context = None if self._tls is None else self._tls.current()
        try:
            with urllib.request.urlopen(request, timeout=origin.timeout, context=context) as answer:
                content = answer.read(_LARGEST)
        except urllib.error.HTTPError as error:
            said = error.read(_LARGEST).decode("utf-8", "replace").strip()
            text = f"{url} answered {error.code} {error.reason}" + (f": {said[:500]}" if said else "")
            if error.code in _RETRIABLE:
                raise UnreachableError(text) from None
            raise _none(text) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(f"the token endpoint {url} does not answer: {reason}") from None
        return _read_answer(url, content)


def _read_answer(url: str, content: bytes) -> tuple[str, float | None]:
    try:
        answer: Any = json.loads(content)
        token = answer["access_token"]
        seconds = answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise TypeError
        return token, None if seconds is None else float(seconds)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _none(f"{url} gave no access_token: it is no token endpoint (RFC 6749)") from None


def _life(token: str, now: float) -> float:
    """Return for how many seconds a token is good, by its own word; none where it has no word that can be read."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return max(float(claims["exp"]) - now, 0.0)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return 0.0


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _none(why: str) -> SaslError:
    return SaslError(ErrorCode.sasl_authentication_failed, why)
