"""SASL on one connection: which requests are taken before a client has proved who it is, and again when its time is up.

The order of requests, what each mistake is answered with and what closes the connection are those of Apache Kafka's
`SaslServerAuthenticator` (KIP-43, KIP-152, KIP-368). Mechanisms are behind `mechanism.Exchange`.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from kopfka_broker.dispatch import Started
from kopfka_broker.security.mechanism import Authenticated, AuthenticationFailedError, InvalidTokenError
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import NO_TIME, codec, read_request_header
from kopfka_wire.errors import MalformedMessageError, UnsupportedVersionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_broker.context import Caller
    from kopfka_broker.dispatch import Buffers, Dispatcher
    from kopfka_broker.security.mechanism import Exchange, Step
    from kopfka_wire.codec import Codec, RequestHeader

# a client may prove itself anew at most this often, as in Kafka
_SECONDS_BETWEEN = 1.0

log = logging.getLogger(__name__)


class SessionExpiredError(KopfkaError):
    """A client sent a request after its session had ended, instead of proving itself anew first."""


@dataclass(frozen=True, slots=True)
class SaslMechanism:
    """One entry of `sasl.enabled.mechanisms`."""

    name: str
    exchange: Callable[[], Exchange]
    max_reauth_ms: int = 0
    """connections.max.reauth.ms; 0: a session lasts as long as its proof."""


@dataclass(frozen=True, slots=True)
class SaslRules:
    """What all connections of one listener share."""

    mechanisms: Mapping[str, SaslMechanism]
    failed_delay_ms: int = 100
    """connection.failed.authentication.delay.ms."""
    largest_frame: int = 524_288
    """sasl.server.max.receive.size."""


class _State(enum.Enum):
    INITIAL = enum.auto()
    """ApiVersions or a handshake comes next."""
    HANDSHAKE = enum.auto()
    """A handshake comes next."""
    TOKENS = enum.auto()
    OPEN = enum.auto()
    """The client has proved who it is."""
    ANOTHER_MECHANISM = enum.auto()
    """It asked to prove itself anew by another mechanism than before; it learns so from the end of the connection."""
    FAILED = enum.auto()


class Authenticator:
    """The state machine of one connection."""

    __slots__ = ("_again", "_at", "_caller", "_dispatcher", "_exchange", "_expires", "_framed", "_mechanism", "_rules",
                 "_state")  # fmt: skip

    def __init__(self, rules: SaslRules, caller: Caller, dispatcher: Dispatcher) -> None:
        self._rules = rules
        self._caller = caller
        self._dispatcher = dispatcher
        self._state = _State.INITIAL
        self._mechanism: SaslMechanism | None = None
        self._exchange: Exchange | None = None
        self._framed = False  # tokens are in SaslAuthenticate requests (KIP-152), not bare
        self._again = False
        self._expires = 0.0  # of the session, by time.monotonic(); 0: never
        self._at = 0.0  # when it last began to prove itself anew

    @property
    def open(self) -> bool:
        """Tell whether the client has proved who it is."""
        return self._state is _State.OPEN

    @property
    def failed(self) -> bool:
        """Tell whether the connection is to be closed as soon as the answer that is being made is out."""
        return self._state is _State.FAILED

    def start(self, frame: memoryview) -> Started | None:
        """Take a request; None where it is none of the authenticator's business.

        Raises:
            WireError: these bytes are not what is expected here; the connection is of no more use.
            SessionExpiredError: the client's session has ended.
        """
        if self._state is _State.OPEN:
            if not self._expires or not self._begins_anew(frame):
                return None
            self._state, self._again = _State.HANDSHAKE, True
        if self._state is _State.TOKENS:
            return self._take_token(frame)
        if self._state in (_State.INITIAL, _State.HANDSHAKE):
            return self._take_request(frame)
        if self._state is _State.ANOTHER_MECHANISM:
            return self._refused("it asked for another SASL mechanism to prove itself anew", None)
        raise MalformedMessageError("a request after authentication had failed")

    def _begins_anew(self, frame: memoryview) -> bool:
        now = time.monotonic()
        if read_request_header(frame).api_key == ApiKey.SASL_HANDSHAKE and (
            not self._at or now - self._at >= _SECONDS_BETWEEN
        ):
            self._at = now
            return True
        if now > self._expires:
            raise SessionExpiredError(
                f"the session of {self._caller.principal} has ended and it did not prove itself anew "
                "(connections.max.reauth.ms)"
            )
        return False

    # -- before tokens ------------------------------------------------------------------------------------------------

    def _take_request(self, frame: memoryview) -> Started:
        header = read_request_header(frame)
        if header.api_key == ApiKey.API_VERSIONS and self._state is _State.INITIAL:
            started, known = self._dispatcher.api_versions(frame, header, self._caller)
            if known:
                self._state = _State.HANDSHAKE
            return started
        if header.api_key == ApiKey.SASL_HANDSHAKE:
            return self._handshake(frame, header)
        if header.api_key == ApiKey.API_VERSIONS:
            raise MalformedMessageError("a second ApiVersions request before authentication")
        if header.api_key in KAFKA_VERSIONS:
            name = ApiKey(header.api_key).name
            return self._refused(f"unexpected {name} request: this listener asks for SASL authentication first", None)
        raise MalformedMessageError(
            "no Kafka request: is the client configured for another security protocol than SASL?"
        )

    def _handshake(self, frame: memoryview, header: RequestHeader) -> Started:
        form, position = _form(header, frame)
        name = form.read_request(frame, position).mechanism
        before = form.response_header(header.correlation_id)
        mechanisms = tuple(self._rules.mechanisms)
        chosen = self._rules.mechanisms.get(name)
        if chosen is None:
            answer = form.make(error_code=ErrorCode.unsupported_sasl_mechanism, mechanisms=mechanisms)
            return self._refused(
                f"SASL mechanism {name!r} is not in sasl.enabled.mechanisms", form.write_response(answer), before
            )
        if self._again and chosen is not self._mechanism:
            self._state = _State.ANOTHER_MECHANISM
        else:
            self._framed = header.api_version > 0
            self._mechanism, self._exchange = chosen, chosen.exchange()
            self._state = _State.TOKENS
        answer = form.make(error_code=ErrorCode.none, mechanisms=mechanisms)
        return Started(ApiKey.SASL_HANDSHAKE, before, [form.write_response(answer)])

    # -- tokens -------------------------------------------------------------------------------------------------------

    def _take_token(self, frame: memoryview) -> Started:
        if not self._framed:
            return self._step(bytes(frame), None, b"")
        header = read_request_header(frame)
        if header.api_key != ApiKey.SASL_AUTHENTICATE:
            return self._out_of_turn(frame, header)
        form, position = _form(header, frame)
        request = form.read_request(frame, position)
        return self._step(request.auth_bytes, form, form.response_header(header.correlation_id))

    def _out_of_turn(self, frame: memoryview, header: RequestHeader) -> Started:
        """Refuse a request in place of a token; where its answer can say so, it does."""
        body, before = None, b""
        if header.api_key in (ApiKey.SASL_HANDSHAKE, ApiKey.API_VERSIONS):
            form, position = _form(header, frame)
            form.read_request(frame, position)
            before = form.response_header(header.correlation_id)
            fields = {"mechanisms": ()} if header.api_key == ApiKey.SASL_HANDSHAKE else {"api_keys": ()}
            body = form.write_response(form.make(error_code=ErrorCode.illegal_sasl_state, **fields))
        return self._refused(f"a request of API {header.api_key} came in place of a SASL token", body, before)

    def _step(self, token: bytes, form: Codec | None, before: bytes) -> Started:
        assert self._exchange is not None
        try:
            step = self._exchange.step(token)
        except (AuthenticationFailedError, InvalidTokenError) as error:
            return self._failed(error, form, before)
        if isinstance(step, tuple):
            return self._stepped(step, form, before)
        return Started(ApiKey.SASL_AUTHENTICATE, before, self._later(step, form))

    async def _later(self, step: Awaitable[Step], form: Codec | None) -> Buffers | None:
        """Answer once the mechanism has asked someone else; other connections do not wait for it."""
        try:
            answer = self._stepped(await step, form, b"").answer
        except (AuthenticationFailedError, InvalidTokenError) as error:
            answer = self._failed(error, form, b"").answer
        return await answer if isinstance(answer, Awaitable) else answer  # type: ignore[return-value]

    def _stepped(self, step: Step, form: Codec | None, before: bytes) -> Started:
        token, outcome = step
        lifetime_ms = 0
        if outcome is not None:
            if self._again and outcome.principal != self._caller.principal:
                old, new = self._caller.principal, outcome.principal
                changed = AuthenticationFailedError(
                    "Cannot change principals during re-authentication from "
                    f"{old.kind}.{old.name}: {new.kind}.{new.name}"
                )
                return self._failed(changed, form, before)
            lifetime_ms = self._opened(outcome)
        if form is None:
            return Started(ApiKey.SASL_AUTHENTICATE, before, [token])
        answer = form.make(
            error_code=ErrorCode.none,
            error_message="",
            auth_bytes=token,
            session_lifetime=timedelta(milliseconds=lifetime_ms),
        )
        return Started(ApiKey.SASL_AUTHENTICATE, before, [form.write_response(answer)])

    def _opened(self, outcome: Authenticated) -> int:
        """Let the client in; return for how many milliseconds, 0 where there is no end."""
        assert self._mechanism is not None
        limits = [self._mechanism.max_reauth_ms] if self._mechanism.max_reauth_ms > 0 else []
        if outcome.expires_ms is not None:
            limits.append(max(0, outcome.expires_ms - int(time.time() * 1000)))
        lifetime_ms = min(limits, default=0)
        self._expires = time.monotonic() + lifetime_ms / 1000 if limits else 0.0
        self._state, self._exchange = _State.OPEN, None
        self._caller.principal = outcome.principal
        self._caller.token_authenticated = outcome.by_token
        return lifetime_ms

    # -- refusals -----------------------------------------------------------------------------------------------------

    def _failed(self, error: KopfkaError, form: Codec | None, before: bytes) -> Started:
        self._exchange = None
        name = "" if self._mechanism is None else self._mechanism.name
        body = None
        if form is not None:
            how = "re-authentication" if self._again else "authentication"
            told = (
                str(error)
                if isinstance(error, AuthenticationFailedError)
                else f"Authentication failed during {how} due to invalid credentials with SASL mechanism {name}"
            )
            body = form.write_response(
                form.make(
                    error_code=ErrorCode.sasl_authentication_failed,
                    error_message=told,
                    auth_bytes=b"",
                    session_lifetime=NO_TIME,
                )
            )
        return self._refused(f"authentication with {name} failed: {error}", body, before)

    def _refused(self, why: str, body: bytes | None, before: bytes = b"") -> Started:
        """Answer after a while, which slows down who tries passwords, and close."""
        self._state = _State.FAILED
        log.warning("refused a client at %s (%s): %s", self._caller.client_host, self._caller.listener, why)
        return Started(ApiKey.SASL_AUTHENTICATE, before, self._delayed(None if body is None else [body]))

    async def _delayed(self, answer: Buffers | None) -> Buffers | None:
        await asyncio.sleep(self._rules.failed_delay_ms / 1000)
        return answer


def _form(header: RequestHeader, frame: memoryview) -> tuple[Codec, int]:
    """Return the codec of a request, and where its body starts."""
    api = ApiKey(header.api_key)
    if not KAFKA_VERSIONS[api].holds(header.api_version):
        raise UnsupportedVersionError(f"{api.name} version {header.api_version} is not served here")
    form = codec(header.api_key, header.api_version)
    return form, form.skip_header_tags(frame, header.end)
