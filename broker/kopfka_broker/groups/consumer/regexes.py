"""Subscriptions by regular expression: RE2 matches them against the names of all topics, not within a heartbeat.

A member's heartbeat only says which expression it has. Matching follows when the heartbeat's changes are stored; what
comes out is stored with the group, and a later heartbeat assigns by it. It is repeated when topics come, and now and
then, as authorization may have changed. RE2 takes time linear in its input, whatever a client writes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.groups.consumer.changes import EpochChanged, RegexRemoved, RegexResolved
from kopfka_broker.groups.consumer.group import ConsumerGroup, ResolvedRegex
from kopfka_broker.groups.errors import GroupError
from kopfka_broker.groups.modern.groups import Work
from kopfka_broker.groups.modern.topics import metadata_hash
from kopfka_broker.security.authorizer import Operation, ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.consumer.changes import Change
    from kopfka_broker.groups.consumer.members import Member
    from kopfka_broker.groups.modern.groups import ModernGroups
    from kopfka_broker.groups.modern.settings import ConsumerGroupSettings
    from kopfka_broker.groups.ports import Clock, Cluster

_LEAST_PAUSE_MS = 10_000
"""No config in Kafka either: between two rounds of matching of one group."""

_AS_IN_JAVA = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid named capture group": "invalid named capture",
    "bad repetition operator": "invalid nested repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}
"""What RE2 for Java says, where RE2 says it in other words."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RegexUpdate:
    """What a heartbeat means for the group's expressions."""

    changed: bool = False
    """The member has another expression than before."""
    resolved: bool = False
    """And what it matches is known (as nothing, where it has none any more): there is something new to assign."""


class Regexes:
    """Looks after the regular expressions of all groups."""

    def __init__(self, groups: ModernGroups, cluster: Cluster, settings: ConsumerGroupSettings, clock: Clock) -> None:
        self.topics_version = 0
        """Grows with every topic that is created."""
        self._groups = groups
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    def changed(self, group: ConsumerGroup, old: Member, new: Member, changes: list[Change]) -> RegexUpdate:
        """Say what it means that a member subscribes to another expression than before.

        Raises:
            GroupError: INVALID_REGULAR_EXPRESSION.
        """
        if old.regex == new.regex:
            return RegexUpdate()
        if old.regex and group.subscribers(old.regex) == 1:
            changes.append(RegexRemoved(old.regex))
        if new.regex and not group.subscribers(new.regex):
            compiled(new.regex)
            return RegexUpdate(changed=True)
        return RegexUpdate(changed=True, resolved=not new.regex or new.regex in group.regexes)

    def refresh(self, group: ConsumerGroup, context: RequestContext) -> None:
        """Match the group's expressions again where that is due, by the rights of who sent `context`."""
        subscribed = {member.regex for member in group.members.values()} - {""}
        if not subscribed or group.group_id in self._running:
            return
        now = self._clock.wall_ms()
        last = max((resolved.timestamp for resolved in group.regexes.values()), default=0)
        version = max((resolved.version for resolved in group.regexes.values()), default=0)
        new = len(subscribed) != len(group.regexes)
        if not new and now <= last + _LEAST_PAUSE_MS:
            return
        if new or version < self.topics_version or now > last + self._settings.regex_refresh_interval_ms:
            task = asyncio.get_running_loop().create_task(self._resolve(group, subscribed, context))
            self._running[group.group_id] = task
            task.add_done_callback(lambda _: self._running.pop(group.group_id, None))

    async def _resolve(self, group: ConsumerGroup, regexes: Iterable[str], context: RequestContext) -> None:
        version, now = self.topics_version, self._clock.wall_ms()
        found = {regex: ResolvedRegex(self._matching(regex, context), version, now) for regex in regexes}
        if self._groups.groups.get(group.group_id) is not group:
            return
        work = Work(group)
        names = set().union(*(member.topics for member in group.members.values()))
        different = False
        for regex, resolved in found.items():
            if not group.subscribers(regex):
                continue
            known = group.regexes.get(regex, ResolvedRegex(frozenset()))
            different = different or known.topics != resolved.topics
            names |= resolved.topics
            work.changes.append(RegexResolved(regex, resolved))
        hashed = metadata_hash(names, self._cluster)
        if different or hashed != group.metadata_hash:
            work.changes.append(EpochChanged(group.epoch + 1, hashed))
        self._groups.write_later(work, "regular expressions were matched")

    def _matching(self, regex: str, context: RequestContext) -> frozenset[str]:
        pattern = compiled(regex)
        return frozenset(
            name
            for name in self._cluster.topic_names()
            if pattern.fullmatch(name) and self._cluster.allows(context, Operation.DESCRIBE, ResourceType.TOPIC, name)
        )


def compiled(regex: str) -> Any:
    """Return an expression ready to match names.

    Raises:
        GroupError: INVALID_REGULAR_EXPRESSION.
    """
    import re2  # type: ignore[import-untyped] # noqa: PLC0415 - nobody else needs it

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options=options)
    except re2.error as error:
        said = error.args[0].decode().partition(":")[0] if error.args else ""
        why = _AS_IN_JAVA.get(said, said)
        message = f"SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}."
        raise GroupError(ErrorCode.invalid_regular_expression, message) from error
