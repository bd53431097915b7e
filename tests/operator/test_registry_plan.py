"""The plan of a `SchemaRegistry`: what it becomes, what it waits for, what its status says, and an end to it."""

from __future__ import annotations

import base64
import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from operator_specs import bundled_registries

from kopfka_operator.actions import Action, Apply, Delete, SetCompatibility, SetMode
from kopfka_operator.api.reasons import Reason
from kopfka_operator.api.schemaregistry import SchemaRegistrySpec
from kopfka_operator.children import pods
from kopfka_operator.children.plan import Observed
from kopfka_operator.children.pods import SECRETS_HASH, TEMPLATE, Installation
from kopfka_operator.errors import ApiError
from kopfka_operator.kube.resources import PODS, Ref
from kopfka_operator.schemaregistry import render
from kopfka_operator.schemaregistry.around import surroundings
from kopfka_operator.schemaregistry.leader import leading_host, leading_pod
from kopfka_operator.schemaregistry.plan import Defaults, Surroundings, external_url, plan, plan_defaults, problems
from kopfka_operator.schemaregistry.render import Registry
from kopfka_operator.schemaregistry.report import Facts, report
from kopfka_operator.status import Problem
from kopfka_runtime.settings import parse_properties

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOTSTRAP = "events-bootstrap.ns.svc:9092"
AROUND = Surroundings(BOOTSTRAP)
WAITS = Surroundings(None, Problem(Reason.CLUSTER_NOT_FOUND, "there is no KafkaCluster"))


def registry(uid: str = "u1", **spec: Any) -> Registry:
    if not {"cluster", "bootstrapServers", "engine"} & set(spec):
        spec["cluster"] = "events"
    return Registry("ns", "schemas", uid, SchemaRegistrySpec.model_validate(spec), Installation("kopfka:test", "1.2.3"))


def external(**spec: Any) -> Registry:
    return registry(engine="external", url="https://sr.example", **spec)


def secret(**data: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "s"},
        "data": {name.replace("_", "."): base64.b64encode(value.encode()).decode() for name, value in data.items()},
    }


class World:
    """What Kubernetes does with actions, as far as a plan can see: applies replace, a Deployment makes pods."""

    def __init__(self) -> None:
        self.objects: dict[Ref, dict[str, Any]] = {}
        self.ready = True
        self._uids = 0

    @property
    def observed(self) -> Observed:
        return Observed(copy.deepcopy(self.objects))

    def carry_out(self, actions: list[Action], of: Registry) -> None:
        for action in actions:
            if isinstance(action, Apply):
                live = self.objects.get(action.ref)
                self._uids += live is None
                uid = live["metadata"]["uid"] if live is not None else f"object-{self._uids}"
                self.objects[action.ref] = copy.deepcopy(action.manifest)
                self.objects[action.ref]["metadata"]["uid"] = uid
                for port in action.manifest.get("spec", {}).get("ports", []):
                    if action.manifest["spec"].get("type") == "NodePort":
                        self.objects[action.ref]["spec"]["ports"] = [{"nodePort": 31000, **port}]
            else:
                assert isinstance(action, Delete)
                assert self.objects.pop(action.ref)["metadata"]["uid"] == action.uid
        self.run_pods(of)

    def run_pods(self, of: Registry) -> None:
        for ref in [ref for ref in self.objects if ref.type is PODS]:
            del self.objects[ref]
        live = self.objects.get(of.deployment)
        for number in range(live["spec"]["replicas"] if live else 0):
            assert live is not None
            self.objects[Ref(PODS, "ns", f"pod-{number}")] = {
                "metadata": {"uid": f"pod-{number}", **copy.deepcopy(live["spec"]["template"]["metadata"])},
                "status": {"conditions": [{"type": "Ready", "status": str(self.ready)}]},
            }

    def settle(self, of: Registry, around: Surroundings = AROUND, rounds: int = 6) -> list[list[Action]]:
        plans = []
        for _ in range(rounds):
            actions = plan(of, around, self.observed)
            if not actions:
                return plans
            plans.append(actions)
            self.carry_out(actions, of)
        raise AssertionError(f"no end after {rounds} rounds; the last plan is {plans[-1]}")


def conditions(
    of: Registry, around: Surroundings, observed: Observed, *failures: Problem
) -> dict[str, tuple[bool, str]]:
    draft = report(of, around, observed, failures, Facts("1.2.3"))
    return {each.type.value: (each.status, each.reason.value) for each in draft.conditions}


def properties(of: Registry, secrets: Mapping[str, Mapping[str, bytes]] | None = None) -> dict[str, str]:
    return parse_properties(render.config_map(of, BOOTSTRAP, secrets or {})["data"]["registry.properties"])


def container(of: Registry, secrets: Mapping[str, Mapping[str, bytes]] | None = None) -> dict[str, Any]:
    (found,) = render.pod_template(of, BOOTSTRAP, secrets or {})["spec"]["containers"]
    return dict(found)


def variables(of: Registry, secrets: Mapping[str, Mapping[str, bytes]]) -> dict[str, Any]:
    entries = container(of, secrets)["env"]
    return {each["name"]: each.get("value") or each["valueFrom"].get("secretKeyRef") for each in entries}


def test_from_nothing_everything_is_applied_and_the_deployment_last() -> None:
    wanted = registry(replicas=2)
    assert plan(wanted, AROUND, Observed({})) == [
        Apply(wanted.account, pods.account(wanted, wanted.account)),
        Apply(wanted.service, render.service(wanted)),
        Apply(wanted.budget, pods.budget(wanted, wanted.budget)),
        Apply(wanted.config_map, render.config_map(wanted, BOOTSTRAP, {})),
        Apply(wanted.deployment, render.deployment(wanted, BOOTSTRAP, {})),
    ]
    world = World()
    assert len(world.settle(wanted)) == 1
    assert conditions(wanted, AROUND, world.observed) == {
        "Ready": (True, "Ready"),
        "Progressing": (False, "Reconciled"),
        "Degraded": (False, "AsExpected"),
    }


def test_its_objects_do_not_get_into_the_way_of_a_kafka_cluster_of_the_same_name() -> None:
    wanted = registry()
    names = {ref.name for ref in (wanted.config_map, wanted.account, wanted.service, wanted.external, wanted.budget)}
    assert names == {"schemas-registry", "schemas-registry-external"}
    assert "kopfka.io/cluster" not in wanted.labels
    assert wanted.selector == {"app.kubernetes.io/component": "registry", "kopfka.io/registry": "schemas"}


def test_pods_are_made_once_kafka_is_there_and_stay_when_it_goes() -> None:
    wanted = registry()
    world = World()
    world.settle(wanted, WAITS)
    assert wanted.deployment not in world.objects
    assert conditions(wanted, WAITS, world.observed)["Ready"] == (False, "ClusterNotFound")
    not_ready = Surroundings(BOOTSTRAP, Problem(Reason.CLUSTER_NOT_READY, "waiting"))
    assert plan(wanted, not_ready, world.observed) == []
    world.settle(wanted, AROUND)
    assert wanted.deployment in world.objects
    assert plan(wanted, not_ready, world.observed) == []
    assert conditions(wanted, not_ready, world.observed)["Ready"] == (True, "Ready")
    assert conditions(wanted, WAITS, world.observed) == {
        "Ready": (True, "Ready"),
        "Progressing": (False, "Reconciled"),
        "Degraded": (True, "ClusterNotFound"),
    }


def test_kafka_is_found_by_the_cluster_or_by_its_addresses() -> None:
    def around(**status: Any) -> Surroundings:
        return surroundings(registry(), {"metadata": {}, "status": status}, {})

    listeners = [{"name": "plain", "bootstrapServers": "a:1"}, {"name": "external", "bootstrapServers": "b:2"}]
    ready = [{"type": "Ready", "status": "True"}]
    assert around(listeners=listeners, conditions=ready) == Surroundings("a:1")
    waits = around(listeners=listeners).waits
    assert waits is not None
    assert waits.reason is Reason.CLUSTER_NOT_READY
    gone = surroundings(registry(), None, {}).waits
    assert gone is not None
    assert (gone.reason, "create it, or correct spec.cluster" in gone.message) == (Reason.CLUSTER_NOT_FOUND, True)
    assert surroundings(registry(bootstrapServers="k:9092"), None, {}) == Surroundings("k:9092")


def test_settings_are_confluents_and_users_own_come_through() -> None:
    said = properties(registry(config={"schema.compatibility.level": "full", "leader.eligibility": False}))
    assert said == {
        "kafkastore.bootstrap.servers": BOOTSTRAP,
        "kafkastore.topic": "_schemas",
        "schema.registry.group.id": "schema-registry",
        "schema.compatibility.level": "full",
        "leader.eligibility": "false",
    }
    assert container(registry())["args"] == [
        "registry", "--config", "/etc/kopfka/registry.properties",
        "--listen", "0.0.0.0:8081", "--health", "0.0.0.0:9404",
    ]  # fmt: skip


def test_registries_over_one_topic_elect_one_leader_and_others_do_not_take_part() -> None:
    def group(config: dict[str, str]) -> str:
        return properties(registry(config=config))["schema.registry.group.id"]

    assert group({}) == group({"kafkastore.topic": "_schemas"}) == "schema-registry"
    assert group({"kafkastore.topic": "_other"}) == "schema-registry-_other"
    assert group({"schema.registry.group.id": "mine", "kafkastore.topic": "_other"}) == "mine"


def test_nothing_secret_is_in_a_config_map_and_paths_are_variables() -> None:
    wanted = registry(
        bootstrapServers="k:9093",
        kafka={"securityProtocol": "SASL_SSL", "saslMechanism": "SCRAM-SHA-512", "secretName": "kafka"},
        tls={"secretName": "tls", "clientAuthentication": "REQUIRED"},
        authentication={"basic": {"secretName": "users"}, "roles": ["admin", "dev"]},
    )
    secrets = {
        "kafka": {
            "username": b"u",
            "password": b"hunter2",
            "ca.crt": b"CA",
            "tls.crt": b"CERT",
            "tls.key": b"private1",
        },
        "tls": {"tls.crt": b"CERT", "tls.key": b"private1", "ca.crt": b"CA"},
        "users": {"users.properties": b"alice: s3cret,admin"},
    }
    said = properties(wanted, secrets)
    assert said == {
        "authentication.method": "BASIC",
        "authentication.roles": "admin,dev",
        "inter.instance.protocol": "https",
        "kopfka.inter.instance.name": "schemas-registry.ns.svc",
        "kafkastore.bootstrap.servers": BOOTSTRAP,
        "kafkastore.sasl.mechanism": "SCRAM-SHA-512",
        "kafkastore.security.protocol": "SASL_SSL",
        "kafkastore.ssl.keystore.type": "PEM",
        "kafkastore.ssl.truststore.type": "PEM",
        "kafkastore.topic": "_schemas",
        "schema.registry.group.id": "schema-registry",
        "ssl.client.authentication": "REQUIRED",
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
    }
    assert variables(wanted, secrets) == {
        "POD_IP": None,
        "SCHEMA_REGISTRY_KAFKASTORE_SASL_USERNAME": {"name": "kafka", "key": "username"},
        "SCHEMA_REGISTRY_KAFKASTORE_SASL_PASSWORD": {"name": "kafka", "key": "password"},
        "SCHEMA_REGISTRY_KAFKASTORE_SSL_KEYSTORE_CERTIFICATE_CHAIN": {"name": "kafka", "key": "tls.crt"},
        "SCHEMA_REGISTRY_KAFKASTORE_SSL_KEYSTORE_KEY": {"name": "kafka", "key": "tls.key"},
        "SCHEMA_REGISTRY_KAFKASTORE_SSL_TRUSTSTORE_CERTIFICATES": {"name": "kafka", "key": "ca.crt"},
        "SCHEMA_REGISTRY_KOPFKA_AUTHENTICATION_USERS_FILE": "/etc/kopfka-users/users.properties",
        "SCHEMA_REGISTRY_SSL_KEYSTORE_CERTIFICATE_CHAIN": {"name": "tls", "key": "tls.crt"},
        "SCHEMA_REGISTRY_SSL_KEYSTORE_KEY": {"name": "tls", "key": "tls.key"},
        "SCHEMA_REGISTRY_SSL_TRUSTSTORE_CERTIFICATES": {"name": "tls", "key": "ca.crt"},
    }
    template = str(render.pod_template(wanted, BOOTSTRAP, secrets))
    everything = str(said) + template
    assert not [word for word in ("hunter2", "s3cret", "private1") if word in everything]
    assert container(wanted, secrets)["args"][4] == "https://0.0.0.0:8081"
    assert wanted.url == "https://schemas-registry.ns.svc:8081"


def test_a_jaas_line_that_is_ready_made_is_taken_as_it_is() -> None:
    login = {"securityProtocol": "SASL_PLAINTEXT", "saslMechanism": "PLAIN", "secretName": "kafka"}
    wanted = registry(kafka=login)
    assert variables(wanted, {"kafka": {"sasl.jaas.config": b"x"}}) == {
        "POD_IP": None,
        "SCHEMA_REGISTRY_KAFKASTORE_SASL_JAAS_CONFIG": {"name": "kafka", "key": "sasl.jaas.config"},
    }
    ready_made = surroundings(wanted, None, {"kafka": secret(sasl_jaas_config="x")})
    assert ready_made.missing == ()


def test_bearer_tokens_are_checked_by_the_providers_keys() -> None:
    jwt = {"jwksUrl": "https://id/keys", "issuer": "https://id", "audience": "sr", "subjectClaim": "email"}
    said = properties(registry(authentication={"jwt": jwt}))
    assert {name: said[name] for name in said if name.startswith(("auth", "oauth"))} == {
        "authentication.method": "BEARER",
        "oauthbearer.jwks.endpoint.url": "https://id/keys",
        "oauthbearer.expected.issuer": "https://id",
        "oauthbearer.expected.audience": "sr",
        "oauthbearer.sub.claim.name": "email",
    }


def test_a_rotated_secret_and_a_changed_setting_roll_the_pods_one_by_one() -> None:
    login = {"basic": {"secretName": "users"}}
    wanted = registry(authentication=login, replicas=3)

    def around(text: str) -> Surroundings:
        return Surroundings(BOOTSTRAP, secrets={"users": {"users.properties": text.encode()}})

    world = World()
    world.settle(wanted, around("alice: a,admin"))
    rotated = around("alice: b,admin")
    (only,) = world.settle(wanted, rotated)
    assert only == [Apply(wanted.deployment, render.deployment(wanted, BOOTSTRAP, rotated.secrets))]
    annotations = world.objects[wanted.deployment]["spec"]["template"]["metadata"]["annotations"]
    assert SECRETS_HASH in annotations
    strategy = world.objects[wanted.deployment]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    again = registry(authentication=login, replicas=3, config={"leader.eligibility": False})
    assert [action.ref for action in plan(again, rotated, world.observed) if isinstance(action, Apply)] == [
        again.config_map,
        again.deployment,
    ]


def test_while_it_rolls_it_says_how_far_it_is() -> None:
    wanted = registry(replicas=2)
    world = World()
    world.settle(wanted)
    old = world.objects[Ref(PODS, "ns", "pod-0")]
    old["metadata"]["annotations"][TEMPLATE] = "former"
    assert conditions(wanted, AROUND, world.observed)["Ready"] == (False, "RollingOut")
    draft = report(wanted, AROUND, world.observed, [], Facts())
    assert "1 of 2 pods have the new settings" in draft.conditions[0].message
    assert (draft.fields["replicas"], draft.fields["readyReplicas"]) == (2, 2)
    old["metadata"]["deletionTimestamp"] = "now"
    draft = report(wanted, AROUND, world.observed, [], Facts())
    assert (draft.fields["replicas"], draft.fields["readyReplicas"]) == (1, 1)
    assert draft.conditions[0].reason is Reason.STARTING


@pytest.mark.parametrize(
    ("spec", "secrets", "words"),
    [
        (
            {"tls": {"secretName": "s"}},
            {"s": None},
            "there is no Secret s in namespace ns: create it, with tls.crt and",
        ),
        ({"tls": {"secretName": "s"}}, {"s": secret(tls_crt="x")}, "Secret s has no tls.key: write it"),
        ({"authentication": {"basic": {"secretName": "s"}}}, {"s": secret(u="x")}, "Secret s has no users.properties"),
        (
            {"kafka": {"securityProtocol": "SASL_SSL", "saslMechanism": "PLAIN", "secretName": "s"}},
            {"s": secret(username="x")},
            "Secret s has no password: write it",
        ),
        ({"tls": {"secretName": "s"}}, {"s": ApiError(403, "Forbidden", "no")}, "Secret ns/s cannot be read: no"),
    ],
)
def test_a_secret_that_lacks_something_is_waited_for_and_told(
    spec: dict[str, Any], secrets: dict[str, Any], words: str
) -> None:
    wanted = registry(bootstrapServers="k:9092", **spec)
    around = surroundings(wanted, None, secrets)
    world = World()
    world.settle(wanted, around)
    assert wanted.deployment not in world.objects
    (problem,) = problems(wanted, around, world.observed)
    assert words in problem.message
    draft = report(wanted, around, world.observed, [], Facts())
    assert not draft.conditions[0].status
    assert draft.conditions[0].reason is problem.reason


def test_a_secret_that_goes_stops_nothing_that_runs() -> None:
    wanted = registry(tls={"secretName": "s"})
    cluster = {
        "metadata": {},
        "status": {
            "listeners": [{"name": "plain", "bootstrapServers": BOOTSTRAP}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    world = World()
    world.settle(wanted, surroundings(wanted, cluster, {"s": secret(tls_crt="x", tls_key="y")}))
    gone = surroundings(wanted, cluster, {"s": None})
    assert plan(wanted, gone, world.observed) == []
    assert conditions(wanted, gone, world.observed) == {
        "Ready": (True, "Ready"),
        "Progressing": (False, "Reconciled"),
        "Degraded": (True, "SecretNotFound"),
    }


def test_clients_outside_are_told_the_services_address_or_another_url() -> None:
    world = World()
    node_port = registry(external={"type": "NodePort", "advertisedHost": "node"})
    world.settle(node_port)
    assert external_url(node_port, world.observed) == "http://node:31000"
    ingress = {"type": "NodePort", "advertisedHost": "node", "advertisedUrl": "https://schemas.example"}
    assert external_url(registry(external=ingress), world.observed) == "https://schemas.example"
    balanced = registry(external={"type": "LoadBalancer"}, tls={"secretName": "s"})
    around = Surroundings(BOOTSTRAP, secrets={"s": {"tls.crt": b"", "tls.key": b""}})
    world.settle(balanced, around)
    assert external_url(balanced, world.observed) is None
    assert conditions(balanced, around, world.observed)["Progressing"] == (True, "AddressPending")
    world.objects[balanced.external]["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    assert external_url(balanced, world.observed) == "https://lb.example:8081"
    uid = world.objects[balanced.external]["metadata"]["uid"]
    assert plan(registry(tls={"secretName": "s"}), around, world.observed)[0] == Delete(balanced.external, uid)


def test_an_external_registry_deploys_nothing() -> None:
    world = World()
    assert plan(external(), Surroundings(), world.observed) == []
    assert conditions(external(), Surroundings(), world.observed)["Ready"] == (True, "Ready")
    fields = report(external(compatibility="FULL"), Surroundings(), world.observed, [], Facts()).fields
    assert fields == {"url": "https://sr.example", "compatibility": "FULL", "mode": None}


def test_what_served_goes_when_the_engine_becomes_external() -> None:
    world = World()
    before = registry(external={"type": "NodePort", "advertisedHost": "node"})
    world.settle(before)
    after = external()
    served = (before.deployment, before.external, before.service)
    assert plan(after, Surroundings(), world.observed) == [
        Delete(ref, world.objects[ref]["metadata"]["uid"]) for ref in served
    ]
    world.settle(after, Surroundings())
    assert {ref.type.kind for ref in world.objects} == {"ServiceAccount", "PodDisruptionBudget", "ConfigMap"}


@pytest.mark.parametrize("reason", [Reason.REGISTRY_UNREACHABLE, Reason.REFUSED_BY_REGISTRY, Reason.LOGIN_FAILED])
def test_a_registry_that_cannot_be_told_its_defaults_is_not_ready(reason: Reason) -> None:
    world = World()
    wanted = registry(compatibility="FULL")
    world.settle(wanted)
    failure = Problem(reason, "words")
    assert conditions(wanted, AROUND, world.observed, failure)["Ready"] == (False, reason.value)
    assert conditions(external(), Surroundings(), Observed({}), failure)["Ready"] == (False, reason.value)


def test_only_defaults_that_the_spec_names_are_set_and_only_where_they_differ() -> None:
    live = Defaults("BACKWARD", "READWRITE")
    assert plan_defaults(registry(), live) == []
    assert plan_defaults(registry(compatibility="BACKWARD", mode="READWRITE"), live) == []
    assert plan_defaults(external(compatibility="FULL", mode="READONLY"), live) == [
        SetCompatibility(None, "FULL"),
        SetMode(None, "READONLY"),
    ]


def test_objects_of_others_are_left_alone_and_told() -> None:
    wanted = registry()
    world = World()
    world.objects[wanted.service] = {"metadata": {"uid": "theirs"}}
    assert wanted.service not in {action.ref for action in plan(wanted, AROUND, world.observed)}  # type: ignore[union-attr]
    (problem,) = problems(wanted, AROUND, world.observed)
    assert problem.reason is Reason.NAME_TAKEN
    assert "is not this SchemaRegistry's" in problem.message
    world.settle(wanted)
    assert conditions(wanted, AROUND, world.observed)["Ready"] == (False, "NameTaken")


def test_a_failing_pod_is_quoted_while_the_others_serve() -> None:
    wanted = registry(replicas=2)
    world = World()
    world.settle(wanted)
    failing = world.objects[Ref(PODS, "ns", "pod-1")]
    failing["status"] = {
        "containerStatuses": [
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"message": "kopfka: unknown setting schema.compat"}},
            }
        ]
    }
    draft = report(wanted, AROUND, world.observed, [], Facts())
    assert draft.conditions[0].reason is Reason.POD_FAILING
    assert "unknown setting schema.compat" in draft.conditions[2].message
    assert draft.fields["readyReplicas"] == 1


def test_mount_paths_occur_in_arguments_and_variables_only() -> None:
    wanted = registry(authentication={"basic": {"secretName": "users"}})
    secrets = {"users": {"users.properties": b""}}
    text = render.config_map(wanted, BOOTSTRAP, secrets)["data"]["registry.properties"]
    mounts = [mount["mountPath"] for mount in container(wanted, secrets)["volumeMounts"]]
    assert mounts == ["/etc/kopfka", "/etc/kopfka-users"]
    assert not any(mount in text for mount in mounts)


def test_a_pod_has_no_rights_and_changes_nothing_on_its_disk() -> None:
    spec = render.pod_template(registry(), BOOTSTRAP, {})["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@settings(max_examples=60, deadline=None)
@given(spec=bundled_registries)
def test_every_valid_spec_comes_to_rest_and_is_ready(spec: dict[str, Any]) -> None:
    wanted = registry(**spec)
    keys = ("username", "password", "tls.crt", "tls.key", "ca.crt", "users.properties")
    around = Surroundings(BOOTSTRAP, secrets={name: dict.fromkeys(keys, b"x") for name in wanted.mounted_secrets})
    world = World()
    world.settle(wanted, around)
    assert problems(wanted, around, world.observed) == []
    assert conditions(wanted, around, world.observed)["Ready"] == (True, "Ready")


def test_who_leads_is_read_from_what_the_election_told_the_members() -> None:
    said = b'{"version": 1, "error": 0, "master": "m", "master_identity": {"host": "10.0.0.2", "port": 8081}}'
    nobody = b'{"version": 1, "error": 1, "master": null, "master_identity": null}'
    assert leading_host([b"", b"[]", nobody, said]) == "10.0.0.2"
    assert leading_host([nobody, b"\xff"]) is None
    pods = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "status": {"podIP": "10.0.0.2"}}]
    assert leading_pod("10.0.0.2", pods) == "b"
    assert leading_pod("a", pods) == "a"
    assert leading_pod("10.0.0.9", pods) is None
    assert leading_pod(None, pods) is None
