from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kopfka_local.controllers.jobs import Plan, plan
from local.objects import Object, meta, pod

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def job(**spec: Any) -> Object:
    return {
        "metadata": meta("j"),
        "spec": {"completions": 1, "parallelism": 1, "backoffLimit": 2, "template": {}} | spec,
    }


def ended(name: str, phase: str) -> Object:
    one = pod(name, phase=phase, ready=False)
    one["status"]["containerStatuses"] = [
        {"state": {"terminated": {"finishedAt": "2026-01-02T03:04:05Z"}}, "restartCount": 0}
    ]
    return one


def conditions(step: Plan) -> list[str]:
    return [one["type"] for one in step.status["conditions"]]


def test_pods_are_made_up_to_the_parallelism() -> None:
    assert plan(job(), [], NOW).create == 1
    assert plan(job(), [pod("a")], NOW).create == 0
    assert plan(job(completions=5, parallelism=2), [pod("a")], NOW).create == 1
    assert plan(job(completions=3, parallelism=2), [ended("a", "Succeeded"), ended("b", "Succeeded")], NOW).create == 1


def test_completion() -> None:
    step = plan(job(), [ended("a", "Succeeded")], NOW)
    assert (conditions(step), step.status["succeeded"], step.create) == (["SuccessCriteriaMet", "Complete"], 1, 0)
    assert step.status["completionTime"] == "2026-01-02T03:04:05Z"


def test_failures_back_off_and_end_at_the_limit() -> None:
    once = plan(job(), [ended("a", "Failed")], NOW + timedelta(seconds=4))
    assert (once.create, once.again_in) == (0, 6.0)
    assert plan(job(), [ended("a", "Failed")], NOW + timedelta(seconds=10)).create == 1
    twice = plan(job(), [ended("a", "Failed"), ended("b", "Failed")], NOW)
    assert (twice.create, twice.again_in) == (0, 20.0)
    last = plan(job(), [ended(name, "Failed") for name in "abc"], NOW)
    assert conditions(last) == ["FailureTarget", "Failed"]
    assert last.status["conditions"][1]["reason"] == "BackoffLimitExceeded"


def test_restarts_in_place_count_as_failures() -> None:
    running = pod("a")
    running["status"]["containerStatuses"] = [{"restartCount": 3}]
    step = plan(job(), [running], NOW)
    assert (conditions(step), step.delete) == (["FailureTarget", "Failed"], [running])


def test_deadline() -> None:
    begun = plan(job(activeDeadlineSeconds=60), [], NOW)
    assert begun.again_in == 60
    a_job = job(activeDeadlineSeconds=60) | {"status": begun.status}
    late = plan(a_job, [pod("a")], NOW + timedelta(seconds=60))
    assert late.status["conditions"][1]["reason"] == "DeadlineExceeded"
    assert len(late.delete) == 1


def test_suspension() -> None:
    step = plan(job(suspend=True), [pod("a")], NOW)
    assert (conditions(step), len(step.delete), step.create, step.status["active"]) == (["Suspended"], 1, 0, 0)
    resumed = plan(job() | {"status": step.status}, [], NOW)
    assert (conditions(resumed), resumed.create) == ([], 1)


def test_time_to_live() -> None:
    a_job = job(ttlSecondsAfterFinished=10)
    a_job["status"] = plan(a_job, [ended("a", "Succeeded")], NOW).status
    early = plan(a_job, [], NOW + timedelta(seconds=4))
    assert (early.expired, early.status) == (False, a_job["status"])
    assert plan(a_job, [], NOW + timedelta(seconds=10)).expired


def test_what_is_not_built_fails_with_a_sentence() -> None:
    step = plan(job(completionMode="Indexed"), [], NOW)
    assert step.status["conditions"][1]["reason"] == "NotSupported"
    assert "Indexed" in step.status["conditions"][1]["message"]
