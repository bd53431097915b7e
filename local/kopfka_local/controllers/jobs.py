"""Jobs: pods that run to their end. `plan` is pure.

Completions are counted from the pods that are there: deleting a finished pod of an unfinished job makes it run again.
Indexed completion, pod failure policies and success policies are not built; such a job fails with a sentence that
says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_owner, enqueue_self, owned_by
from kopfka_local.controllers.replicasets import pod_from_template
from kopfka_local.kinds import JOBS, PODS, Key, Object, condition_is_true, condition_of, deleting, name_of, uid_of
from kopfka_local.podstate import is_active, is_ready, phase
from kopfka_local.times import now, parse_time, rfc3339
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_local.watching import Informers

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 600.0


@dataclass(slots=True)
class Plan:
    """How many pods to create, which to delete, the status, when to look again, and whether the job is to go."""

    create: int = 0
    delete: list[Object] = field(default_factory=list)
    status: Object = field(default_factory=dict)
    again_in: float | None = None
    expired: bool = False


def plan(job: Object, pods: Sequence[Object], time: datetime) -> Plan:
    """Return the next step of a job."""
    spec, before = job["spec"], job.get("status") or {}
    if is_finished(job):
        return _after_the_end(job, pods, time)
    active = [pod for pod in pods if is_active(pod)]
    succeeded = sum(1 for pod in pods if phase(pod) == "Succeeded")
    failed = [pod for pod in pods if phase(pod) == "Failed"]
    started = before.get("startTime") or (None if spec.get("suspend") else rfc3339(time))
    step = Plan()
    failure = _failure(job, len(failed) + _restarts(active), started, time)
    completions = spec.get("completions")
    enough = succeeded >= completions if completions is not None else succeeded > 0 and not active
    conditions = [one for one in before.get("conditions") or () if one["type"] != "Suspended"]
    if failure or enough:
        step.delete = active
        ended = rfc3339(time)
        if enough:
            conditions += [
                _condition(
                    "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods", ended
                )
            ]
            conditions += [
                _condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods", ended)
            ]
        else:
            assert failure is not None
            conditions += [_condition("FailureTarget", *failure, ended), _condition("Failed", *failure, ended)]
        active = []
    elif spec.get("suspend"):
        step.delete, active = active, []
        conditions.append(_condition("Suspended", "JobSuspended", "Job suspended", rfc3339(time)))
    else:
        step.create, step.again_in = _to_create(spec, len(active), succeeded, failed, time)
    step.status = {
        "active": len(active) + step.create, "ready": sum(map(is_ready, active)), "succeeded": succeeded,
        "failed": len(failed), "startTime": started, "conditions": conditions,
        "uncountedTerminatedPods": {},
    }  # fmt: skip
    if enough and not failure:
        step.status["completionTime"] = rfc3339(time)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and started and not (failure or enough):
        left = (parse_time(started) + timedelta(seconds=deadline) - time).total_seconds()
        step.again_in = min(left, step.again_in or left)
    return step


def is_finished(job: Object) -> bool:
    """Tell whether a job is complete or failed."""
    return condition_is_true(job, "Complete") or condition_is_true(job, "Failed")


def _after_the_end(job: Object, pods: Sequence[Object], time: datetime) -> Plan:
    step = Plan(delete=[pod for pod in pods if is_active(pod)], status=job.get("status") or {})
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is not None:
        ended = condition_of(job, "Complete") or condition_of(job, "Failed") or {}
        left = (parse_time(ended["lastTransitionTime"]) + timedelta(seconds=ttl) - time).total_seconds()
        step.expired = left <= 0
        step.again_in = max(left, 0.0) + 0.1
    return step


def _failure(job: Object, failures: int, started: str | None, time: datetime) -> tuple[str, str] | None:
    spec = job["spec"]
    if spec.get("completionMode") == "Indexed" or spec.get("podFailurePolicy") or spec.get("successPolicy"):
        return (
            "NotSupported",
            "kopfka up runs jobs without Indexed completion, podFailurePolicy and successPolicy only",
        )
    if failures > spec.get("backoffLimit", 6):
        return ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and started and time >= parse_time(started) + timedelta(seconds=deadline):
        return ("DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _restarts(pods: Sequence[Object]) -> int:
    statuses = [one for pod in pods for one in (pod.get("status") or {}).get("containerStatuses") or ()]
    return sum(int(one.get("restartCount") or 0) for one in statuses)


def _to_create(
    spec: Object, active: int, succeeded: int, failed: list[Object], time: datetime
) -> tuple[int, float | None]:
    parallelism = int(spec.get("parallelism", 1))
    completions = spec.get("completions")
    if completions is None:
        wanted = 0 if succeeded else parallelism - active
    else:
        wanted = min(parallelism, completions - succeeded) - active
    if wanted <= 0 or not failed:
        return max(0, wanted), None
    last = max(_ended_at(pod) for pod in failed)
    if not last:
        return wanted, None
    delay = min(FIRST_BACKOFF * 2.0 ** (len(failed) - 1), LONGEST_BACKOFF)
    left = (parse_time(last) + timedelta(seconds=delay) - time).total_seconds()
    return (wanted, None) if left <= 0 else (0, left)


def _ended_at(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    times = [((one.get("state") or {}).get("terminated") or {}).get("finishedAt") or "" for one in statuses]
    return max(times, default="")


def _condition(kind: str, reason: str, message: str, time: str) -> Object:
    return {
        "type": kind, "status": "True", "reason": reason, "message": message, "lastProbeTime": time,
        "lastTransitionTime": time,
    }  # fmt: skip


class Jobs:
    """Runs every Job."""

    def __init__(self, writer: Writer, informers: Informers) -> None:
        self._writer = writer
        self._jobs, self._pods = informers[JOBS], informers[PODS]
        self.worker = Worker("job", self.reconcile)
        enqueue_self(self._jobs, self.worker)
        enqueue_owner(self._pods, "Job", self.worker)

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step of one job."""
        job = self._jobs.get(*key)
        if job is None or deleting(job):
            return None
        step = plan(job, owned_by(self._pods, job), now())
        if step.expired:
            await self._writer.delete(JOBS, job)
            return None
        labels = {
            "batch.kubernetes.io/controller-uid": uid_of(job), "batch.kubernetes.io/job-name": name_of(job),
            "controller-uid": uid_of(job), "job-name": name_of(job),
        }  # fmt: skip
        for _ in range(step.create):
            await self._writer.create(PODS, pod_from_template(job, "batch/v1", "Job", job["spec"]["template"], labels))
        for pod in step.delete:
            await self._writer.delete(PODS, pod)
        await self._writer.status(JOBS, job, step.status)
        return step.again_in
