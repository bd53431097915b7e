"""Which topics are mirrored, and what has to be done on the target for them. The thinking is in `plan`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_mirror.topic_making import TOPIC_FACTOR, factor_for
from kopfka_wire.client.admin import Admin
from kopfka_wire.client.errors import ClientError
from kopfka_wire.error_codes import TopicExistsError, UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_mirror.settings import FlowSettings
    from kopfka_wire.client.admin import ConfigValue
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.metadata import TopicState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One topic that is mirrored."""

    topic: str
    remote: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is mirrored, and what the target lacks for it."""

    mirrored: tuple[Mirrored, ...]
    create: tuple[Mirrored, ...]
    grow: tuple[Mirrored, ...]


def takes(flow: FlowSettings, topic: str) -> bool:
    """Tell whether a topic of the source is mirrored: by the filters, and never what came from the target."""
    policy = flow.policy
    wanted = flow.topics.takes(topic) or (flow.replicate_heartbeats and policy.is_heartbeats(topic))
    if not wanted or policy.is_internal(topic):
        return False
    if policy.identity and not policy.is_heartbeats(topic):
        return True  # names cannot tell where it is from; cycles of flows are refused by the settings
    return not policy.is_cycle(topic, flow.target)


def plan(flow: FlowSettings, source: Mapping[str, int], target: Mapping[str, int]) -> Plan:
    """Return what is to be mirrored and done, from the partitions of each topic at the source and on the target."""
    mirrored = tuple(
        Mirrored(topic, flow.policy.remote(flow.source, topic), count)
        for topic, count in sorted(source.items())
        if count and takes(flow, topic)
    )
    return Plan(
        mirrored,
        create=tuple(each for each in mirrored if each.remote not in target),
        grow=tuple(each for each in mirrored if 0 < target.get(each.remote, 0) < each.partitions),
    )


def config_changes(
    flow: FlowSettings, source: Mapping[str, ConfigValue], target: Mapping[str, ConfigValue]
) -> dict[str, str | None]:
    """Return what to change in a remote topic's configs: None takes a value back to the target's own default.

    What was not set on the source's topic is left to the target's defaults, or copied where `use.defaults.from=source`.
    """
    changes: dict[str, str | None] = {}
    for name, there in source.items():
        if there.read_only or there.sensitive or not flow.excluded_configs.takes(name):
            continue
        here = target.get(name)
        if there.is_default and not flow.source_defaults:
            if here is not None and not here.is_default:
                changes[name] = None
        elif here is None or here.value != there.value or here.is_default:
            changes[name] = there.value
    return changes


class Topics:
    """The topics of one flow: looks at both sides, and puts the target in order."""

    def __init__(self, flow: FlowSettings, source: Cluster, target: Cluster) -> None:
        self._flow = flow
        self._source = source
        self._target = target
        self._admin = Admin(target)
        self.failures: dict[str, str] = {}
        """Why a topic is not mirrored as it should be, by its name at the source."""

    async def refresh(self) -> tuple[dict[str, Mirrored], dict[str, TopicState]]:
        """Create and grow what the target lacks; return what can be mirrored, with the partitions that can, and what
        the source says of its topics.

        Raises:
            ClientError: one of the clusters cannot be asked.
        """
        source = await self._source.topics()
        there = {name: len(state.partitions) for name, state in (await self._target.topics()).items()}
        wanted = plan(self._flow, {name: len(state.partitions) for name, state in source.items()}, there)
        failures: dict[str, str] = {}
        for each in wanted.create:
            try:
                await self._create(each)
                there[each.remote] = each.partitions
            except ClientError as error:
                failures[each.topic] = f"topic {each.remote} cannot be created: {error}"
        for each in wanted.grow:
            try:
                await self._admin.create_partitions(each.remote, each.partitions)
                log.info("%s: %s has %d partitions now", self._flow.name, each.remote, each.partitions)
                there[each.remote] = each.partitions
            except ClientError as error:
                failures[each.topic] = (
                    f"topic {each.remote} has {there[each.remote]} partitions, {each.topic} has {each.partitions}, and "
                    f"the rest is not mirrored: {error}"
                )
        for topic, why in failures.items():
            if self.failures.get(topic) != why:
                log.error("%s: %s", self._flow.name, why)
        self.failures = failures
        mirrored = {
            each.topic: Mirrored(each.topic, each.remote, min(each.partitions, there[each.remote]))
            for each in wanted.mirrored
            if each.remote in there
        }
        return mirrored, source

    async def sync_configs(self, mirrored: Mapping[str, Mirrored]) -> None:
        """Have the configs of remote topics follow those of the source."""
        for each in mirrored.values():
            if self._flow.policy.is_heartbeats(each.topic):
                continue
            try:
                source = await Admin(self._source).topic_configs(each.topic)
                changes = config_changes(self._flow, source, await self._admin.topic_configs(each.remote))
                if changes:
                    await self._admin.alter_topic_configs(each.remote, changes)
                    log.info("%s: configs of %s changed: %s", self._flow.name, each.remote, ", ".join(sorted(changes)))
            except UnknownTopicError:
                continue  # the next refresh knows
            except ClientError as error:
                log.error("%s: the configs of %s do not follow: %s", self._flow.name, each.remote, error)

    async def _create(self, each: Mirrored) -> None:
        source = await Admin(self._source).topic_configs(each.topic)
        changes = config_changes(self._flow, source, {})
        configs = {name: value for name, value in changes.items() if value is not None}
        factor = await factor_for(self._target, self._flow.replication_factors.get(""), TOPIC_FACTOR)
        try:
            await self._admin.create_topic(each.remote, each.partitions, factor, configs)
            log.info("%s: created %s with %d partitions", self._flow.name, each.remote, each.partitions)
        except TopicExistsError:
            log.debug("%s exists meanwhile", each.remote)
