"""What a topology comes to with the topics there are: how many tasks, which internal topics, or why it cannot run."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_broker.groups.streams.topology import CopartitionGroup, InternalTopic, Subtopology, Topology


class Status(enum.IntEnum):
    """What a member is told besides its tasks, by the numbers of StreamsGroupHeartbeat."""

    STALE_TOPOLOGY = 0
    MISSING_SOURCE_TOPICS = 1
    INCORRECTLY_PARTITIONED_TOPICS = 2
    MISSING_INTERNAL_TOPICS = 3
    SHUTDOWN_APPLICATION = 4
    ASSIGNMENT_DELAYED = 5


@dataclass(frozen=True, slots=True)
class Configured:
    """A topology over the topics there are."""

    tasks: Mapping[str, int] = field(default_factory=dict)
    """The number of tasks of each subtopology; none where topics are missing or do not fit."""
    changelogs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The changelogs of each subtopology: with any, it keeps state."""
    partitions: Mapping[str, int] = field(default_factory=dict)
    """The number of partitions decided for each internal topic."""
    missing: tuple[InternalTopic, ...] = ()
    """Internal topics that are to be created."""
    problem: tuple[Status, str] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing in the way of its tasks."""
        return self.problem is None


class _MismatchError(Exception):
    """Topics do not have the partitions the topology needs."""


def configure(topology: Topology, count: Callable[[str], int]) -> Configured:
    """Work out a topology; `count` gives the partitions of a topic, 0 where there is none."""
    missing = sorted({name for each in topology.subtopologies for name in each.source_topics if not count(name)})
    if missing:
        return Configured(problem=(Status.MISSING_SOURCE_TOPICS, f"Source topics {', '.join(missing)} are missing."))
    try:
        partitions = _partitions(topology, count)
        return _configured(topology, partitions, count)
    except _MismatchError as error:
        return Configured(problem=(Status.INCORRECTLY_PARTITIONED_TOPICS, str(error)))


def _configured(topology: Topology, partitions: dict[str, int], count: Callable[[str], int]) -> Configured:
    tasks, changelogs, wanted = {}, {}, {}
    for each in topology.subtopologies:
        tasks[each.subtopology_id] = max(partitions.get(name) or count(name) for name in each.sources)
        changelogs[each.subtopology_id] = frozenset(topic.name for topic in each.changelogs)
        for topic in (*each.repartition_sources, *each.changelogs):
            wanted[topic.name] = replace(topic, partitions=partitions[topic.name])
    for name, topic in wanted.items():
        if count(name) not in (0, topic.partitions):
            raise _MismatchError(
                f"Existing topic {name} has different number of partitions: expected {topic.partitions}, "
                f"found {count(name)}"
            )
    absent = tuple(topic for name, topic in sorted(wanted.items()) if not count(name))
    problem = None
    if absent:
        names = ", ".join(topic.name for topic in absent)
        problem = (Status.MISSING_INTERNAL_TOPICS, f"Internal topics are missing: {names}")
    return Configured(tasks, changelogs, partitions, absent, problem)


def _partitions(topology: Topology, count: Callable[[str], int]) -> dict[str, int]:
    """Decide the number of partitions of every internal topic."""
    repartition = {topic.name: topic for each in topology.subtopologies for topic in each.repartition_sources}
    decided = {name: topic.partitions for name, topic in repartition.items() if topic.partitions}
    open_ones = set(repartition) - decided.keys()
    sinks = {name for each in topology.subtopologies for name in each.repartition_sinks}
    if not open_ones <= sinks:
        raise _MismatchError(
            "Failed to compute number of partitions for all repartition topics, because a repartition source topic is "
            "never used as a sink topic."
        )
    while open_ones:
        found = {name: most for name in open_ones if (most := _upstream(topology, name, decided, repartition, count))}
        if not found:
            raise _MismatchError(
                "Failed to compute number of partitions for all repartition topics. There may be loops in the topology "
                "that cannot be resolved."
            )
        decided |= found
        open_ones -= found.keys()
    fixed = {name for name, topic in repartition.items() if topic.partitions}
    for each in topology.subtopologies:
        for group in each.copartition_groups:
            _copartition(each, group, fixed, decided, count)
    for each in topology.subtopologies:
        most = max((decided.get(name) or count(name) for name in each.sources), default=0)
        for topic in each.changelogs:
            decided[topic.name] = most
    return decided


def _upstream(
    topology: Topology,
    name: str,
    decided: Mapping[str, int],
    repartition: Mapping[str, InternalTopic],
    count: Callable[[str], int],
) -> int:
    """Return the most partitions of what flows into a repartition topic; 0 where not all of it is known yet."""
    most = 0
    for each in topology.subtopologies:
        if name not in each.repartition_sinks:
            continue
        for source in each.sources:
            partitions = decided.get(source, 0) if source in repartition else count(source)
            if not partitions:
                return 0
            most = max(most, partitions)
    return most


def _copartition(
    subtopology: Subtopology,
    group: CopartitionGroup,
    fixed: set[str],
    decided: dict[str, int],
    count: Callable[[str], int],
) -> None:
    """Let the topics of a group have equally many partitions, as far as the coordinator decides them."""
    external = [subtopology.source_topics[position] for position in group.source_topics]
    internal = [subtopology.repartition_sources[position].name for position in group.repartition_source_topics]
    given = {name: count(name) for name in external} | {name: decided[name] for name in internal if name in fixed}
    wanted = next(iter(given.values())) if given else max((decided[name] for name in internal), default=0)
    if len(set(given.values())) > 1:
        listed = ", ".join(f"{name}={given[name]}" for name in sorted(given))
        raise _MismatchError(f"Following topics do not have the same number of partitions: [{{{listed}}}]")
    for name in internal:
        decided[name] = wanted
