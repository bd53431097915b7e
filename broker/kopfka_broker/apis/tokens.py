"""CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken and DescribeDelegationToken, as Kafka answers.

What a token is, and how long it lives, is in `security/tokens`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.security.principal import ANONYMOUS, USER, Principal
from kopfka_broker.security.tokens import (
    TokenError,
    TokenExpiredError,
    TokenNotFoundError,
    TokenOwnerMismatchError,
)
from kopfka_broker.storage import StorageError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.security.tokens import DelegationToken, DelegationTokens

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = -1
_CODES = {
    TokenNotFoundError: ErrorCode.delegation_token_not_found,
    TokenExpiredError: ErrorCode.delegation_token_expired,
    TokenOwnerMismatchError: ErrorCode.delegation_token_owner_mismatch,
}
_MILLISECOND = timedelta(milliseconds=1)

Done = TypeVar("Done")


class TokenApis:
    """Handlers over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @property
    def _tokens(self) -> DelegationTokens:
        return self._cluster.tokens

    async def create(self, request: Any, context: RequestContext) -> Any:
        """Answer CreateDelegationToken: for the client itself, or for another user where it may (KIP-373)."""
        form = codec(context.api_key, context.api_version)
        requester = context.principal
        name = getattr(request, "owner_principal_name", None)
        owner = Principal(request.owner_principal_type or "", name) if name else requester
        code, token = ErrorCode.none, None
        try:
            token = self._create(request, context, owner)
        except ApiError as error:
            code = error.code
        return form.make(
            error_code=code,
            principal_type=owner.kind,
            principal_name=owner.name,
            token_requester_principal_type=requester.kind,
            token_requester_principal_name=requester.name,
            issue_timestamp=_instant(token.issued_ms if token else _NO_TIME),
            expiry_timestamp=_instant(token.expires_ms if token else _NO_TIME),
            max_timestamp=_instant(token.max_ms if token else _NO_TIME),
            token_id=token.token_id if token else "",
            hmac=self._tokens.hmac(token) if token else b"",
        )

    def _create(self, request: Any, context: RequestContext, owner: Principal) -> DelegationToken:
        _check_allowed(context)
        if owner != context.principal and not self._cluster.allows(
            context, Operation.CREATE_TOKENS, ResourceType.USER, str(owner)
        ):
            raise ApiError(ErrorCode.delegation_token_authorization_failed)
        renewers = tuple(Principal(each.principal_type, each.principal_name) for each in request.renewers)
        if any(each.kind != USER for each in renewers):
            raise ApiError(ErrorCode.invalid_principal_type)
        return self._done(
            lambda: self._tokens.create(owner, context.principal, renewers, request.max_lifetime // _MILLISECOND)
        )

    async def renew(self, request: Any, context: RequestContext) -> Any:
        """Answer RenewDelegationToken."""
        period = request.renew_period // _MILLISECOND
        return self._ended(context, lambda: self._tokens.renew(request.hmac, context.principal, period).expires_ms)

    async def expire(self, request: Any, context: RequestContext) -> Any:
        """Answer ExpireDelegationToken."""
        period = request.expiry_time_period // _MILLISECOND
        return self._ended(context, lambda: self._tokens.expire(request.hmac, context.principal, period))

    def _ended(self, context: RequestContext, act: Callable[[], int]) -> Any:
        """Answer with when the token ends now."""
        form = codec(context.api_key, context.api_version)
        code, expires_ms = ErrorCode.none, 0
        try:
            _check_allowed(context)
            expires_ms = self._done(act)
        except ApiError as error:
            code = error.code
            if code is ErrorCode.delegation_token_request_not_allowed:
                expires_ms = _NO_TIME
        return form.make(error_code=code, expiry_timestamp=_instant(expires_ms))

    def _done(self, act: Callable[[], Done]) -> Done:
        if not self._tokens.enabled:
            raise ApiError(ErrorCode.delegation_token_auth_disabled)
        try:
            return act()
        except TokenError as error:
            raise ApiError(_CODES[type(error)]) from error
        except StorageError as error:
            raise ApiError(ErrorCode.unknown_server_error, str(error)) from error

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeDelegationToken: the tokens a client owns, may renew, or has the right to see."""
        form = codec(context.api_key, context.api_version)
        try:
            _check_allowed(context)
            if not self._tokens.enabled:
                raise ApiError(ErrorCode.delegation_token_auth_disabled)
        except ApiError as error:
            return form.make(error_code=error.code, tokens=())
        owners = None
        if request.owners is not None:
            owners = {Principal(each.principal_type, each.principal_name) for each in request.owners}
        return form.make(
            error_code=ErrorCode.none,
            tokens=tuple(
                form.make(
                    "DescribedDelegationToken",
                    principal_type=token.owner.kind,
                    principal_name=token.owner.name,
                    token_requester_principal_type=token.requester.kind,
                    token_requester_principal_name=token.requester.name,
                    issue_timestamp=token.issued_ms,
                    expiry_timestamp=token.expires_ms,
                    max_timestamp=token.max_ms,
                    token_id=token.token_id,
                    hmac=self._tokens.hmac(token),
                    renewers=tuple(
                        form.make("DescribedDelegationTokenRenewer", principal_type=each.kind, principal_name=each.name)
                        for each in token.renewers
                    ),
                )
                for token in self._tokens
                if self._sees(context, token, owners)
            ),
        )

    def _sees(self, context: RequestContext, token: DelegationToken, owners: set[Principal] | None) -> bool:
        if owners is not None and not any(token.is_of(owner) for owner in owners):
            return False
        return (
            token.is_of(context.principal)
            or self._cluster.allows(context, Operation.DESCRIBE, ResourceType.DELEGATION_TOKEN, token.token_id)
            or self._cluster.allows(context, Operation.DESCRIBE_TOKENS, ResourceType.USER, str(token.owner))
        )


def _check_allowed(context: RequestContext) -> None:
    """Check that a client has proved who it is, by other means than a token.

    Raises:
        ApiError: it has not.
    """
    caller = context.caller
    if (
        caller.token_authenticated
        or caller.security_protocol == "PLAINTEXT"
        or (caller.security_protocol == "SSL" and context.principal == ANONYMOUS)
    ):
        raise ApiError(ErrorCode.delegation_token_request_not_allowed)


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
