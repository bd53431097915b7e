"""From a request's bytes to its handler and back to an answer's bytes. Knows no socket and no API's meaning.

An answer is a list of buffers to be sent one after another, without the size that stands before them on the wire; None
means that the client asked for none (`acks=0`). A handler takes kio's request and returns kio's response, of any
version; a raw handler, for the two hot paths, reads and writes bytes itself and may answer at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kopfka_broker.apis.versions import answer_versions, invalid_software, take_software, unsupported_versions
from kopfka_broker.context import RequestContext
from kopfka_broker.metrics.stopwatch import Stopwatch
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import Codec, codec, read_request_header
from kopfka_wire.errors import UnsupportedVersionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.context import Caller
    from kopfka_broker.features import Features
    from kopfka_broker.metrics.counters import RequestMetrics
    from kopfka_broker.security.throttling import Throttling
    from kopfka_wire.codec import RequestHeader

# what brokers ask of each other is no client's time (KafkaApis.sendResponseExemptThrottle)
_EXEMPT = frozenset({ApiKey.WRITE_TXN_MARKERS})

Buffers = list[bytes | bytearray | memoryview]

Handler = Callable[[Any, RequestContext], Awaitable[Any]]
"""Takes kio's request, returns kio's response of the same API and version; registered by API key."""


@dataclass(slots=True)  # not frozen: one is made for almost every request
class Deferred:
    """An answer that comes later, while requests that follow on the same connection may already start.

    Answers keep their order all the same. Only for requests whose effect is complete but for its being durable; one
    that has to wait before that may come to such an answer too.
    """

    answer: Awaitable[Buffers | None]


RawAnswer = Buffers | Deferred | Awaitable[Buffers | Deferred | None] | None
RawHandler = Callable[[memoryview, int, RequestContext, Codec], RawAnswer]
"""Takes a frame, where the request's body starts, the context and the codec; returns the body of the answer."""


@dataclass(slots=True)  # not frozen: one is made for every request
class Started:
    """A request that was given to its handler."""

    api: ApiKey
    header: bytes
    """What stands before the body of the answer."""
    answer: RawAnswer
    context: RequestContext | None = None
    """Whose request it is; None of ApiVersions, which comes before there is anything to know."""
    size: int = 0
    """Bytes of the request."""


class Dispatcher:
    """The handlers of one broker, by API key."""

    def __init__(
        self,
        handlers: Mapping[int, Handler],
        raw: Mapping[int, RawHandler],
        metrics: RequestMetrics,
        features: Features,
        throttling: Throttling,
    ) -> None:
        self._handlers = dict(handlers)
        self._raw = dict(raw)
        self.metrics = metrics
        served = sorted({*handlers, *raw, ApiKey.API_VERSIONS})
        self.versions = {ApiKey(key): KAFKA_VERSIONS[ApiKey(key)] for key in served}
        """What ApiVersions advertises."""
        self._features = features
        features.serve(served)
        self._throttling = throttling

    def start(self, frame: memoryview, caller: Caller) -> Started:
        """Give the request in `frame` to its handler.

        Raises:
            MalformedMessageError: these bytes are no request.
            UnsupportedVersionError: nobody here serves this API, or not in this version.
        """
        header = read_request_header(frame)
        key, version = header.api_key, header.api_version
        if key == ApiKey.API_VERSIONS:
            return self.api_versions(frame, header, caller)[0]
        supported = self.versions.get(key)  # type: ignore[call-overload]
        if supported is None:
            raise UnsupportedVersionError(f"API key {key} is not served here")
        api = ApiKey(key)
        if not supported.holds(version):
            raise UnsupportedVersionError(f"{api.name} version {version} is not served here")
        context = RequestContext(
            key, version, header.client_id, caller.client_host, caller.listener, caller.principal, caller
        )
        raw = self._raw.get(key)
        if raw is not None and api is ApiKey.PRODUCE and version < 3:
            correlation = header.correlation_id.to_bytes(4, "big", signed=True)
            return Started(api, correlation, raw(frame, header.end, context, None))  # type: ignore[arg-type]
        form = codec(key, version)
        position = form.skip_header_tags(frame, header.end)
        before = form.response_header(header.correlation_id)
        if raw is not None:
            return Started(api, before, raw(frame, position, context, form), context, len(frame))
        request = form.read_request(frame, position)
        if self._throttling.measures_time and api not in _EXEMPT:
            work: Awaitable[Any] = _answer_in_time(self._handlers[key], request, context, self._throttling)
        else:
            work = self._handlers[key](request, context)
        return Started(api, before, self._counted(api, work, form), context, len(frame))

    async def _counted(self, api: ApiKey, work: Awaitable[Any], form: Codec) -> Buffers:
        """Write an answer, and count it where it says that the whole request failed."""
        response = await work
        code = getattr(response, "error_code", None)
        if code:
            self.metrics.failed(api, code.name.upper())
        return [form.write_response(response)]

    def api_versions(self, frame: memoryview, header: RequestHeader, caller: Caller) -> tuple[Started, bool]:
        """Answer ApiVersions, and tell whether the client was given what it asked for."""
        if not self.versions[ApiKey.API_VERSIONS].holds(header.api_version):
            # a client newer than this broker finds out by this what to speak instead (KIP-511)
            correlation = header.correlation_id.to_bytes(4, "big", signed=True)
            return Started(ApiKey.API_VERSIONS, correlation, [unsupported_versions(self.versions)]), False
        form = codec(header.api_key, header.api_version)
        request = form.read_request(frame, form.skip_header_tags(frame, header.end))
        known = take_software(request, caller)
        answer = answer_versions(form, self.versions, self._features) if known else invalid_software(form)
        return Started(
            ApiKey.API_VERSIONS, form.response_header(header.correlation_id), [form.write_response(answer)]
        ), known


async def _answer_in_time(handler: Handler, request: Any, context: RequestContext, throttling: Throttling) -> Any:
    """As the handler itself, where somebody has a quota for the time that requests take."""
    work: Stopwatch[Any] = Stopwatch(handler(request, context))  # type: ignore[arg-type]
    response = await work
    wait = timedelta(milliseconds=throttling.answered(context, work.seconds))
    if wait > getattr(response, "throttle_time", wait):
        response = replace(response, throttle_time=wait)
    return response
