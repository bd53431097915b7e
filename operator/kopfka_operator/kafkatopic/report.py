"""What the status of a `KafkaTopic` says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.kafkatopic.plan import problems
from kopfka_operator.status import Problem, StatusDraft, degraded, join, not_ready, progressing, ready, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.kafkatopic.plan import Observed, Topic


def report(
    topic: Topic, observed: Observed, failures: Sequence[Problem], *, drifted: str = "", unfinished: bool = False
) -> StatusDraft:
    """Return the status of a topic whose plan has been carried out; `drifted` says what had been changed outside."""
    found = [*failures, *problems(topic, observed)]
    live = observed.live if observed.owner is None else None
    fields: dict[str, object] = {"topicName": topic.name}
    if live is not None:
        numbers = {"topicId": live.topic_id, "partitions": live.partitions, "replicas": live.replicas}
        fields = {**fields, **numbers}
    if found:
        health = not_ready(found[0].reason, join(found))
    elif live is None or unfinished:
        health = not_ready(Reason.RECONCILING, "the broker does not show the changes yet")
    else:
        health = ready("the topic is as specified")
    if unfinished and not found:
        progress = progressing(Reason.RECONCILING, "waiting for the broker to show the changes")
    elif drifted:
        progress = settled(f"changed outside and put right: {drifted}", Reason.DRIFT_CORRECTED)
    else:
        progress = settled()
    return StatusDraft((health, progress, degraded(found)), fields)


def waiting(topic: Topic, reason: Reason, message: str, known: dict[str, object]) -> StatusDraft:
    """Return the status of a topic that nothing can be done for now; what was known of it stays."""
    kept: dict[str, object] = {name: known[name] for name in ("topicId", "partitions", "replicas") if name in known}
    return StatusDraft(
        (not_ready(reason, message), progressing(reason, message), degraded([])), {**kept, "topicName": topic.name}
    )
