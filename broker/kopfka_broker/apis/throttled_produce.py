"""Produce under client quotas: measures each request of a client that has a quota, and says in its answer how long to
wait. What is appended and answered is `produce`'s business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

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
        seconds, size = time.perf_counter() - began, len(frame)
        if answer is None or isinstance(answer, list):
            return self._answered(answer, context, size, seconds)
        if isinstance(answer, Deferred):
            return Deferred(self._later(answer.answer, context, size, seconds))
        return self._later(answer, context, size, seconds)

    async def _later(
        self, answer: Awaitable[Buffers | None], context: RequestContext, size: int, seconds: float
    ) -> Buffers | None:
        # waiting for the disk or the coordinator is no time of the broker's
        return self._answered(await answer, context, size, seconds)

    def _answered(self, answer: Buffers | None, context: RequestContext, size: int, seconds: float) -> Buffers | None:
        # a producer that wants no answer (acks=0) is throttled for its bytes only, as in Kafka
        wait_ms = self._throttling.produced(context, size, 0.0 if answer is None else seconds)
        if not answer or not wait_ms:
            return answer
        return [with_throttle_time(b"".join(answer), context.api_version, wait_ms)]
