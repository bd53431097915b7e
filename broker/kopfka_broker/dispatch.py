"""From a request's bytes to its handler and back to an answer's bytes. Knows no socket and no API's meaning.

An answer is a list of buffers to be sent one after another, without the size that stands before them on the wire; None
means that the client asked for none (`acks=0`). A handler takes kio's request and returns kio's response, of any
version; a raw handler, for the two hot paths, reads and writes bytes itself and may answer at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_broker.apis.versions import answer_versions, unsupported_versions
from kopfka_broker.context import RequestContext
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import Codec, codec, read_request_header
from kopfka_wire.errors import UnsupportedVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.features import Features
    from kopfka_broker.metrics import RequestMetrics

Buffers = list[bytes | bytearray | memoryview]

Handler = Callable[[Any, RequestContext], Awaitable[Any]]
"""Takes kio's request, returns kio's response of the same API and version; registered by API key."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """An answer that comes later, while requests that follow on the same connection may already start.

    Answers keep their order all the same. Only for requests whose effect is complete but for its being durable.
    """

    answer: Awaitable[Buffers | None]


RawAnswer = Buffers | Deferred | Awaitable[Buffers | None] | None
RawHandler = Callable[[memoryview, int, RequestContext, Codec], RawAnswer]
"""Takes a frame, where the request's body starts, the context and the codec; returns the body of the answer."""


@dataclass(frozen=True, slots=True)
class Started:
    """A request that was given to its handler."""

    api: ApiKey
    header: bytes
    """What stands before the body of the answer."""
    answer: RawAnswer


class Dispatcher:
    """The handlers of one broker, by API key."""

    def __init__(
        self,
        handlers: Mapping[int, Handler],
        raw: Mapping[int, RawHandler],
        metrics: RequestMetrics,
        features: Features,
    ) -> None:
        self._handlers = dict(handlers)
        self._raw = dict(raw)
        self.metrics = metrics
        served = sorted({*handlers, *raw, ApiKey.API_VERSIONS})
        self.versions = {ApiKey(key): KAFKA_VERSIONS[ApiKey(key)] for key in served}
        """What ApiVersions advertises."""
        self._features = features
        features.serve(served)

    def start(self, frame: memoryview, client_host: str, listener: str) -> Started:
        """Give the request in `frame` to its handler.

        Raises:
            MalformedMessageError: these bytes are no request.
            UnsupportedVersionError: nobody here serves this API, or not in this version.
        """
        header = read_request_header(frame)
        key, version = header.api_key, header.api_version
        supported = self.versions.get(key)  # type: ignore[call-overload]
        if supported is None:
            raise UnsupportedVersionError(f"API key {key} is not served here")
        api = ApiKey(key)
        correlation = header.correlation_id.to_bytes(4, "big", signed=True)
        if not supported.holds(version):
            if api is ApiKey.API_VERSIONS:
                # a client newer than this broker finds out by this what to speak instead (KIP-511)
                return Started(api, correlation, [unsupported_versions(self.versions)])
            raise UnsupportedVersionError(f"{api.name} version {version} is not served here")
        context = RequestContext(key, version, header.client_id, client_host, listener)
        raw = self._raw.get(key)
        if raw is not None and api is ApiKey.PRODUCE and version < 3:
            return Started(api, correlation, raw(frame, header.end, context, None))  # type: ignore[arg-type]
        form = codec(key, version)
        position = form.skip_header_tags(frame, header.end)
        before = form.response_header(header.correlation_id)
        if raw is not None:
            return Started(api, before, raw(frame, position, context, form))
        request = form.read_request(frame, position)
        if api is ApiKey.API_VERSIONS:
            return Started(
                api, before, [form.write_response(answer_versions(request, form, self.versions, self._features))]
            )
        return Started(api, before, _answer(self._handlers[key], request, context, form))


async def _answer(handler: Handler, request: Any, context: RequestContext, form: Codec) -> Buffers | None:
    response = await handler(request, context)
    return [form.write_response(response)]
