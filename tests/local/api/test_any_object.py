"""Objects and patches of any shape: each is accepted or refused, none is a defect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.api import patching
from kopfka_local.api.cluster import Cluster
from kopfka_local.api.errors import ApiError
from kopfka_local.api.objects import Options
from kopfka_local.api.resources import Gvr
from local.api import dialogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPLOYMENTS, THINGS = Gvr("apps", "v1", "deployments"), Gvr("dialogue.kopfka.io", "v1", "things")
OTHERS = [
    Gvr("apps", "v1", "statefulsets"),
    Gvr("batch", "v1", "jobs"),
    Gvr("", "v1", "pods"),
    Gvr("", "v1", "services"),
    Gvr("", "v1", "persistentvolumeclaims"),
    Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    THINGS,
    DEPLOYMENTS,
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("state"))
    cluster.objects.create(Gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions"), None, dialogue.DEFINITION)
    cluster.objects.create(DEPLOYMENTS, "default", dialogue.DEPLOYMENT)
    cluster.objects.create(THINGS, "default", dialogue.thing("d1", size=1, items=[{"name": "a"}]))
    yield cluster
    cluster.close()


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([
                "spec", "metadata", "template", "containers", "selector", "matchLabels", "ports", "replicas", "name",
                "labels", "env", "volumes", "strategy", "resources", "requests", "storage", "items", "size",
                "versions", "names",
                "schema", "ownerReferences", "managedFields", "finalizers", "$patch",
            ]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)  # fmt: skip


def outcome(attempt: Callable[[], object]) -> ApiError | None:
    """Return how it was refused; anything but a refusal is a defect, and raised."""
    try:
        attempt()
    except ApiError as error:
        return error
    return None


@given(obj=_json, gvr=st.sampled_from(OTHERS))
def test_create(shared: Cluster, obj: Any, gvr: Gvr) -> None:
    if isinstance(obj, dict) and not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {"name": "x"}
    refused = outcome(lambda: shared.objects.create(gvr, "default", obj, Options(dry_run=True)))
    assert refused is None or refused.status in (400, 404, 409, 422), refused


@given(
    patch=_json,
    kind=st.sampled_from(["merge", "strategic", "apply", "json"]),
    gvr=st.sampled_from([DEPLOYMENTS, THINGS]),
)
def test_patch(shared: Cluster, patch: Any, kind: str, gvr: Gvr) -> None:
    if kind == "apply" and isinstance(patch, dict):
        patch |= {"apiVersion": gvr.api_version, "kind": "Deployment" if gvr == DEPLOYMENTS else "Thing"}
    for subresource in ("", "status"):
        options = Options(dry_run=True)
        refused = outcome(
            lambda options=options, subresource=subresource: patching.patch(
                shared.objects, gvr, "default", "d1", kind, patch, options, subresource
            )
        )
        assert refused is None or refused.status in (400, 404, 409, 415, 422), refused
