"""What `/metrics` shows of the check against the schema registry; nothing is shown where it was never used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from kopfka_broker.schemas.answers import Answers


@dataclass(slots=True)
class Counts:
    """What became of batches."""

    passed: int = 0
    """Batches all of whose records have schemas that are registered."""
    untold: int = 0
    """Batches whose producers were told to try again."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Records at fault, by topic."""


def schema_metrics(counts: Counts, answers: Answers) -> Iterator[Metric]:
    """Give the metrics of a moment."""
    # imported at the first scrape, as in kopfka_runtime.health
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    prefix = "kopfka_schema_validation"
    rejected = CounterMetricFamily(
        f"{prefix}_rejected_records", "Records refused, as their schema is not registered.", labels=["topic"]
    )
    for topic, count in counts.rejected.items():
        rejected.add_metric([topic], count)
    yield rejected
    yield CounterMetricFamily(f"{prefix}_passed_batches", "Batches found to be in order.", value=counts.passed)
    yield CounterMetricFamily(
        f"{prefix}_unchecked_batches",
        "Batches not taken as the schema registry gave no answer; their producers try again.",
        value=counts.untold,
    )
    questions = CounterMetricFamily(
        f"{prefix}_lookups", "Questions about schemas, by who answered them.", labels=["outcome"]
    )
    for outcome, count in (
        ("cached", answers.hits),
        ("answered", answers.asked - answers.failed),
        ("failed", answers.failed),
    ):
        questions.add_metric([outcome], count)
    yield questions
    yield GaugeMetricFamily(f"{prefix}_kept_answers", "Answers of the registry that are kept.", value=len(answers))
    yield GaugeMetricFamily(
        "kopfka_schema_registry_up",
        "1 where the schema registry answered when it was asked last.",
        value=int(answers.available),
    )
