"""The running operator: connection, leadership, watches, reconcilers, health; started so, stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol, cast

from kopfka_operator.api.names import CLUSTER_LABEL, REGISTRY_LABEL
from kopfka_operator.children.pods import Installation
from kopfka_operator.context import Context, has_finalizer, is_leaving, is_paused
from kopfka_operator.errors import ApiError, ApiUnreachableError, OperatorError, RetryLater
from kopfka_operator.events import EventPoster
from kopfka_operator.guard import LONGEST_GRACE, SHORTEST_GRACE, WatchGuard
from kopfka_operator.kafka.brokers import Brokers
from kopfka_operator.kafkacluster.reconciler import ClusterReconciler
from kopfka_operator.kafkatopic.reconciler import TopicReconciler
from kopfka_operator.kube.client import KubeClient, new_session
from kopfka_operator.kube.connection import find_connection
from kopfka_operator.kube.follow import ConfigMapFollower
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, KAFKA_TOPICS, KINDS, SCHEMA_REGISTRIES, SCHEMA_SUBJECTS
from kopfka_operator.leader import LeaderElector
from kopfka_operator.metrics import OperatorMetrics
from kopfka_operator.mirror import Mirror, label_of
from kopfka_operator.queue import WorkQueue
from kopfka_operator.registry.registries import Registries
from kopfka_operator.schemaregistry.reconciler import RegistryReconciler
from kopfka_operator.schemasubject.reconciler import SubjectReconciler
from kopfka_runtime.health import Health, serve_health

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from kopfka_operator.kube.connection import Connection
    from kopfka_operator.kube.resources import Manifest, ResourceType

log = logging.getLogger(__name__)

IMAGE_VARIABLE = "KOPFKA_IMAGE"
PULL_POLICY_VARIABLE = "KOPFKA_IMAGE_PULL_POLICY"
CHOWN_VARIABLE = "KOPFKA_CHOWN_VOLUMES"
DEFAULT_IMAGE = "kopfka:latest"
_WORKERS = 8
_RETRY_SECONDS = 1.0
_RECHECK_SECONDS = 5.0
_STOP_SECONDS = 5.0

Key = tuple[str, str, str]
"""Kind whose reconciler is meant, namespace, name of the resource with pods: topics are looked at by their cluster."""

_OWNERS = ((CLUSTER_LABEL, KAFKA_CLUSTERS), (REGISTRY_LABEL, SCHEMA_REGISTRIES))
"""Whose an object is, by its label."""


class _Reconciler(Protocol):
    async def reconcile(self, namespace: str, name: str) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    namespaces: Sequence[str] = ()
    health: tuple[str, int] | None = None
    leader_election: bool = True
    resync_seconds: float = 30.0


class Operator:
    """All parts of one operator process."""

    def __init__(self, options: Options, connection: Connection, client: KubeClient, health: Health) -> None:
        from kopfka_operator.watches import WATCHED  # noqa: PLC0415

        self._options = options
        self._connection = connection
        self._client = client
        self._health = health
        self._identity = _identity()
        self.mirror = Mirror()
        self._events = EventPoster(client, self._identity)
        context = Context(client, self.mirror, self._events, _installation())
        self._brokers = Brokers(self.mirror)
        self._topics = TopicReconciler(context, self._brokers)
        self._clusters = ClusterReconciler(context, self._brokers, self._cluster_changed)
        self._registries = Registries(self.mirror, client)
        self._follower = ConfigMapFollower(client, self._config_map_changed)
        self._subjects = SubjectReconciler(context, self._registries, self._follower.follow)
        self._registry = RegistryReconciler(context, self._registries, self._brokers, self._ask_subjects)
        self._reconcilers: dict[str, _Reconciler] = {
            KAFKA_CLUSTERS.kind: self._clusters,
            KAFKA_TOPICS.kind: self._topics,
            SCHEMA_REGISTRIES.kind: self._registry,
            SCHEMA_SUBJECTS.kind: self._subjects,
        }
        self._elector = LeaderElector(client, self._lease_namespace(), self._identity)
        self._metrics = OperatorMetrics(self.mirror, self._acts)
        self._queue: WorkQueue[Key] = WorkQueue(self._work, clock=time.monotonic)
        grace = min(LONGEST_GRACE, max(SHORTEST_GRACE, options.resync_seconds / 2))
        self._guard = WatchGuard(client, self.mirror, WATCHED, options.namespaces, grace=grace)
        self._api_found = False
        self._handled: dict[str, tuple[object, ...]] = {}
        health.add_collector(self._metrics)
        health.add_liveness("watches", self._guard.wrong)
        # a candidate that waits for the lease is ready: a rollout would else wait for it for ever
        health.add_readiness(
            "api", lambda: None if self._api_found else "the Kubernetes API does not have what it takes"
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Operate until `stop` is set.

        Raises:
            LeadershipLostError: another operator may act; nothing is done here any more.
        """
        if not await _until(stop, self._api_ready()):
            return
        elector = self._elector
        if self._options.leader_election and not await _until(stop, elector.acquire()):
            return
        parts = [self._queue.run(_WORKERS), self._events.run(), self._follower.run(), self._resync()]
        if self._options.leader_election:
            parts.append(elector.hold())
        stop_kopf = asyncio.Event()
        tasks = [asyncio.create_task(part) for part in parts]
        watching = asyncio.create_task(self._watch(stop, stop_kopf))
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, watching, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # acting ends first: from here on another operator may lead
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            await elector.release()
            await self._registries.close()
            stop_kopf.set()
            await asyncio.wait([watching], timeout=_STOP_SECONDS)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        for task in done - {stopped}:
            await task
        if stopped not in done:
            raise OperatorError("the watches have ended; the log says why")

    def _acts(self) -> bool:
        return self._elector.leads or not self._options.leader_election

    async def _watch(self, stop: asyncio.Event, stop_kopf: asyncio.Event) -> None:
        import kopf  # noqa: PLC0415 - after the API has been asked what it has: the slowest import there is

        from kopfka_operator.watches import new_registry, new_settings  # noqa: PLC0415

        if not log.isEnabledFor(logging.DEBUG):
            logging.getLogger("kopf").setLevel(logging.WARNING)  # it tells of each event it has handled
        existing = asyncio.all_tasks()
        namespaces = list(self._options.namespaces)
        tasks = await kopf.spawn_tasks(
            registry=new_registry(self.mirror, self._connection, self._concern),
            settings=new_settings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop_kopf,
            # kopf would ask for the user's name, which a container need not have
            identity=cast("Any", self._identity),
        )
        # kopf has taken the signals; stopping is decided here
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await kopf.run_tasks(tasks, ignored=existing)

    def _concern(self, type_: ResourceType, body: Manifest, gone: bool) -> None:
        """Ask for what a change may be of concern to."""
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        if type_ in (KAFKA_CLUSTERS, SCHEMA_REGISTRIES):
            self._queue.add((type_.kind, namespace, name))
        elif type_ in (KAFKA_TOPICS, SCHEMA_SUBJECTS):
            state = (metadata.get("generation"), is_leaving(body), is_paused(body), has_finalizer(body), gone)
            if self._handled.get(metadata["uid"]) == state:
                return  # a status was written: nothing that a topic or a subject would have to follow
            self._handled[metadata["uid"]] = state
            if gone:
                self._handled.pop(metadata["uid"])
            # another resource may have been waiting for this one's topic or subject
            one = None if gone else name
            spec = body.get("spec") or {}
            if type_ is KAFKA_TOPICS:
                self._ask_topics(namespace, spec.get("cluster", ""), one)
            else:
                self._ask_subjects(namespace, spec.get("registry", ""), one)
        else:
            for label, owner in _OWNERS:
                if label_of(body, label):
                    self._queue.add((owner.kind, namespace, label_of(body, label)))

    def _ask_topics(self, namespace: str, cluster: str, topic: str | None = None) -> None:
        self._topics.ask(namespace, cluster, topic)
        self._queue.add((KAFKA_TOPICS.kind, namespace, cluster))

    def _ask_subjects(self, namespace: str, registry: str, subject: str | None = None) -> None:
        self._subjects.ask(namespace, registry, subject)
        self._queue.add((SCHEMA_SUBJECTS.kind, namespace, registry))

    def _cluster_changed(self, namespace: str, cluster: str) -> None:
        self._ask_topics(namespace, cluster)
        for body in self.mirror.all(SCHEMA_REGISTRIES, namespace):
            if (body.get("spec") or {}).get("cluster") == cluster:
                self._queue.add((SCHEMA_REGISTRIES.kind, namespace, body["metadata"]["name"]))

    def _config_map_changed(self, namespace: str, name: str) -> None:
        for registry, subject in self._subjects.users_of(namespace, name):
            self._ask_subjects(namespace, registry, subject)

    async def _work(self, key: Key) -> float | None:
        kind, namespace, name = key
        started, outcome = time.monotonic(), "error"
        try:
            delay = await self._reconcilers[kind].reconcile(namespace, name)
            outcome = "done" if delay is None else "retry"
        except RetryLater:
            outcome = "retry"
            raise
        finally:
            self._metrics.reconciled(kind, outcome, time.monotonic() - started)
        return delay

    async def _resync(self) -> None:
        """Look at everything again now and then: for drift in Kafka, and for watches that have died."""
        while True:
            pause = self._options.resync_seconds
            await asyncio.sleep(min(_RECHECK_SECONDS, pause) if self._guard.behind else pause)
            await self._guard.check()
            for type_ in (KAFKA_CLUSTERS, SCHEMA_REGISTRIES):
                for body in self.mirror.all(type_):
                    self._queue.add((type_.kind, body["metadata"]["namespace"], body["metadata"]["name"]))
            for namespace, cluster in self._parents(KAFKA_TOPICS, "cluster"):
                self._ask_topics(namespace, cluster)
            for namespace, registry in self._parents(SCHEMA_SUBJECTS, "registry"):
                self._subjects.ask_in_turns(namespace, registry)
                self._queue.add((SCHEMA_SUBJECTS.kind, namespace, registry))

    def _parents(self, type_: ResourceType, field: str) -> set[tuple[str, str]]:
        """Return namespace and name of what the resources of a type belong to."""
        return {(body["metadata"]["namespace"], body["spec"][field]) for body in self.mirror.all(type_)}

    async def _api_ready(self) -> None:
        """Return once the API answers and has the custom resources."""
        said = ""
        while True:
            try:
                found = await self._client.read(f"/apis/{KAFKA_CLUSTERS.api_version}")
                have = {resource["name"] for resource in found.get("resources", [])}
                missing = sorted({kind.plural for kind in KINDS} - have)
                problem = f"the API server has no {', '.join(missing)}" if missing else ""
            except ApiUnreachableError as error:
                problem = str(error)
            except ApiError as error:
                problem = f"the API server has no {KAFKA_CLUSTERS.api_version}" if error.status == 404 else str(error)
            if not problem:
                self._api_found = True
                return
            if problem != said:
                log.warning("%s; waiting (are the CRDs applied? kubectl apply --server-side -f crds/)", problem)
                said = problem
            await asyncio.sleep(_RETRY_SECONDS)

    def _lease_namespace(self) -> str:
        return os.environ.get("POD_NAMESPACE") or self._connection.namespace


async def operate(options: Options, stop: asyncio.Event) -> None:
    """Run an operator until `stop` is set."""
    connection = find_connection()
    health = Health()
    server = await serve_health(health, *options.health) if options.health is not None else None
    session = new_session(connection)
    try:
        await Operator(options, connection, KubeClient(connection, session), health).run(stop)
    finally:
        await session.close()
        if server is not None:
            server.close()


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Await `work`, or cancel it when `stop` is set; tell whether it was done."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
    if task.cancelled() or not task.done():
        await asyncio.gather(task, return_exceptions=True)
        return False
    task.result()
    return True


def _installation() -> Installation:
    return Installation(
        image=os.environ.get(IMAGE_VARIABLE) or DEFAULT_IMAGE,
        version=version("kopfka"),
        pull_policy=os.environ.get(PULL_POLICY_VARIABLE) or None,
        chown_volumes=os.environ.get(CHOWN_VARIABLE) == "true",
    )


def _identity() -> str:
    """Return who this candidate is: a pod's name outlives its container, which then leads on at once."""
    pod = os.environ.get("POD_NAME", "")
    return pod or f"{socket.gethostname()}_{uuid.uuid4()}"
