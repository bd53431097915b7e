"""Requests that store nothing: who am I, may I, evict this pod, bind it, give me a token.

There is one user, who may do everything; every review says so.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from kopfka_local.api import selectors
from kopfka_local.api.errors import ApiError, bad_request
from kopfka_local.api.objects import Deletion
from kopfka_local.api.resources import Gvr

if TYPE_CHECKING:
    from kopfka_local.api.objects import Objects
    from kopfka_local.api.requests import Target
    from kopfka_local.api.resources import Resource

    Object = dict[str, Any]

USER = "kopfka"
GROUPS = ("system:masters", "system:authenticated")
_TOKEN_SECONDS = 3600


def answer(resource: Resource, review: Any) -> Object:
    """Answer a review."""
    if not isinstance(review, dict):
        raise bad_request(f"{resource.kind} must be an object")
    status: Object
    if resource.kind == "SelfSubjectReview":
        status = {"userInfo": {"username": USER, "groups": list(GROUPS)}}
    elif resource.kind == "SelfSubjectRulesReview":
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        status = {
            "resourceRules": [everything],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }
    else:
        status = {"allowed": True}
    head = {"kind": resource.kind, "apiVersion": resource.gvr.api_version, "metadata": {}}
    return head | {"spec": review.get("spec") or {}, "status": status}


def act(objects: Objects, target: Target, live: Object, obj: Any, token: str) -> Object:
    """Do what a POST to a subresource of a live object asks for.

    Raises:
        ApiError: 404; 429, a disruption budget forbids the eviction.
    """
    if not isinstance(obj, dict):
        raise bad_request("the body must be an object")
    if target.subresource == "token":
        seconds = (obj.get("spec") or {}).get("expirationSeconds") or _TOKEN_SECONDS
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return obj | {"status": {"token": token, "expirationTimestamp": until}}
    if target.subresource == "binding":
        node = (obj.get("target") or {}).get("name", "")

        def bound(pod: Object) -> Object:
            pod["spec"]["nodeName"] = node
            return pod

        objects.update(target.gvr, target.namespace, target.name, bound, subresource="binding")
        return _success(201)
    return _evict(objects, target, live, obj)


def _evict(objects: Objects, target: Target, live: Object, eviction: Object) -> Object:
    labels = live["metadata"].get("labels") or {}
    budgets = objects.storage.items("poddisruptionbudgets.policy", target.namespace)
    for budget in (orjson.loads(body) for _, body in budgets):
        selector = budget.get("spec", {}).get("selector")
        if selector is None or not selectors.from_object(selector).matches(labels):
            continue
        if budget.get("status", {}).get("disruptionsAllowed", 0) < 1:
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            cause = {
                "reason": "DisruptionBudget",
                "message": f"The disruption budget {budget['metadata']['name']} needs more healthy pods",
            }
            raise ApiError(429, "TooManyRequests", message, {"causes": [cause]})
    options = eviction.get("deleteOptions") or {}
    grace = options.get("gracePeriodSeconds")
    objects.delete(Gvr("", "v1", "pods"), target.namespace, target.name, Deletion(grace_seconds=grace))
    return _success(201)


def _success(code: int) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
