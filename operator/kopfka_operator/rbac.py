"""The rights the operator needs, and no others: what the Helm chart grants, and what a test holds the operator to.

`WORK` is needed wherever resources are served: in every namespace (ClusterRole) or in each served one (Role). `LEAD` is
needed in the operator's own namespace only, with leader election. Nothing cluster-wide is needed beside `WORK`:
discovery is open to every service account (`system:discovery`).
"""

from __future__ import annotations

from dataclasses import dataclass

from kopfka_operator.api.names import GROUP


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a Role."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


_FOLLOW = ("list", "watch")

WORK = (
    Rule(GROUP, ("kafkaclusters", "schemaregistries"), _FOLLOW),
    # patch: the finalizer
    Rule(GROUP, ("kafkatopics", "schemasubjects"), (*_FOLLOW, "patch")),
    Rule(
        GROUP,
        ("kafkaclusters/status", "kafkatopics/status", "schemaregistries/status", "schemasubjects/status"),
        ("patch",),
    ),
    # where OwnerReferencesPermissionEnforcement is on, children could not name their owner without it
    Rule(GROUP, ("kafkaclusters/finalizers", "schemaregistries/finalizers"), ("update",)),
    # those that a resource names, one by one: never listed
    Rule("", ("secrets",), ("get",)),
    # get: a name may be taken by an object that the watches, narrowed to our label, do not show
    Rule("", ("configmaps", "serviceaccounts"), ("get", *_FOLLOW, "create", "patch")),
    Rule("", ("services",), ("get", *_FOLLOW, "create", "patch", "delete")),
    Rule("", ("persistentvolumeclaims",), (*_FOLLOW, "patch")),
    Rule("", ("pods",), _FOLLOW),
    Rule("apps", ("statefulsets", "deployments"), ("get", *_FOLLOW, "create", "patch", "delete")),
    Rule("policy", ("poddisruptionbudgets",), ("get", *_FOLLOW, "create", "patch")),
    Rule("", ("events",), ("create", "patch")),
)

LEAD = (Rule("coordination.k8s.io", ("leases",), ("get", "create", "update")),)


def manifest(rules: tuple[Rule, ...]) -> list[dict[str, list[str]]]:
    """Return rules as a Role has them."""
    return [{"apiGroups": [rule.group], "resources": list(rule.resources), "verbs": list(rule.verbs)} for rule in rules]
