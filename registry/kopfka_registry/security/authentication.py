"""Who sent a request: by the Authorization header, by the certificate of its connection, or by a replica's word.

What was found out once is kept, so that a client that asks a thousand times is checked once: under a hash of its header
with a key of this process, never under the header itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from kopfka_registry.errors import NotAuthenticatedError, NotPermittedError, RegistryError
from kopfka_registry.leadership.forwarding import FORWARDED, ON_BEHALF
from kopfka_registry.security.callers import ANONYMOUS, Caller
from kopfka_registry.security.settings import Method
from kopfka_registry.security.tls import expiry
from kopfka_registry.security.users import BusyError, Users
from kopfka_runtime.identity.dn import subject_name
from kopfka_runtime.identity.jwks import KeySet
from kopfka_runtime.identity.mapping import NoRuleAppliesError
from kopfka_runtime.identity.tokens import SignedTokens, TokenRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_registry.security.settings import SecuritySettings
    from kopfka_registry.security.tls import Tls

MOST_KEPT: Final = 10_000
"""Headers whose sender is known."""
TOKEN_SECONDS: Final = 60.0
"""How long a token is taken without a look at the keys of its provider, which may have been withdrawn."""
_FORWARDED: Final = FORWARDED.lower().encode()
_ON_BEHALF: Final = ON_BEHALF.lower().encode()


class OverloadedError(RegistryError):
    """Too much is asked at once; ask again."""

    code = 503


class Peer:
    """The certificate of one connection's client."""

    __slots__ = ("certificate", "name", "until")

    def __init__(self, certificate: bytes) -> None:
        self.certificate = certificate
        """In DER."""
        self.name: str | None = None
        """Whom it names, once that was asked."""
        self.until = 0.0
        """When it ends, in seconds since 1970: a connection may live longer."""


class Authentication:
    """The ways to log in of one instance."""

    def __init__(
        self, settings: SecuritySettings, tls: Tls | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Read what they need.

        Raises:
            SettingsError: it cannot be read.
        """
        self._settings = settings
        self._tls = tls
        self._clock = clock
        self._users = Users(settings.users) if settings.users is not None else None
        jwt = settings.jwt
        self._tokens = SignedTokens(KeySet(jwt.keys), jwt.rules) if jwt is not None else None
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._generation = 0

    def refresh(self) -> None:
        """Take users who have changed. To be called in a thread: it reads files."""
        if self._users is not None:
            self._users.refresh()

    async def caller(self, headers: Iterable[tuple[bytes, bytes]], peer: Peer | None) -> Caller:
        """Return who sent a request with these headers.

        Raises:
            NotAuthenticatedError: nobody can tell, and somebody has to.
            NotPermittedError: it is known, and not let in.
            OverloadedError: it cannot be found out now.
        """
        authorization: bytes | None = None
        on_behalf: bytes | None = None
        forwarded = twice = False
        for name, value in headers:
            if name == b"authorization":
                twice = twice or authorization is not None
                authorization = value
            elif name == _ON_BEHALF:
                twice = twice or on_behalf is not None
                on_behalf = value
            elif name == _FORWARDED:
                forwarded = True
        if twice:
            raise NotAuthenticatedError("the request says twice who sent it")
        if on_behalf is not None:
            return self._vouched(peer, on_behalf, forwarded=forwarded)
        if authorization is not None and self._settings.methods - {Method.MTLS}:
            return await self._by_header(authorization)
        if peer is not None and Method.MTLS in self._settings.methods and not (forwarded and self._is_replica(peer)):
            return Caller(self._name(peer), certified=True)
        if self._settings.required:
            raise NotAuthenticatedError("Unauthorized")
        return ANONYMOUS

    # certificates

    def _name(self, peer: Peer) -> str:
        if peer.name is None:
            try:
                name = self._settings.mapping.name(subject_name(peer.certificate))
                peer.until = expiry(peer.certificate)
            except (NoRuleAppliesError, ValueError) as error:
                raise NotAuthenticatedError(f"Unauthorized: {_told(str(error))}") from None
            peer.name = _checked(name)
        if self._clock() > peer.until:
            raise NotAuthenticatedError("Unauthorized: the certificate has expired")
        return peer.name

    def _is_replica(self, peer: Peer) -> bool:
        return self._tls is not None and self._tls.is_replica(peer.certificate, self._settings.replica_name)

    def _vouched(self, peer: Peer | None, on_behalf: bytes, *, forwarded: bool) -> Caller:
        """Return the caller another replica has asked for its certificate."""
        if peer is None or not forwarded or Method.MTLS not in self._settings.methods or not self._is_replica(peer):
            raise NotPermittedError(f"only another replica may say in {ON_BEHALF} on whose behalf it asks")
        return Caller(_checked(unquote(on_behalf.decode("latin-1"))), certified=True)

    # headers

    async def _by_header(self, header: bytes) -> Caller:
        generation = self._users.generation if self._users is not None else 0
        if generation != self._generation:
            self._known.clear()
            self._generation = generation
        key = hashlib.blake2b(header, key=self._key, digest_size=16).digest()
        found = self._known.get(key)
        if found is not None and self._clock() < found[1]:
            self._known.move_to_end(key)
            return found[0]
        scheme, _, rest = header.partition(b" ")
        match scheme.lower():
            case b"basic" if self._users is not None:
                caller, until = await self._by_password(self._users, rest.strip()), float("inf")
            case b"bearer" if self._tokens is not None:
                caller, until = await self._by_token(self._tokens, rest.strip())
            case _:
                raise NotAuthenticatedError("Unauthorized")
        if self._users is None or self._users.generation == generation:  # else they have changed meanwhile
            self._known[key] = caller, until
            self._known.move_to_end(key)
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return caller

    async def _by_password(self, users: Users, credentials: bytes) -> Caller:
        try:
            decoded = base64.b64decode(credentials, validate=True)
        except (binascii.Error, ValueError):
            raise NotAuthenticatedError("Unauthorized") from None
        try:
            text = decoded.decode("utf-8")
        except UnicodeDecodeError:
            text = decoded.decode("latin-1")
        name, colon, password = text.partition(":")
        try:
            user = await users.find(name, password) if colon else None
        except BusyError:
            raise OverloadedError("too many logins at once; ask again") from None
        if user is None:
            raise NotAuthenticatedError("Unauthorized")
        allowed = self._settings.allowed_roles
        if allowed is not None and not allowed & user.roles:
            raise NotPermittedError(f"User:{name} has none of the roles that are let in (authentication.roles)")
        return Caller(name, user.roles)

    async def _by_token(self, tokens: SignedTokens, token: bytes) -> tuple[Caller, float]:
        now = self._clock()
        try:
            claims = await tokens.validate(token.decode("latin-1"))
        except TokenRefusedError as error:
            raise NotAuthenticatedError(f"Unauthorized: {_told(str(error))}") from None
        until = min(claims.expires_ms / 1000, now + TOKEN_SECONDS)
        return Caller(_checked(claims.principal), frozenset(claims.roles)), until


def _checked(name: str) -> str:
    """Return the name of a caller, if it is one that can be written in answers and in the log.

    Raises:
        NotAuthenticatedError: it is not.
    """
    if not name or any(ord(each) < 32 or 0x7F <= ord(each) < 0xA0 or 0xD800 <= ord(each) < 0xE000 for each in name):
        raise NotAuthenticatedError("Unauthorized: the name is empty, or has characters that are none of a name")
    return name


def _told(reason: str) -> str:
    """Return a reason as it may stand in an answer: it may quote what the client sent."""
    return reason if reason.isascii() and reason.isprintable() and len(reason) <= 300 else "malformed"
