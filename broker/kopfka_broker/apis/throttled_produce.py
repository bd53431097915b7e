"""Produce under client quotas: measures each request of a client that has a quota, and says in its answer how long to
wait. What is appended and answered is `produce`'s business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kopfka_broker.dispatch import Deferred
from kopfka_wire.produce import with_throttle_time

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.dispatch import Buffers, RawAnswer, RawHandler
    from kopfka_broker.security.throttling import Throttling
    from kopfka_wire.codec import Codec


class ThrottledProduce:
    """The handler, around another one."""

    def __init__(self, produce: RawHandler, throttling: Throttling) -> None:
        self._produce = produce
        self._throttling = throttling

    def produce(self, frame: memoryview, position: int, context: RequestContext, form: Codec) -> RawAnswer:
        """Hand the request on; where anybody has a quota, measure it too."""
        if not self._throttling.active:
            return self._produce(frame, position, context, form)
        began = time.perf_counter()
        answer = self._produce(frame, position, context, form)
        # a producer that wants no answer (acks=0) is throttled for its bytes only, as in Kafka. Waiting for the disk or
        # the coordinator is no time of the broker's; and the connection is muted before it starts its next request
        seconds = 0.0 if answer is None else time.perf_counter() - began
        wait_ms = self._throttling.produced(context, len(frame), seconds)
        if not wait_ms or answer is None:
            return answer
        if isinstance(answer, list):
            return _throttled(answer, context, wait_ms)
        if isinstance(answer, Deferred):
            return Deferred(_throttled_later(answer.answer, context, wait_ms))
        return _throttled_later(answer, context, wait_ms)


async def _throttled_later(awaited: Awaitable[Deferred | Buffers | None], context: RequestContext, wait_ms: int) -> Any:
    answer = await awaited
    if isinstance(answer, Deferred):
        return Deferred(_throttled_later(answer.answer, context, wait_ms))
    return _throttled(answer, context, wait_ms)


def _throttled(answer: Buffers | None, context: RequestContext, wait_ms: int) -> Buffers | None:
    return answer and [with_throttle_time(b"".join(answer), context.api_version, wait_ms)]
