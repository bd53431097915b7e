"""GetTelemetrySubscriptions and PushTelemetry (KIP-714): clients are asked for metrics of themselves, and send them."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from kio.schema.errors import ErrorCode

from kopfka_broker.telemetry.clients import Client, Clients, Instance
from kopfka_broker.telemetry.otlp import decode
from kopfka_runtime.errors import KopfkaError
from kopfka_wire.codec import codec
from kopfka_wire.compression import decompress

if TYPE_CHECKING:
    from uuid import UUID

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.telemetry.values import TelemetryValues

log = logging.getLogger(__name__)

_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_ACCEPTED: Final = (_ZSTD, _LZ4, _GZIP, _SNAPPY)  # the best first, as Kafka tells it
_CODECS = range(5)
_RESERVED = 1  # ids up to this one are Kafka's own
_EXPAND = 20
"""How many times telemetry.max.bytes a payload may be once it is decompressed."""


class TelemetryApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._values: TelemetryValues = cluster.telemetry
        self._clients = Clients(self._values.forget)
        for name in cluster.client_metrics.names():
            self._clients.subscribe(name, cluster.client_metrics.of(name))
        cluster.client_metrics.on_change(lambda name: self._clients.subscribe(name, cluster.client_metrics.of(name)))

    async def get_telemetry_subscriptions(self, request: Any, context: RequestContext) -> Any:
        """Answer GetTelemetrySubscriptions; a client without an id is given one."""
        form = codec(context.api_key, context.api_version)
        instance_id: UUID = request.client_instance_id or uuid4()
        now = _now_ms()
        self._clients.expire(now)
        instance = self._instance(instance_id, context)
        code = instance.last_error = instance.take_ask(now)
        if code:
            return form.make(
                error_code=code,
                client_instance_id=None,
                subscription_id=0,
                accepted_compression_types=(),
                push_interval=timedelta(0),
                telemetry_max_bytes=0,
                delta_temporality=False,
                requested_metrics=(),
            )
        return form.make(
            error_code=ErrorCode.none,
            client_instance_id=instance_id,
            subscription_id=instance.subscription_id,
            accepted_compression_types=_ACCEPTED,
            push_interval=timedelta(milliseconds=instance.interval_ms),
            telemetry_max_bytes=self._cluster.config.number("telemetry.max.bytes"),
            delta_temporality=True,
            requested_metrics=instance.metrics,
        )

    async def push_telemetry(self, request: Any, context: RequestContext) -> Any:
        """Answer PushTelemetry: keep what a client sends."""
        form = codec(context.api_key, context.api_version)
        instance_id = request.client_instance_id
        if instance_id is None or instance_id.int <= _RESERVED:
            return form.make(error_code=ErrorCode.invalid_request)
        now = _now_ms()
        self._clients.expire(now)
        instance = self._instance(instance_id, context)
        code = self._fault(instance, request, now)
        instance.last_error = code
        if not code:
            instance.terminating = request.terminating
            code = self._take(instance, request)
        return form.make(error_code=code)

    def _fault(self, instance: Instance, request: Any, now: int) -> ErrorCode:
        code = instance.take_push(now, terminating=request.terminating)
        if code:
            return code
        if request.subscription_id != instance.subscription_id:
            return ErrorCode.unknown_subscription_id
        if request.compression_type not in _CODECS:
            return ErrorCode.unsupported_compression_type
        if len(request.metrics or b"") > self._cluster.config.number("telemetry.max.bytes"):
            return ErrorCode.telemetry_too_large
        return ErrorCode.none

    def _take(self, instance: Instance, request: Any) -> ErrorCode:
        payload = request.metrics
        if not payload:
            return ErrorCode.none
        limit = _EXPAND * self._cluster.config.number("telemetry.max.bytes")
        try:
            if request.compression_type:
                payload = decompress(request.compression_type, payload, limit)
            found = decode(payload)
        except KopfkaError as error:
            log.warning("telemetry of client %s is refused: %s", instance.client.client_id, error)
            return ErrorCode.invalid_record
        self._values.passed_over += found.passed_over
        self._values.take(instance.client, found.points)
        return ErrorCode.none

    def _instance(self, instance_id: UUID, context: RequestContext) -> Instance:
        caller = context.caller
        return self._clients.instance(
            instance_id,
            Client(
                str(instance_id),
                context.client_id or "",
                caller.software_name,
                caller.software_version,
                context.client_host,
                str(caller.client_port),
            ),
        )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
