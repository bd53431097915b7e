"""Observe, plan, act and report for `KafkaTopic`, for all topics of a cluster at once.

A cluster's topics are looked at together, so that looking for drift costs one Metadata and one DescribeConfigs a
cluster, however many topics there are.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import (
    AddPartitions,
    AlterConfig,
    CreateTopic,
    DeleteTopic,
    HoldDeletion,
    ReleaseDeletion,
)
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.context import has_finalizer, is_leaving, is_paused, paused_status
from kopfka_operator.errors import BrokerRefusedError, BrokerUnreachableError, OperatorError, RetryLater
from kopfka_operator.kafkatopic.plan import Observed, Topic, drift, plan
from kopfka_operator.kafkatopic.report import report, waiting
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, KAFKA_TOPICS, Ref, ref_of
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import Problem, condition, is_true

if TYPE_CHECKING:
    from kopfka_operator.actions import Action
    from kopfka_operator.context import Context
    from kopfka_operator.kafka.admin import Admin, TopicState
    from kopfka_operator.kafka.brokers import Brokers
    from kopfka_operator.kube.resources import Manifest

log = logging.getLogger(__name__)

_AT_ONCE = 8
_AS_SPECIFIED = frozenset({Reason.READY, Reason.PARTITIONS_CANNOT_SHRINK, Reason.REPLICAS_CANNOT_CHANGE})


@dataclass(frozen=True, slots=True)
class _Item:
    topic: Topic
    body: Manifest


class TopicReconciler:
    """Brings the KafkaTopics of one cluster at a time to what their specs say."""

    def __init__(self, context: Context, brokers: Brokers) -> None:
        self._context = context
        self._brokers = brokers
        self._asked: dict[tuple[str, str], set[str] | None] = {}

    def ask(self, namespace: str, cluster: str, topic: str | None = None) -> None:
        """Note that the next pass over a cluster is to look at a KafkaTopic, or at all of them."""
        asked = self._asked.setdefault((namespace, cluster), set())
        if topic is None:
            self._asked[namespace, cluster] = None
        elif asked is not None:
            asked.add(topic)

    async def reconcile(self, namespace: str, cluster: str) -> float | None:
        """Do what is to be done now for the topics asked for since the last pass; all of them if none was named.

        Raises:
            RetryLater: the brokers did not answer.
        """
        asked = self._asked.pop((namespace, cluster), None)
        try:
            await self._pass(namespace, cluster, asked)
        except BaseException:
            self.ask(namespace, cluster)
            raise
        return None

    async def _pass(self, namespace: str, cluster: str, asked: set[str] | None) -> None:
        items = await self._items(namespace, cluster, asked)
        if not items:
            return
        body = self._context.mirror.get(Ref(KAFKA_CLUSTERS, namespace, cluster))
        if body is None or is_leaving(body):
            gone = f"there is no KafkaCluster {cluster} in namespace {namespace}: create it, or correct spec.cluster"
            await self._without_cluster(items, Reason.CLUSTER_NOT_FOUND, gone, release=True)
            return
        if not is_true(body, ConditionType.READY):
            await self._without_cluster(
                items, Reason.CLUSTER_NOT_READY, f"waiting for KafkaCluster {cluster} to be Ready", release=False
            )
            return
        try:
            admin = await self._brokers.of(namespace, cluster)
            live = await admin.topics(item.topic.name for item in items)
            unfinished = await self._together(items, live, admin)
        except BrokerUnreachableError as error:
            await self._brokers.forget(namespace, cluster)
            await self._without_cluster(items, Reason.BROKER_UNREACHABLE, str(error), release=False)
            raise RetryLater(str(error)) from error
        if unfinished:
            raise RetryLater(f"the brokers of {cluster} do not show all changes yet")

    async def _items(self, namespace: str, cluster: str, asked: set[str] | None) -> list[_Item]:
        from kopfka_operator.api.kafkatopic import KafkaTopicSpec  # noqa: PLC0415 - pydantic, at first need

        items = []
        for body in self._context.mirror.all(KAFKA_TOPICS, namespace):
            ref = ref_of(KAFKA_TOPICS, body)
            if (body.get("spec") or {}).get("cluster") != cluster or (asked is not None and ref.name not in asked):
                continue
            if is_paused(body) and not is_leaving(body):
                await self._context.write_status(ref, body, paused_status())
                continue
            try:
                items.append(_Item(Topic(ref, KafkaTopicSpec.model_validate(body["spec"])), body))
            except ValueError as error:
                await self._context.write_status(ref, body, invalid_spec(error))
                if is_leaving(body) and has_finalizer(body):
                    await self._context.release(ref, body)
        return items

    async def _without_cluster(self, items: list[_Item], reason: Reason, message: str, *, release: bool) -> None:
        for item in items:
            if is_leaving(item.body) and release:
                for action in plan(item.topic, Observed(None, leaving=True, held=has_finalizer(item.body))):
                    await self._do(action, item, None)
            else:
                status = waiting(item.topic, reason, message, item.body.get("status") or {})
                await self._context.write_status(item.topic.ref, item.body, status)

    async def _together(self, items: list[_Item], live: dict[str, TopicState], admin: Admin) -> bool:
        """Plan and act for each, then look once more at those that changed, and report; tell if some are unfinished."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def act(item: _Item) -> tuple[list[Action], list[Problem]]:
            async with gate:
                return await self._act(item, live.get(item.topic.name), admin)

        outcomes = await asyncio.gather(*map(act, items), return_exceptions=True)
        results = []
        for outcome in outcomes:  # each has had its chance before the first failure ends the pass
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
        touched = {item.topic.name for item, (done, _) in zip(items, results, strict=True) if _in_kafka(done)}
        after = {name: state for name, state in live.items() if name not in touched}
        after.update(await admin.topics(touched))
        unfinished = False
        for item, (done, failures) in zip(items, results, strict=True):
            late = await self._report(item, live.get(item.topic.name), after.get(item.topic.name), done, failures)
            unfinished = unfinished or late
        return unfinished

    async def _act(self, item: _Item, live: TopicState | None, admin: Admin) -> tuple[list[Action], list[Problem]]:
        done: list[Action] = []
        failures: list[Problem] = []
        for action in plan(item.topic, self._observed(item, live)):
            if failures and isinstance(action, ReleaseDeletion):
                break  # what was to be cleaned is still there
            try:
                await self._do(action, item, admin)
            except BrokerRefusedError as error:
                failures.append(Problem(Reason.REFUSED_BY_BROKER, f"the broker says {error.code}: {error}"))
            else:
                done.append(action)
        return done, failures

    async def _do(self, action: Action, item: _Item, admin: Admin | None) -> None:
        body = self._context.mirror.get(item.topic.ref) or item.body
        match action:
            case HoldDeletion():
                await self._context.hold(action.ref, body)
            case ReleaseDeletion():
                await self._context.release(action.ref, body)
            case _ if admin is None:
                raise OperatorError(f"{action} needs a broker")
            case CreateTopic():
                await admin.create(action)
            case AlterConfig():
                await admin.alter(action)
            case AddPartitions():
                await admin.add_partitions(action)
            case DeleteTopic():
                await admin.delete(action.topic)
                self._context.events.normal(
                    body, "TopicDeleted", f"the topic {action.topic} is deleted with its records"
                )
            case _:
                raise TypeError(f"no plan of a KafkaTopic has {action}")

    async def _report(
        self,
        item: _Item,
        before: TopicState | None,
        after: TopicState | None,
        done: list[Action],
        failures: list[Problem],
    ) -> bool:
        ref = item.topic.ref
        body = self._context.mirror.get(ref)
        if body is None or (is_leaving(body) and not failures):
            return False
        drifted = self._drift(item, before, done)
        if drifted:
            self._context.events.warning(item.body, Reason.DRIFT_CORRECTED.value, drifted)
        observed = self._observed(_Item(item.topic, body), after)
        unfinished = bool(_in_kafka(plan(item.topic, observed))) and not failures
        known = drifted or _known_drift(body)
        draft = report(item.topic, observed, failures, drifted=known, unfinished=unfinished)
        await self._context.write_status(ref, body, draft)
        return unfinished

    def _drift(self, item: _Item, before: TopicState | None, done: list[Action]) -> str:
        """Say what was changed outside, if the topic had been as this very spec says."""
        status = item.body.get("status") or {}
        if status.get("observedGeneration") != item.body["metadata"].get("generation"):
            return ""
        if condition(item.body, ConditionType.READY).get("reason") not in _AS_SPECIFIED:
            return ""
        said = drift(done, before)
        if not said and before is not None and status.get("topicId") not in (None, before.topic_id):
            said = "the topic was deleted and made again outside Kopfka; its former records are gone"
        return said

    def _observed(self, item: _Item, live: TopicState | None) -> Observed:
        return Observed(live, is_leaving(item.body), has_finalizer(item.body), self._owner(item))

    def _owner(self, item: _Item) -> str | None:
        """Return the name of the other KafkaTopic that has this topic: the older one has it."""
        rivals = [
            body
            for body in self._context.mirror.all(KAFKA_TOPICS, item.topic.ref.namespace)
            if (body.get("spec") or {}).get("cluster") == item.topic.spec.cluster
            and (body["spec"].get("topicName") or body["metadata"]["name"]) == item.topic.name
        ]
        first = min(rivals, key=_age, default=item.body)
        same = first["metadata"]["name"] == item.topic.ref.name
        return None if same else str(first["metadata"]["name"])


def _age(body: Manifest) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp") or "", body["metadata"]["name"]


def _in_kafka(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, HoldDeletion | ReleaseDeletion)]


def _known_drift(body: Manifest) -> str:
    progress = condition(body, ConditionType.PROGRESSING)
    same = progress.get("observedGeneration") == body["metadata"].get("generation")
    if not same or progress.get("reason") != Reason.DRIFT_CORRECTED:
        return ""
    return str(progress.get("message", "")).removeprefix("changed outside and put right: ")
