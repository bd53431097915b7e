"""A topology as an application tells it: subtopologies, what they read, and the internal topics they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.coordinators.binary import Reader, Writer


@dataclass(frozen=True, slots=True)
class InternalTopic:
    """A repartition or changelog topic; 0 partitions or replicas stand for what the coordinator decides."""

    name: str
    partitions: int
    replication_factor: int
    configs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CopartitionGroup:
    """Topics of a subtopology that must have equally many partitions, by their positions in its lists."""

    source_topics: tuple[int, ...]
    source_topic_regex: tuple[int, ...]
    repartition_source_topics: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Subtopology:
    """A part of the topology that is one task for each partition of what it reads."""

    subtopology_id: str
    source_topics: tuple[str, ...]
    source_topic_regex: tuple[str, ...]
    changelogs: tuple[InternalTopic, ...]
    repartition_sinks: tuple[str, ...]
    repartition_sources: tuple[InternalTopic, ...]
    copartition_groups: tuple[CopartitionGroup, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every topic it reads, internal ones included."""
        return (*self.source_topics, *(topic.name for topic in self.repartition_sources))


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole of it, in one version of the application."""

    epoch: int
    subtopologies: tuple[Subtopology, ...]

    @property
    def source_topics(self) -> set[str]:
        """Every topic it reads, internal ones included."""
        return {name for each in self.subtopologies for name in each.sources}

    @property
    def required_topics(self) -> set[str]:
        """Every topic that must exist before there is anything to do."""
        return self.source_topics | {topic.name for each in self.subtopologies for topic in each.changelogs}

    @classmethod
    def of_request(cls, topology: Any) -> Topology:
        """Read a topology of a StreamsGroupHeartbeat."""
        return cls(
            topology.epoch,
            tuple(
                Subtopology(
                    each.subtopology_id,
                    tuple(each.source_topics),
                    tuple(each.source_topic_regex),
                    _topics(each.state_changelog_topics),
                    tuple(each.repartition_sink_topics),
                    _topics(each.repartition_source_topics),
                    tuple(
                        CopartitionGroup(
                            tuple(group.source_topics),
                            tuple(group.source_topic_regex),
                            tuple(group.repartition_source_topics),
                        )
                        for group in each.copartition_groups
                    ),
                )
                for each in topology.subtopologies
            ),
        )


def write_topology(writer: Writer, topology: Topology) -> None:
    """Write the fields of a StreamsGroupTopologyValue."""
    writer.int32(topology.epoch).count(len(topology.subtopologies))
    for each in topology.subtopologies:
        writer.string(each.subtopology_id)
        _write_strings(writer, each.source_topics)
        _write_strings(writer, each.source_topic_regex)
        _write_topics(writer, each.changelogs)
        _write_strings(writer, each.repartition_sinks)
        _write_topics(writer, each.repartition_sources)
        writer.count(len(each.copartition_groups))
        for group in each.copartition_groups:
            for positions in (group.source_topics, group.source_topic_regex, group.repartition_source_topics):
                writer.count(len(positions))
                for position in positions:
                    writer.int16(position)
            writer.tagged_fields()
        writer.tagged_fields()
    writer.tagged_fields()


def read_topology(reader: Reader) -> Topology:
    """Read the fields of a StreamsGroupTopologyValue."""
    epoch = reader.int32()
    return Topology(epoch, tuple([_read_subtopology(reader) for _ in range(reader.count())]))


def _read_subtopology(reader: Reader) -> Subtopology:
    made = Subtopology(
        reader.string(), _read_strings(reader), _read_strings(reader), _read_topics(reader), _read_strings(reader),
        _read_topics(reader), tuple([_read_copartition(reader) for _ in range(reader.count())]),
    )  # fmt: skip
    reader.tagged_fields()
    return made


def _read_copartition(reader: Reader) -> CopartitionGroup:
    sources, regexes, repartition = (tuple([reader.int16() for _ in range(reader.count())]) for _ in range(3))
    reader.tagged_fields()
    return CopartitionGroup(sources, regexes, repartition)


def _topics(topics: Iterable[Any]) -> tuple[InternalTopic, ...]:
    return tuple(
        InternalTopic(
            topic.name,
            topic.partitions,
            topic.replication_factor,
            tuple((config.key, config.value) for config in topic.topic_configs),
        )
        for topic in topics
    )


def _write_strings(writer: Writer, values: tuple[str, ...]) -> None:
    writer.count(len(values))
    for value in values:
        writer.string(value)


def _read_strings(reader: Reader) -> tuple[str, ...]:
    return tuple([reader.string() for _ in range(reader.count())])


def _write_topics(writer: Writer, topics: tuple[InternalTopic, ...]) -> None:
    writer.count(len(topics))
    for topic in topics:
        writer.string(topic.name).int32(topic.partitions).int16(topic.replication_factor).count(len(topic.configs))
        for key, value in topic.configs:
            writer.string(key).string(value).tagged_fields()
        writer.tagged_fields()


def _read_topics(reader: Reader) -> tuple[InternalTopic, ...]:
    topics = []
    for _ in range(reader.count()):
        name, partitions, replicas, configs = reader.string(), reader.int32(), reader.int16(), []
        for _ in range(reader.count()):
            configs.append((reader.string(), reader.string()))
            reader.tagged_fields()
        reader.tagged_fields()
        topics.append(InternalTopic(name, partitions, replicas, tuple(configs)))
    return tuple(topics)
