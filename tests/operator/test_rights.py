"""The operator's requests against the rights it says it needs, and those that the Helm chart gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator import rbac
from kopfka_operator.kube.resources import CHILDREN, EVENTS, LEASES
from kopfka_operator.watches import WATCHED

if TYPE_CHECKING:
    from kopfka_operator.kube.resources import ResourceType


def allowed(type_: ResourceType, verb: str, subresource: str = "") -> bool:
    name = f"{type_.plural}/{subresource}" if subresource else type_.plural
    return any(
        rule.group == type_.group and name in rule.resources and verb in rule.verbs for rule in rbac.WORK + rbac.LEAD
    )


def test_everything_watched_may_be_listed_and_watched() -> None:
    assert all(allowed(type_, verb) for type_ in WATCHED for verb in ("list", "watch"))


def test_everything_made_may_be_looked_for_and_applied() -> None:
    # an apply of what is not there yet is a create
    assert all(allowed(type_, verb) for type_ in CHILDREN for verb in ("get", "patch", "create"))
    assert all(allowed(EVENTS, verb) for verb in ("create", "patch"))
    assert all(allowed(LEASES, verb) for verb in ("get", "create", "update"))


def test_nothing_secret_and_nothing_more() -> None:
    resources = {resource for rule in rbac.WORK + rbac.LEAD for resource in rule.resources}
    (secrets,) = [rule for rule in rbac.WORK + rbac.LEAD if "secrets" in rule.resources]
    assert secrets.verbs == ("get",), "by the name that a resource has written, and never listed"
    assert "*" not in resources
    assert not any("*" in rule.verbs for rule in rbac.WORK + rbac.LEAD)
    deletable = {resource for rule in rbac.WORK for resource in rule.resources if "delete" in rule.verbs}
    assert deletable == {"services", "statefulsets", "deployments"}, "data is nobody's to delete"


def test_a_role_is_written_as_kubernetes_has_it() -> None:
    assert rbac.manifest(rbac.LEAD) == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
