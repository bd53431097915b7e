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
from typing import TYPE_CHECKING, Any, cast

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
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, KAFKA_TOPICS
from kopfka_operator.leader import LeaderElector
from kopfka_operator.metrics import OperatorMetrics
from kopfka_operator.mirror import Mirror, cluster_of
from kopfka_operator.queue import WorkQueue
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
"""Kind whose reconciler is meant, namespace, name of the KafkaCluster."""


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
        self._clusters = ClusterReconciler(context, self._brokers, self._ask_topics)
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
        parts = [self._queue.run(_WORKERS), self._events.run(), self._resync()]
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
        if type_ is KAFKA_CLUSTERS:
            self._queue.add(("KafkaCluster", namespace, name))
        elif type_ is KAFKA_TOPICS:
            state = (metadata.get("generation"), is_leaving(body), is_paused(body), has_finalizer(body), gone)
            if self._handled.get(metadata["uid"]) == state:
                return  # a status was written: nothing that a topic would have to follow
            self._handled[metadata["uid"]] = state
            if gone:
                self._handled.pop(metadata["uid"])
            # another KafkaTopic may have been waiting for this one's topic
            self._ask_topics(namespace, (body.get("spec") or {}).get("cluster", ""), None if gone else name)
        elif cluster_of(body):
            self._queue.add(("KafkaCluster", namespace, cluster_of(body)))

    def _ask_topics(self, namespace: str, cluster: str, topic: str | None = None) -> None:
        self._topics.ask(namespace, cluster, topic)
        self._queue.add(("KafkaTopic", namespace, cluster))

    async def _work(self, key: Key) -> float | None:
        kind, namespace, name = key
        reconciler = self._clusters if kind == "KafkaCluster" else self._topics
        started, outcome = time.monotonic(), "error"
        try:
            delay = await reconciler.reconcile(namespace, name)
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
            for body in self.mirror.all(KAFKA_CLUSTERS):
                self._queue.add(("KafkaCluster", body["metadata"]["namespace"], body["metadata"]["name"]))
            topics = self.mirror.all(KAFKA_TOPICS)
            for namespace, cluster in {(body["metadata"]["namespace"], body["spec"]["cluster"]) for body in topics}:
                self._ask_topics(namespace, cluster)

    async def _api_ready(self) -> None:
        """Return once the API answers and has the custom resources."""
        said = ""
        while True:
            try:
                found = await self._client.read(f"/apis/{KAFKA_CLUSTERS.api_version}")
                have = {resource["name"] for resource in found.get("resources", [])}
                missing = sorted({KAFKA_CLUSTERS.plural, KAFKA_TOPICS.plural} - have)
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
