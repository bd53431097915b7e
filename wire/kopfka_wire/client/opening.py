"""Opens a connection: address, TCP, TLS, ApiVersions, SASL. What goes wrong says where, and what to look at."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_runtime.network import resolve
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey, VersionRange
from kopfka_wire.client.connection import Connection, tls_error
from kopfka_wire.client.errors import ConnectionLostError, UnreachableError
from kopfka_wire.client.login import exchange_of
from kopfka_wire.client.tls import TlsContext
from kopfka_wire.client.tokens import TokenSource
from kopfka_wire.codec import codec
from kopfka_wire.error_codes import SaslError, broker_error, check

if TYPE_CHECKING:
    from collections.abc import Generator

    from kopfka_wire.client.settings import ClientSettings

_SOFTWARE: Final = "kopfka"
_RENEW_FROM, _RENEW_SPREAD = 0.85, 0.1
"""The part of a session's life after which it is renewed: from 85 to 95 %, as Kafka's clients do (KIP-368)."""


class Security:
    """What the connections to one cluster have in common: the TLS context, and tokens of OAUTHBEARER."""

    def __init__(self, settings: ClientSettings) -> None:
        self.tls = None if settings.tls is None else TlsContext(settings.tls)
        origin = None if settings.login is None else settings.login.origin
        self.tokens = None if origin is None else TokenSource(origin, settings.token_tls)


async def open_connection(host: str, port: int, settings: ClientSettings, security: Security) -> Connection:
    """Connect to one broker and log in.

    Raises:
        UnreachableError: nothing takes the connection, within `socket.connection.setup.timeout.ms`.
        TlsError: one of the two certificates is not taken by the other side.
        SaslError: the credentials are not taken.
        NotKafkaError: what listens there speaks another protocol.
        ConnectionLostError: the connection ended on the way; the message has a hint.
    """
    address = f"{host}:{port}"
    connection = await _connect(address, host, port, settings, security)
    connection.hint = f" (is its listener one for security.protocol={settings.security_protocol}?)"
    try:
        await _ask_versions(connection)
        if settings.login is not None:
            await _log_in(connection, settings, security)
            connection.renew = lambda: _log_in(connection, settings, security)
    except BaseException:
        connection.close()
        raise
    connection.opened()
    return connection


async def _connect(address: str, host: str, port: int, settings: ClientSettings, security: Security) -> Connection:
    loop = asyncio.get_running_loop()
    # reading key stores takes files and, for PKCS12, a while
    context = None if security.tls is None else await asyncio.to_thread(security.tls.current)

    def make() -> Connection:
        return Connection(address, settings.client_id, settings.request_timeout, settings.connections_max_idle)

    try:
        async with asyncio.timeout(settings.connect_timeout):
            transport, connection = await loop.create_connection(
                make, resolve(host), port, ssl=context, server_hostname=None if context is None else host
            )
    except ssl.SSLError as error:
        raise tls_error(address, error) from None
    except TimeoutError:
        raise UnreachableError(
            f"{address} did not take the connection within {settings.connect_timeout:g} s "
            "(socket.connection.setup.timeout.ms)"
        ) from None
    except ConnectionResetError:
        hint = "" if context is None else "; does it speak TLS, as security.protocol says?"
        raise ConnectionLostError(f"{address} ended the connection while it was being made{hint}") from None
    except OSError as error:
        raise UnreachableError(f"{address}: {_why(error)}") from None
    plain = transport.get_extra_info("socket")
    if plain is not None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return error.strerror or str(error)


async def _ask_versions(connection: Connection) -> None:
    number = KAFKA_VERSIONS[ApiKey.API_VERSIONS].high
    answer = await _versions(connection, number)
    if answer.error_code == ErrorCode.unsupported_version:
        # the answer is in version 0 and, since Kafka 2.4, says which versions there are
        theirs = {each.api_key: each for each in answer.api_keys}.get(ApiKey.API_VERSIONS)
        answer = await _versions(connection, 0 if theirs is None else min(number, theirs.max_version))
    check(answer.error_code, f"asking {connection.address} for its API versions")
    connection.versions = {each.api_key: VersionRange(each.min_version, each.max_version) for each in answer.api_keys}
    features = getattr(answer, "finalized_features", ())
    connection.features = {each.name: each.max_version_level for each in features}


async def _versions(connection: Connection, number: int) -> Any:
    form = codec(ApiKey.API_VERSIONS, number)
    request = form.make_request(client_software_name=_SOFTWARE, client_software_version=_software_version())
    frame = await connection.send_now(lambda sent: (form.write_request(request, sent, connection.client_id),))
    refused = int.from_bytes(frame[4:6], "big") == ErrorCode.unsupported_version
    return connection.read(codec(ApiKey.API_VERSIONS, 0) if refused else form, frame)


def _software_version() -> str:
    try:
        return version("kopfka")
    except PackageNotFoundError:
        return "0"


async def _log_in(connection: Connection, settings: ClientSettings, security: Security) -> None:
    login = settings.login
    assert login is not None
    token = None if security.tokens is None else await security.tokens.token()
    what = f"logging in at {connection.address} by {login.mechanism}"
    answer = await _ask(connection, ApiKey.SASL_HANDSHAKE, mechanism=login.mechanism)
    if answer.error_code:
        offered = ", ".join(answer.mechanisms)
        raise broker_error(answer.error_code, what, f"the listener has {offered}" if offered else None)
    exchange: Generator[bytes, bytes, None] = exchange_of(login, token)
    message = next(exchange)
    while True:
        answer = await _ask(connection, ApiKey.SASL_AUTHENTICATE, auth_bytes=message)
        try:
            check(answer.error_code, what, answer.error_message)
            message = exchange.send(answer.auth_bytes)
        except StopIteration:
            break
        except SaslError as error:
            if security.tokens is not None:
                security.tokens.forget()
            connection.fail(error)
            raise
    lifetime = answer.session_lifetime.total_seconds() if hasattr(answer, "session_lifetime") else 0.0
    part = _RENEW_FROM + _RENEW_SPREAD * random.random()
    connection.renew_at = asyncio.get_running_loop().time() + lifetime * part if lifetime else float("inf")


async def _ask(connection: Connection, api: ApiKey, **fields: Any) -> Any:
    """Send a request of the login, past what waits for the login."""
    form = connection.form(api, least=1 if api == ApiKey.SASL_HANDSHAKE else 0)
    request = form.make_request(**fields)
    frame = await connection.send_now(lambda sent: (form.write_request(request, sent, connection.client_id),))
    return connection.read(form, frame)
