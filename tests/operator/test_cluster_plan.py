"""The plan of a `KafkaCluster`: exact steps for known situations, and an end to them for every valid spec."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_specs import valid_clusters

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.kafkacluster import KafkaClusterSpec
from kopfka_operator.api.reasons import Reason
from kopfka_operator.children import pods
from kopfka_operator.children.external import ExternalAddress
from kopfka_operator.children.plan import Observed
from kopfka_operator.children.pods import Installation
from kopfka_operator.kafkacluster import render
from kopfka_operator.kafkacluster.plan import made, plan, problems, waited_for
from kopfka_operator.kafkacluster.render import Cluster
from kopfka_operator.kafkacluster.report import Facts, report
from kopfka_operator.quantities import parse_quantity
from kopfka_runtime.settings import parse_properties

if TYPE_CHECKING:
    from kopfka_operator.kube.resources import Ref

FACTS = Facts("1.2.3", None)


def cluster(uid: str = "u1", **spec: Any) -> Cluster:
    return Cluster("ns", "events", uid, KafkaClusterSpec.model_validate(spec), Installation("kopfka:test", "1.2.3"))


class World:
    """What Kubernetes does with actions, as far as a plan can see: applies merge, sets make claims and pods."""

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self._uids = 0

    @property
    def observed(self) -> Observed:
        return Observed(copy.deepcopy(self.objects))

    def carry_out(self, actions: list[Action], of: Cluster) -> None:
        for action in actions:
            if isinstance(action, Apply):
                self._apply(action.ref, action.manifest)
            elif isinstance(action, Delete):
                assert self.objects[action.ref]["metadata"]["uid"] == action.uid
                del self.objects[action.ref]
                if action.ref == of.stateful_set and not action.orphan:
                    self.objects.pop(of.pod, None)
            else:
                raise AssertionError(action)
        self._controllers(of)

    def settle(self, of: Cluster, rounds: int = 8) -> list[list[Action]]:
        """Plan and act until a plan is empty; return the plans."""
        plans = []
        for _ in range(rounds):
            actions = plan(of, self.observed)
            if not actions:
                return plans
            plans.append(actions)
            self.carry_out(actions, of)
        raise AssertionError(f"no end after {rounds} rounds; the last plan is {plans[-1]}")

    def _apply(self, ref: Ref, manifest: dict[str, Any]) -> None:
        live = self.objects.get(ref)
        if "uid" in manifest["metadata"]:
            assert live is not None
            assert live["metadata"]["uid"] == manifest["metadata"]["uid"]
        if live is None:
            self._uids += 1
            live = {"metadata": {"uid": f"object-{self._uids}", "resourceVersion": "1"}}
        merged = copy.deepcopy(manifest)
        merged["metadata"]["uid"] = live["metadata"]["uid"]
        if "uid" in manifest["metadata"]:  # of claims only a part is applied
            merged["spec"] = {**live["spec"], **manifest["spec"]}
        self.objects[ref] = merged
        for port in merged.get("spec", {}).get("ports", []) if ref.type.kind == "Service" else []:
            if merged["spec"].get("type") == "NodePort":
                port.setdefault("nodePort", 31000)

    def _controllers(self, of: Cluster) -> None:
        live = self.objects.get(of.stateful_set)
        if live is None:
            return
        template = live["spec"]["volumeClaimTemplates"][0]
        if of.claim not in self.objects:
            self._uids += 1
            spec = {"storageClassName": "standard", **template["spec"]}
            self.objects[of.claim] = {"metadata": {"uid": f"object-{self._uids}"}, "spec": copy.deepcopy(spec)}
        self.objects[of.pod] = {
            "metadata": {"uid": "pod", **copy.deepcopy(live["spec"]["template"]["metadata"])},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }


def test_from_nothing_everything_is_applied_and_the_set_last() -> None:
    wanted = cluster()
    assert plan(wanted, Observed({})) == [
        Apply(wanted.account, pods.account(wanted, wanted.account)),
        Apply(wanted.brokers, render.brokers_service(wanted)),
        Apply(wanted.bootstrap, render.bootstrap_service(wanted)),
        Apply(wanted.budget, pods.budget(wanted, wanted.budget)),
        Apply(wanted.config_map, render.config_map(wanted, None)),
        Apply(wanted.stateful_set, render.stateful_set(wanted, None, storage="10Gi", storage_class=None)),
    ]


def test_a_node_port_is_chosen_before_the_broker_is_told() -> None:
    wanted = cluster(listeners={"external": {"type": "NodePort", "advertisedHost": "node"}})
    listener = wanted.spec.listeners.external if wanted.spec.listeners else None
    assert listener is not None
    world = World()
    first, second = world.settle(wanted)
    assert [action.ref for action in first if isinstance(action, Apply)] == [
        wanted.external,
        wanted.account,
        wanted.brokers,
        wanted.bootstrap,
        wanted.budget,
    ]
    address = ExternalAddress("node", 31000)
    assert second == [
        Apply(wanted.config_map, render.config_map(wanted, address)),
        Apply(wanted.stateful_set, render.stateful_set(wanted, address, storage="10Gi", storage_class=None)),
    ]


def test_a_load_balancer_that_is_slow_keeps_nobody_inside_waiting() -> None:
    wanted = cluster(listeners={"external": {"type": "LoadBalancer"}})
    world = World()
    world.settle(wanted)
    assert wanted.stateful_set in world.objects
    assert report(wanted, world.observed, [], FACTS).conditions[1].reason is Reason.ADDRESS_PENDING
    world.objects[wanted.external]["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    (only,) = world.settle(wanted)
    address = ExternalAddress("203.0.113.9", 9094)
    assert only == [
        Apply(wanted.config_map, render.config_map(wanted, address)),
        Apply(wanted.stateful_set, render.stateful_set(wanted, address, storage="10Gi", storage_class=None)),
    ]


def test_growing_grows_the_claim_and_makes_the_set_anew_around_its_pod() -> None:
    world = World()
    world.settle(cluster(storage={"size": "1Gi"}))
    wanted = cluster(storage={"size": "3Gi"})
    claim, live = world.objects[wanted.claim], world.objects[wanted.stateful_set]
    assert world.settle(wanted) == [
        [Apply(wanted.claim, render.claim_changes(wanted, claim, "3Gi", owned=False))],
        [Delete(wanted.stateful_set, live["metadata"]["uid"], orphan=True)],
        [Apply(wanted.stateful_set, render.stateful_set(wanted, None, storage="3Gi", storage_class=None))],
    ]


def test_shrinking_is_a_problem_and_no_action() -> None:
    world = World()
    world.settle(cluster(storage={"size": "3Gi"}))
    wanted = cluster(storage={"size": "1Gi"})
    assert plan(wanted, world.observed) == []
    (problem,) = problems(wanted, world.observed)
    assert problem.reason is Reason.STORAGE_CANNOT_SHRINK
    assert "write storage.size: 3Gi or more" in problem.message


def test_another_storage_class_is_a_problem_and_no_action() -> None:
    world = World()
    world.settle(cluster())
    wanted = cluster(storage={"storageClassName": "fast"})
    assert plan(wanted, world.observed) == []
    assert [problem.reason for problem in problems(wanted, world.observed)] == [Reason.STORAGE_CLASS_IMMUTABLE]


def test_a_changed_setting_changes_config_and_set_only() -> None:
    world = World()
    world.settle(cluster())
    wanted = cluster(config={"num.partitions": 9})
    assert plan(wanted, world.observed) == [
        Apply(wanted.config_map, render.config_map(wanted, None)),
        Apply(wanted.stateful_set, render.stateful_set(wanted, None, storage="10Gi", storage_class=None)),
    ]


def test_a_listener_no_longer_wanted_takes_its_service_with_it() -> None:
    world = World()
    before = cluster(listeners={"external": {"type": "NodePort", "advertisedHost": "node"}})
    world.settle(before)
    uid = world.objects[before.external]["metadata"]["uid"]
    assert plan(cluster(), world.observed)[0] == Delete(before.external, uid)


def test_objects_of_a_former_cluster_are_waited_for() -> None:
    world = World()
    world.settle(cluster(uid="former"))
    again = cluster(uid="again")
    assert plan(again, world.observed) == []
    assert set(waited_for(again, world.observed)) == {ref for ref in made(again) if ref in world.objects}
    for ref in list(world.objects):
        if ref != again.claim:  # the garbage collector takes the rest
            del world.objects[ref]
    assert world.settle(again)


def test_objects_orphaned_on_purpose_are_adopted() -> None:
    world = World()
    world.settle(cluster(uid="former"))
    for body in world.objects.values():
        body["metadata"].pop("ownerReferences", None)
    again = cluster(uid="again")
    assert problems(again, world.observed) == []
    assert {action.ref for action in plan(again, world.observed) if isinstance(action, Apply)} >= {again.stateful_set}
    world.settle(again)


def test_somebody_elses_object_is_a_problem_and_left_alone() -> None:
    wanted = cluster()
    world = World()
    world.objects[wanted.account] = {"metadata": {"uid": "theirs"}}
    assert wanted.account not in {action.ref for action in plan(wanted, world.observed) if isinstance(action, Apply)}
    assert [problem.reason for problem in problems(wanted, world.observed)] == [Reason.NAME_TAKEN]


def test_an_object_being_deleted_is_not_touched() -> None:
    wanted = cluster()
    world = World()
    world.settle(wanted)
    world.objects[wanted.stateful_set]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.objects[wanted.config_map]["data"] = {}
    assert [action.ref for action in plan(wanted, world.observed) if isinstance(action, Apply)] == [wanted.config_map]


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body["spec"].update(replicas=0),
        lambda body: body["spec"]["template"]["spec"]["containers"][0].update(image="other"),
        lambda body: body["metadata"]["labels"].clear(),
        lambda body: body["metadata"].pop("annotations"),
    ],
)
def test_damage_is_repaired(damage: Any) -> None:
    wanted = cluster()
    world = World()
    world.settle(wanted)
    damage(world.objects[wanted.stateful_set])
    (only,) = world.settle(wanted)
    assert [action.ref for action in only if isinstance(action, Apply)] == [wanted.stateful_set]


def test_what_others_add_is_no_reason_to_write() -> None:
    wanted = cluster()
    world = World()
    world.settle(wanted)
    service = world.objects[wanted.bootstrap]
    service["metadata"]["annotations"]["mesh"] = "on"
    service["spec"]["clusterIP"] = "10.0.0.1"
    container = world.objects[wanted.stateful_set]["spec"]["template"]["spec"]["containers"]
    container[0]["env"] = [{"name": "INJECTED", "value": "1"}]
    container.append({"name": "sidecar", "image": "mesh"})
    assert plan(wanted, world.observed) == []


@settings(max_examples=60, deadline=None)
@given(spec=valid_clusters)
def test_every_valid_spec_comes_to_an_end(spec: dict[str, Any]) -> None:
    world = World()
    wanted = cluster(**spec)
    world.settle(wanted)
    assert plan(wanted, world.observed) == []
    status = report(wanted, world.observed, [], FACTS)
    waits = spec.get("listeners", {}).get("external", {}).get("type") == "LoadBalancer"
    assert status.conditions[0].status or waits


@settings(max_examples=60, deadline=None)
@given(specs=st.lists(valid_clusters, min_size=2, max_size=4))
def test_every_change_comes_to_an_end_and_storage_never_shrinks(specs: list[dict[str, Any]]) -> None:
    world = World()
    largest = parse_quantity(0)
    for spec in specs:
        wanted = cluster(**spec)
        world.settle(wanted)
        size = parse_quantity(world.objects[wanted.claim]["spec"]["resources"]["requests"]["storage"])
        largest = max(largest, parse_quantity(wanted.spec.storage.size))
        assert size == largest
        assert (wanted.external in world.objects) == bool(spec.get("listeners", {}).get("external"))


@settings(max_examples=60, deadline=None)
@given(spec=valid_clusters)
def test_settings_reach_the_broker_as_they_are(spec: dict[str, Any]) -> None:
    wanted = cluster(**spec)
    properties = parse_properties(render.config_map(wanted, None)["data"]["server.properties"])
    assert {name: properties[name] for name in wanted.spec.config or {}} == (wanted.spec.config or {})
    assert properties["advertised.listeners"] == "PLAIN://events-broker-0.events-brokers.ns.svc:9092"


def test_the_pod_is_as_locked_down_as_the_restricted_profile_asks() -> None:
    template = render.pod_template(cluster(), None)
    pod, container = template["spec"], template["spec"]["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


def test_volumes_are_handed_over_by_root_only_where_the_installation_says_so() -> None:
    assert "initContainers" not in render.pod_template(cluster(), None)["spec"]
    spec = cluster().spec
    careful = Cluster("ns", "events", "u1", spec, Installation("kopfka:test", "1", "Never", chown_volumes=True))
    (init,) = render.pod_template(careful, None)["spec"]["initContainers"]
    assert init["command"] == ["chown", "1000:1000", render.DATA]
    assert init["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}


def test_mount_paths_stand_in_the_command_line_only() -> None:
    wanted = cluster(config={"num.partitions": 1})
    text = render.config_map(wanted, None)["data"]["server.properties"]
    assert render.DATA not in text
    assert pods.CONFIG not in text
