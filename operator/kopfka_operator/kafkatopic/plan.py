"""What is to be done for a `KafkaTopic`, from what is wanted and what is there. Pure: no I/O, no clock.

The resource is the whole truth about its topic: a setting it does not name has the cluster's default. What cannot be
done (fewer partitions, another number of replicas) is a problem with a remedy, and keeps nothing else from being
done.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from kopfka_operator.actions import (
    Action,
    AddPartitions,
    AlterConfig,
    CreateTopic,
    DeleteTopic,
    HoldDeletion,
    ReleaseDeletion,
)
from kopfka_operator.api.reasons import Reason
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.api.kafkatopic import KafkaTopicSpec
    from kopfka_operator.kafka.admin import TopicState
    from kopfka_operator.kube.resources import Ref


@dataclass(frozen=True, slots=True)
class Topic:
    """A KafkaTopic: who it is and what it wants."""

    ref: Ref
    spec: KafkaTopicSpec

    @property
    def name(self) -> str:
        """Name of the topic in Kafka."""
        return self.spec.topic_name or self.ref.name


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there."""

    live: TopicState | None
    """The topic in Kafka; None where there is none, or where its cluster is gone."""
    leaving: bool = False
    """Whether the KafkaTopic is being deleted."""
    held: bool = False
    """Whether the finalizer is on the KafkaTopic."""
    owner: str | None = None
    """The other KafkaTopic that has this topic, if there is one."""


def plan(topic: Topic, observed: Observed) -> list[Action]:
    """Return what is to be done, in this order; none where all is as wanted as far as it can be."""
    ours = observed.owner is None
    wants_delete = topic.spec.reclaim_policy == "Delete"
    if observed.leaving:
        if not observed.held:
            return []
        delete = [DeleteTopic(topic.name)] if wants_delete and ours and observed.live is not None else []
        return [*delete, ReleaseDeletion(topic.ref)]
    actions: list[Action] = []
    if wants_delete and ours and not observed.held:
        actions.append(HoldDeletion(topic.ref))
    if observed.held and not (wants_delete and ours):
        actions.append(ReleaseDeletion(topic.ref))
    return actions + (_in_kafka(topic, observed.live) if ours else [])


def problems(topic: Topic, observed: Observed) -> list[Problem]:
    """Return what cannot be done, each with its remedy."""
    if observed.owner is not None:
        return [
            Problem(
                Reason.CONFLICT,
                f"KafkaTopic {observed.owner} has the topic {topic.name} of this cluster: delete one of the two",
            )
        ]
    live, spec = observed.live, topic.spec
    found = []
    if live is not None and spec.partitions is not None and spec.partitions < live.partitions:
        found.append(
            Problem(
                Reason.PARTITIONS_CANNOT_SHRINK,
                f"the topic has {live.partitions} partitions and Kafka cannot take any away: "
                f"write partitions: {live.partitions} or more, or make a new topic with fewer",
            )
        )
    if live is not None and spec.replicas is not None and spec.replicas != live.replicas:
        found.append(
            Problem(
                Reason.REPLICAS_CANNOT_CHANGE,
                f"the topic has {live.replicas} replicas a partition, which this version does not change: "
                f"write replicas: {live.replicas}, or leave replicas out",
            )
        )
    return found


def drift(actions: Sequence[Action], live: TopicState | None) -> str:
    """Say what was changed outside, given the plan for a topic that had been as wanted; empty if nothing was."""
    said: list[str] = []
    for action in actions:
        if isinstance(action, CreateTopic):
            said.append(
                f"the topic {action.topic} was deleted outside Kopfka; it has been made anew, without its records"
            )
        elif isinstance(action, AlterConfig) and live is not None:
            said += [
                f"{name} was {_told(live.config.get(name))}, is {value} again" for name, value in action.set.items()
            ]
            said += [f"{name} was {_told(live.config.get(name))}, has its default again" for name in action.unset]
        elif isinstance(action, AddPartitions) and live is not None:
            said.append(f"there were {live.partitions} partitions, there are {action.total} again")
    return "; ".join(said)


def same_setting(one: str, other: str) -> bool:
    """Tell whether two texts are the same value of a setting: brokers answer `0.50` with `0.5`, `a, b` with `a,b`."""
    return one == other or _normal(one) == _normal(other)


def _in_kafka(topic: Topic, live: TopicState | None) -> list[Action]:
    spec, config = topic.spec, topic.spec.config or {}
    if live is None:
        return [CreateTopic(topic.name, spec.partitions, spec.replicas, dict(config))]
    actions: list[Action] = []
    changed = {
        name: value
        for name, value in sorted(config.items())
        if name not in live.config or not same_setting(live.config[name], value)
    }
    dropped = tuple(sorted(name for name in live.config if name not in config))
    if changed or dropped:
        actions.append(AlterConfig(topic.name, changed, dropped))
    if spec.partitions is not None and spec.partitions > live.partitions:
        actions.append(AddPartitions(topic.name, spec.partitions))
    return actions


def _normal(text: str) -> str:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    if "," in text:
        return ",".join(_normal(part) for part in text.split(","))
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return str(number.normalize()) if number.is_finite() else text


def _told(value: str | None) -> str:
    return "not set" if value is None else f"set to {value}"
