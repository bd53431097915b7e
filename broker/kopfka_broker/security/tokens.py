"""Delegation tokens (KIP-48, KIP-373): light credentials that a user takes out for others, for a time.

Kept in a document of the data folder; the HMAC by which a token is known is made of its id and
`delegation.token.secret.key` and kept nowhere. Rights and answers are `apis/tokens`' business, logging in is `scram`'s.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kopfka_broker.metadata_store import DELEGATION_TOKENS
from kopfka_broker.security.principal import Principal, parse_principal
from kopfka_broker.security.scram import TokenCredential
from kopfka_broker.storage.checkpoints import encode_uuid, random_uuid
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_broker.storage.manager import wall_clock_ms
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, make_credential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.metadata_store import MetadataStore

log = logging.getLogger(__name__)


class TokenError(KopfkaError):
    """A token cannot be used or changed; root of the family."""


class TokenNotFoundError(TokenError):
    """No token has this HMAC."""


class TokenExpiredError(TokenError):
    """The token's time is over."""


class TokenOwnerMismatchError(TokenError):
    """Neither the token's owner nor one of its renewers asks."""


@dataclass(frozen=True, slots=True)
class DelegationToken:
    """What is known of one token. Times are in milliseconds since 1970."""

    token_id: str
    owner: Principal
    requester: Principal
    renewers: tuple[Principal, ...]
    issued_ms: int
    expires_ms: int
    max_ms: int

    def is_of(self, principal: Principal) -> bool:
        """Tell whether a principal is its owner or one of its renewers."""
        return principal == self.owner or principal in self.renewers

    def expired(self, now_ms: int) -> bool:
        """Tell whether its time is over."""
        return min(self.expires_ms, self.max_ms) < now_ms


class DelegationTokens:
    """Every token of the cluster."""

    def __init__(self, store: MetadataStore, config: BrokerConfig, clock: Callable[[], int] = wall_clock_ms) -> None:
        self._document = store.document(DELEGATION_TOKENS, secret=True)
        self._config = config
        self._clock = clock
        self._tokens: dict[str, DelegationToken] = {}
        self._credentials: dict[tuple[str, str], TokenCredential] = {}

    @property
    def enabled(self) -> bool:
        """Whether there is a `delegation.token.secret.key`, without which there are no tokens."""
        return bool(self._config.get("delegation.token.secret.key"))

    def load(self) -> None:
        """Read the tokens that were kept.

        Raises:
            DataFolderError: the document is damaged.
        """
        rows = self._document.load()
        try:
            self._tokens = {token.token_id: token for token in map(_read, rows or ())}
        except (ValueError, TypeError, KeyError) as error:
            raise self._document.damaged(error) from None

    def __iter__(self) -> Iterator[DelegationToken]:
        return iter(self._tokens.values())

    def hmac(self, token: DelegationToken) -> bytes:
        """Return what proves that somebody was given a token."""
        return hmac.digest(self._config.get("delegation.token.secret.key").encode(), token.token_id.encode(), "sha512")

    def credential(self, mechanism: str, token_id: str) -> TokenCredential | None:
        """Return by what a client logs in with a token by SCRAM; None where there is none, or its time is over."""
        token = self._tokens.get(token_id)
        if token is None or not self.enabled or token.expired(self._clock()):
            return None
        found = self._credentials.get((mechanism, token_id))
        if found is None:
            kind = SCRAM_MECHANISMS[mechanism]
            password = base64.b64encode(self.hmac(token)).decode()
            credential = make_credential(kind, password, kind.least_iterations)
            found = self._credentials[mechanism, token_id] = TokenCredential(token.owner, credential, token.expires_ms)
        return replace(found, expires_ms=token.expires_ms)

    # -- changes ------------------------------------------------------------------------------------------------------

    def create(
        self, owner: Principal, requester: Principal, renewers: tuple[Principal, ...], lifetime_ms: int
    ) -> DelegationToken:
        """Give out a new token, for at most `lifetime_ms` where that is above 0.

        Raises:
            KafkaStorageError: it cannot be kept; there is no token.
        """
        now = self._clock()
        longest = self._config.number("delegation.token.max.lifetime.ms")
        max_ms = now + (min(longest, lifetime_ms) if lifetime_ms > 0 else longest)
        expires_ms = min(max_ms, now + self._config.number("delegation.token.expiry.time.ms"))
        token = DelegationToken(encode_uuid(random_uuid()), owner, requester, renewers, now, expires_ms, max_ms)
        self._keep(self._tokens | {token.token_id: token})
        return token

    def renew(self, given: bytes, principal: Principal, period_ms: int) -> DelegationToken:
        """Let a token live on, for at most `period_ms` from now where that is above 0.

        Raises:
            TokenError: there is no such token, its time is over, or somebody else's it is.
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        token, now = self._find(given), self._clock()
        if token.expired(now):
            raise TokenExpiredError(f"token {token.token_id} has expired")
        _check_owner(token, principal)
        longest = self._config.number("delegation.token.expiry.time.ms")
        period = min(longest, period_ms) if period_ms > 0 else longest
        return self._change(replace(token, expires_ms=min(token.max_ms, now + period)))

    def expire(self, given: bytes, principal: Principal, period_ms: int) -> int:
        """Let a token end in `period_ms`, at once where that is below 0; return when it ends.

        Raises:
            TokenError: there is no such token, its time is over, or somebody else's it is.
            KafkaStorageError: it cannot be kept; nothing has changed.
        """
        token, now = self._find(given), self._clock()
        _check_owner(token, principal)
        if period_ms < 0:
            self._keep({key: each for key, each in self._tokens.items() if each is not token})
            return now
        if token.expired(now):
            raise TokenExpiredError(f"token {token.token_id} has expired")
        return self._change(replace(token, expires_ms=min(token.max_ms, now + period_ms))).expires_ms

    async def run(self, stop: asyncio.Event) -> None:
        """Remove tokens whose time is over every `delegation.token.expiry.check.interval.ms`, until told to stop."""
        while not stop.is_set():
            interval = self._config.number("delegation.token.expiry.check.interval.ms") / 1000
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), interval)
            self.sweep()

    def sweep(self) -> None:
        """Remove tokens whose time is over."""
        now = self._clock()
        living = {key: token for key, token in self._tokens.items() if not token.expired(now)}
        if len(living) == len(self._tokens):
            return
        try:
            self._keep(living)
        except KafkaStorageError as error:  # they are of no use anyhow; the next time will do
            log.warning("expired delegation tokens could not be removed: %s", error)

    def _find(self, given: bytes) -> DelegationToken:
        for token in self._tokens.values():
            if hmac.compare_digest(self.hmac(token), given):
                return token
        raise TokenNotFoundError("no delegation token has this HMAC")

    def _change(self, token: DelegationToken) -> DelegationToken:
        self._keep(self._tokens | {token.token_id: token})
        return token

    def _keep(self, tokens: dict[str, DelegationToken]) -> None:
        self._document.save([_written(token) for token in tokens.values()])
        self._tokens = tokens
        self._credentials = {key: each for key, each in self._credentials.items() if key[1] in tokens}


def _check_owner(token: DelegationToken, principal: Principal) -> None:
    if not token.is_of(principal):
        raise TokenOwnerMismatchError(f"token {token.token_id} is not {principal}'s")


def _written(token: DelegationToken) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "owner": str(token.owner),
        "requester": str(token.requester),
        "renewers": [str(each) for each in token.renewers],
        "issued": token.issued_ms,
        "expires": token.expires_ms,
        "max": token.max_ms,
    }


def _read(row: dict[str, Any]) -> DelegationToken:
    return DelegationToken(
        row["id"],
        _principal(row["owner"]),
        _principal(row["requester"]),
        tuple(_principal(each) for each in row["renewers"]),
        int(row["issued"]),
        int(row["expires"]),
        int(row["max"]),
    )


def _principal(text: str) -> Principal:
    principal = parse_principal(text)
    if principal is None:
        raise ValueError(f"{text!r} is no principal")
    return principal
