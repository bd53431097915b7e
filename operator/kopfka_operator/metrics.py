"""The operator's metrics: what its resources say of themselves, and how its own work goes. Collected at scrape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kopfka_operator.kube.resources import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kopfka_operator.mirror import Mirror


class OperatorMetrics:
    """A collector of `prometheus_client`, which is imported only when somebody scrapes."""

    def __init__(self, mirror: Mirror, leads: Callable[[], bool]) -> None:
        self._mirror = mirror
        self._leads = leads
        self._reconciles: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, float] = {}

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one pass over a resource: `done`, `retry` or `error`."""
        self._reconciles[kind, outcome] += 1
        self._seconds[kind] = self._seconds.get(kind, 0.0) + seconds

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

        conditions = GaugeMetricFamily(
            "kopfka_resource_condition",
            "Conditions of Kopfka's resources: 1 where true",
            labels=("kind", "namespace", "name", "type", "reason"),
        )
        for type_ in KINDS:
            for body in self._mirror.all(type_):
                for each in (body.get("status") or {}).get("conditions") or []:
                    where = (type_.kind, body["metadata"]["namespace"], body["metadata"]["name"])
                    labels = (*where, each["type"], each["reason"])
                    conditions.add_metric(labels, float(each["status"] == "True"))
        yield conditions
        reconciles = CounterMetricFamily(
            "kopfka_operator_reconciles", "Passes over resources", labels=("kind", "outcome")
        )
        for outcome, count in self._reconciles.items():
            reconciles.add_metric(outcome, count)
        yield reconciles
        seconds = CounterMetricFamily(
            "kopfka_operator_reconcile_seconds", "Time spent in passes over resources", labels=("kind",)
        )
        for kind, total in self._seconds.items():
            seconds.add_metric((kind,), total)
        yield seconds
        yield GaugeMetricFamily("kopfka_operator_leader", "1 where this operator acts", value=float(self._leads()))
