"""Listeners: what is bound, what is advertised, what contradicts itself."""

from __future__ import annotations

import pytest

from kopfka_broker.network.listeners import Listener, listeners_from
from kopfka_runtime.errors import SettingsError


def make(listen=None, advertise=None, **settings):
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return listeners_from(named, listen, advertise)


def test_without_anything_kafka_s_port_on_every_address():
    assert make().bound == (Listener("PLAINTEXT", "", 9092),)


def test_the_command_line_alone():
    found = make(Listener("PLAINTEXT", "127.0.0.1", 1234))
    assert found.bound == (Listener("PLAINTEXT", "127.0.0.1", 1234),)
    assert found.endpoint("PLAINTEXT") == Listener("PLAINTEXT", "127.0.0.1", 1234)


def test_several_listeners_each_with_its_own_address():
    found = make(
        listeners="PLAIN://:9092,EXTERNAL://[::1]:9094",
        advertised_listeners="PLAIN://kafka.example:9092, EXTERNAL://localhost:31234",
        listener_security_protocol_map="PLAIN:PLAINTEXT,EXTERNAL:PLAINTEXT",
    )
    assert found.bound == (Listener("PLAIN", "", 9092), Listener("EXTERNAL", "::1", 9094))
    assert [str(each) for each in found.bound] == ["PLAIN://:9092", "EXTERNAL://[::1]:9094"]
    assert found.endpoint("PLAIN") == Listener("PLAIN", "kafka.example", 9092)
    assert found.endpoint("EXTERNAL") == Listener("EXTERNAL", "localhost", 31234)


def test_the_command_line_adds_a_listener_unless_its_port_is_there():
    settings = {"listeners": "PLAIN://:9092,EXTERNAL://:9094"}
    added = make(Listener("PLAINTEXT", "127.0.0.1", 9999), **settings)
    assert [each.port for each in added.bound] == [9092, 9094, 9999]
    same = make(Listener("PLAINTEXT", "", 9094), Listener("PLAINTEXT", "outside", 30000), **settings)
    assert [each.port for each in same.bound] == [9092, 9094]
    assert same.endpoint("EXTERNAL") == Listener("EXTERNAL", "outside", 30000)


def test_names_of_pods_are_told_as_addresses_where_there_is_no_dns(monkeypatch, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.77 c-broker-0.c-brokers.n.svc\n")
    monkeypatch.setenv("KOPFKA_HOSTS_FILE", str(hosts))
    found = make(listeners="A://:1", advertised_listeners="A://c-broker-0.c-brokers.n.svc:9092")
    assert found.endpoint("A").host == "127.0.0.77"
    hosts.write_text("127.0.0.78 c-broker-0.c-brokers.n.svc\n")
    assert found.endpoint("A").host == "127.0.0.78"


def test_a_pod_without_network_namespace_advertises_its_own_address(monkeypatch):
    monkeypatch.setenv("KOPFKA_POD_IP", "127.0.0.9")
    assert make(Listener("PLAINTEXT", "0.0.0.0", 9092)).endpoint("PLAINTEXT").host == "127.0.0.9"


def test_a_free_port_is_advertised_as_the_one_it_became():
    found = make(Listener("PLAINTEXT", "127.0.0.1", 0)).bound_to({"PLAINTEXT": 5555})
    assert found.endpoint("PLAINTEXT").port == 5555


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"listeners": "nonsense"}, "write NAME://HOST:PORT"),
        ({"listeners": "A://:99999"}, "not a port"),
        ({"listeners": "A://:1,A://:2"}, "names A twice"),
        ({"listeners": "A://:1", "listener_security_protocol_map": "A:TLS"}, "SASL_PLAINTEXT, SASL_SSL"),
        ({"listeners": "A://:1", "listener_security_protocol_map": "A"}, "NAME:PROTOCOL"),
        ({"listeners": "A://:1", "advertised_listeners": "B://x:1"}, "not in listeners"),
        ({"listeners": "A://:1", "advertised_listeners": "A://0.0.0.0:1"}, "no address"),
    ],
)
def test_contradictions_are_told(settings, why):
    with pytest.raises(SettingsError, match=why):
        make(**settings)


def test_two_listeners_of_one_name_are_told():
    with pytest.raises(SettingsError, match="leave one of them out"):
        make(Listener("PLAINTEXT", "", 1), listeners="PLAINTEXT://:2")


def test_protocols_come_from_the_map_or_from_names():
    found = listeners_from(
        {
            "listeners": "A://:1,SSL://:2,B://:3,C://:4",
            "listener.security.protocol.map": "A:SASL_SSL,b:sasl_plaintext,C:PLAINTEXT",
            "controller.listener.names": "C",
        },
        None,
        None,
    )
    assert [(each.name, each.protocol) for each in found.bound] == [
        ("A", "SASL_SSL"),
        ("SSL", "SSL"),
        ("B", "SASL_PLAINTEXT"),
    ]
