"""A process finds its own address and others' by two variables where a pod has no network of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopfka_runtime.network import bind_host, is_wildcard, resolve, split_address

if TYPE_CHECKING:
    from pathlib import Path


def test_a_wildcard_means_the_pods_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bind_host("0.0.0.0") == "0.0.0.0"
    monkeypatch.setenv("KOPFKA_POD_IP", "127.0.0.7")
    assert [bind_host(host) for host in ("0.0.0.0", "", "*", "[::]", "::")] == ["127.0.0.7"] * 5
    assert bind_host("127.0.0.1") == "127.0.0.1"
    assert bind_host("[::1]") == "::1"


def test_names_come_from_the_hosts_file_as_it_is_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    monkeypatch.setenv("KOPFKA_HOSTS_FILE", str(hosts))
    assert resolve("a.ns.svc") == "a.ns.svc"
    hosts.write_text("# services\n127.0.0.3 a.ns.svc a  # first\n127.0.0.4 B.ns.svc\n\n")
    assert resolve("a.ns.svc") == "127.0.0.3"
    assert resolve("b.NS.svc") == "127.0.0.4"
    hosts.write_text("127.0.0.9 a.ns.svc\n")
    assert resolve("a.ns.svc") == "127.0.0.9"
    assert resolve("elsewhere") == "elsewhere"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:9092", ("localhost", 9092)),
        (":9092", ("", 9092)),
        ("[::1]:80", ("::1", 80)),
        ("host", ("host", 7)),
        ("[::1]", ("::1", 7)),
    ],
)
def test_addresses_are_split(text: str, address: tuple[str, int]) -> None:
    assert split_address(text, 7) == address


@pytest.mark.parametrize("text", ["host", "host:", "host:abc", "host:65536", "host:-1", "host:٣"])
def test_an_address_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        split_address(text)


def test_wildcards() -> None:
    assert is_wildcard("0.0.0.0")
    assert not is_wildcard("127.0.0.1")
