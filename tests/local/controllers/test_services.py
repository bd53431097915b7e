from __future__ import annotations

from typing import Any

import pytest

from kopfka_local.controllers.services import (
    FIRST_NODE_PORT,
    LAST_NODE_PORT,
    allocate,
    endpoints_of,
    render_endpoints,
    render_slices,
)
from kopfka_local.node.hosts import read_hosts, render_hosts, write_hosts
from kopfka_local.node.proxy import Frontend
from kopfka_local.node.routes import frontends
from local.objects import Object, meta, pod

A = {"app": "a"}
PORTS = [{"name": "plain", "port": 9092, "targetPort": "kafka"}, {"name": "health", "port": 9404}]
CONTAINER_PORTS = {"kafka": 9092}


def service(name: str = "s", **spec: Any) -> Object:
    return {"metadata": meta(name), "spec": {"type": "ClusterIP", "selector": A, "ports": PORTS} | spec}


def member(name: str, ip: str, **more: Any) -> Object:
    return pod(name, labels=A, ports=CONTAINER_PORTS, ip=ip, **more)


PODS = [
    member("a-0", "127.0.0.1"),
    member("a-1", "127.0.0.2", ready=False),
    member("a-2", "127.0.0.3", deleting=True),
    member("a-3", "127.0.0.4", phase="Failed"),
    pod("b-0", labels={"app": "b"}),
    member("a-4", ""),
]


def test_endpoints_are_the_pods_that_are_selected_and_have_an_address() -> None:
    found = endpoints_of(service(), PODS)
    assert [(one.address, one.ready, one.serving, one.terminating) for one in found] == [
        ("127.0.0.1", True, True, False), ("127.0.0.2", False, False, False), ("127.0.0.3", False, True, True),
    ]  # fmt: skip
    assert found[0].ports == (("plain", 9092, "TCP", ""), ("health", 9404, "TCP", ""))


def test_pods_that_are_not_ready_are_published_on_request() -> None:
    found = endpoints_of(service(publishNotReadyAddresses=True), PODS)
    assert [one.ready for one in found] == [True, True, True]


def test_slices_and_endpoints() -> None:
    a_service = service(clusterIP="None")
    found = endpoints_of(a_service, [member("a-0", "127.0.0.1", hostname="a-0", subdomain="s"), PODS[1]])
    (one,) = render_slices(a_service, found)
    assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "s"
    assert "service.kubernetes.io/headless" in one["metadata"]["labels"]
    assert one["ports"] == [
        {"name": "plain", "port": 9092, "protocol": "TCP"}, {"name": "health", "port": 9404, "protocol": "TCP"},
    ]  # fmt: skip
    assert [(end["addresses"], end.get("hostname"), end["conditions"]["ready"]) for end in one["endpoints"]] == [
        (["127.0.0.1"], "a-0", True), (["127.0.0.2"], None, False),
    ]  # fmt: skip
    (subset,) = render_endpoints(a_service, found)
    assert [one["ip"] for one in subset["addresses"]] == ["127.0.0.1"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == ["127.0.0.2"]


def test_a_service_without_pods_has_an_empty_slice() -> None:
    (one,) = render_slices(service(), [])
    assert (one["endpoints"], one["ports"]) == ([], [])
    assert render_endpoints(service(), []) == []


def nobody(_address: str, _port: int) -> bool:
    return False


@pytest.mark.parametrize(
    "a_service",
    [
        service(clusterIP="127.96.0.9"),
        service(clusterIP="None"),
        service(type="ExternalName"),
        service(type="NodePort", clusterIP="127.96.0.9", ports=[{"port": 2, "nodePort": 30001}]),
    ],
)
def test_a_service_that_has_all_it_needs_is_left_alone(a_service: Object) -> None:
    assert allocate(a_service, [a_service], nobody) == {}


def test_allocation_avoids_what_others_have() -> None:
    a_service = service(type="NodePort", ports=[{"port": 1}, {"port": 2, "nodePort": 30001}, {"port": 3}])
    first = allocate(a_service, [a_service], nobody)["spec"]
    assert first["clusterIP"].startswith("127.96.")
    assert first["clusterIPs"] == [first["clusterIP"]]
    ports = [port["nodePort"] for port in first["ports"]]
    assert ports[1] == 30001
    assert len(set(ports)) == 3
    assert all(FIRST_NODE_PORT <= port <= LAST_NODE_PORT for port in ports)

    other = service("t", clusterIP=first["clusterIP"], ports=[{"port": 1, "nodePort": ports[0]}])
    second = allocate(a_service, [a_service, other], nobody)["spec"]
    assert second["clusterIP"] != first["clusterIP"]
    assert ports[0] not in [port["nodePort"] for port in second["ports"]]

    taken = {(first["clusterIP"], 2), ("127.0.0.1", ports[2])}
    third = allocate(a_service, [a_service], lambda *where: where in taken)["spec"]
    assert third["clusterIP"] != first["clusterIP"]
    assert ports[2] not in [port["nodePort"] for port in third["ports"]]


def test_frontends() -> None:
    balanced = service(
        type="LoadBalancer", clusterIP="127.96.0.1", ports=[{"name": "plain", "port": 80, "nodePort": 30001}]
    )
    slices = render_slices(
        balanced | {"spec": balanced["spec"] | {"ports": PORTS[:1]}}, endpoints_of(service(ports=PORTS[:1]), PODS)
    )
    found = frontends([balanced, service("headless", clusterIP="None")], slices)
    target = [("127.0.0.1", 9092)]
    assert found == {
        Frontend("127.96.0.1", 80): target, Frontend("127.0.0.1", 30001): target, Frontend("127.0.0.1", 80): target,
    }  # fmt: skip


def names(text: str) -> dict[str, str]:
    return {
        name: line.split()[0] for line in text.splitlines() if not line.startswith("#") for name in line.split()[1:]
    }


def test_hosts_of_services_and_pods() -> None:
    pods = [
        member("a-0", "127.0.0.1", ready=False, hostname="a-0", subdomain="hl"),
        member("a-1", "127.0.0.2", hostname="a-1", subdomain="hl"),
    ]
    services = [
        service("s", clusterIP="127.96.0.1"),
        service("hl", clusterIP="None", publishNotReadyAddresses=True),
        service("moved", clusterIP="127.96.0.2", ports=[{"port": 80, "targetPort": "kafka"}]),
        service("nobody", clusterIP="127.96.0.3", selector={"app": "no"}),
    ]
    found = names(render_hosts(services, pods, {("n", "moved"): "127.96.0.2"}))
    for name in ("s", "s.n", "s.n.svc", "s.n.svc.cluster.local", "hl"):
        assert found[name] == "127.0.0.2"  # the ready one
    assert found["a-0.hl.n.svc"] == found["a-0.hl.n.svc.cluster.local"] == "127.0.0.1"  # published though not ready
    assert found["a-1.hl"] == "127.0.0.2"
    assert found["moved.n.svc"] == "127.96.0.2"  # its ports are not those of its pods: through the proxy
    assert "nobody" not in found


def test_hosts_are_written_when_they_differ(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = render_hosts([service("s", clusterIP="None")], [member("a-0", "127.0.0.7")], {})
    assert write_hosts(tmp_path / "hosts", text)
    assert not write_hosts(tmp_path / "hosts", text)
    assert read_hosts(tmp_path / "hosts")["s.n.svc"] == "127.0.0.7"
