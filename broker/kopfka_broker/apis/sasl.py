"""SaslHandshake and SaslAuthenticate where they have no place: on a listener that asks nobody, or after authentication.

What they are for is done by `security.authenticator`, before any request reaches a handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_wire.codec import NO_TIME, codec

if TYPE_CHECKING:
    from kopfka_broker.context import RequestContext

_TOO_LATE = "SaslAuthenticate request received after successful authentication"


async def sasl_handshake(request: Any, context: RequestContext) -> Any:
    """Answer SaslHandshake as Kafka does out of turn."""
    form = codec(context.api_key, context.api_version)
    return form.make(error_code=ErrorCode.illegal_sasl_state, mechanisms=())


async def sasl_authenticate(request: Any, context: RequestContext) -> Any:
    """Answer SaslAuthenticate as Kafka does out of turn."""
    form = codec(context.api_key, context.api_version)
    return form.make(
        error_code=ErrorCode.illegal_sasl_state, error_message=_TOO_LATE, auth_bytes=b"", session_lifetime=NO_TIME
    )
