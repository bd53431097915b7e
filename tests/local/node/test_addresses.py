from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from kopfka_local.node.addresses import Addresses, Unavailable, try_bind

if TYPE_CHECKING:
    from pathlib import Path

Taken = set[tuple[str, int]]


def addresses(path: Path, taken: Taken | None = None, *, only: str = "") -> Addresses:
    def bind(address: str, port: int) -> int:
        if only and address != only:
            return errno.EADDRNOTAVAIL
        return errno.EADDRINUSE if (address, port) in (taken or set()) else 0

    return Addresses(path / "addresses.json", bind)


async def nobody(_pod: str) -> bool:
    return False


async def everybody(_pod: str) -> bool:
    return True


async def test_the_first_address_on_which_all_ports_are_free(tmp_path: Path) -> None:
    book = addresses(tmp_path, {("127.0.0.2", 9404)})
    assert await book.take("n/a-0", {9092, 9404}, nobody) == "127.0.0.1"
    assert await book.take("n/b-0", {9092, 9404}, nobody) == "127.0.0.3"  # 2 has a foreign process on one of them
    assert await book.take("n/c-0", {9092}, nobody) == "127.0.0.2"
    assert await book.take("n/d-0", {8080}, nobody) == "127.0.0.1"
    assert await book.take("n/e-0", set(), nobody) == "127.0.0.1"


async def test_a_pod_keeps_its_address_over_restarts(tmp_path: Path) -> None:
    book = addresses(tmp_path)
    await book.take("n/a-0", {9092}, nobody)
    assert await book.take("n/b-0", {9092}, nobody) == "127.0.0.2"
    assert await book.take("n/b-0", {9092}, nobody) == "127.0.0.2"  # asked twice
    later = addresses(tmp_path)
    assert await later.take("n/b-0", {9092}, everybody) == "127.0.0.2"
    assert await later.take("n/a-0", {9092}, everybody) == "127.0.0.1"


async def test_an_address_is_kept_free_for_a_pod_that_comes_again(tmp_path: Path) -> None:
    book = addresses(tmp_path)
    await book.take("n/a-0", {9092}, nobody)
    book.release("n/a-0")
    assert await book.take("n/b-0", {9092}, everybody) == "127.0.0.2"
    assert await book.take("n/a-0", {9092}, everybody) == "127.0.0.1"


async def test_the_address_of_a_pod_that_never_comes_again_is_free(tmp_path: Path) -> None:
    book = addresses(tmp_path)
    await book.take("n/a-0", {9092}, nobody)
    book.release("n/a-0")
    assert await book.take("n/b-0", {9092}, nobody) == "127.0.0.1"


async def test_a_kept_address_taken_by_a_foreign_process_is_left(tmp_path: Path) -> None:
    await addresses(tmp_path).take("n/a-0", {9092}, nobody)
    assert await addresses(tmp_path, {("127.0.0.1", 9092)}).take("n/a-0", {9092}, nobody) == "127.0.0.2"


async def test_one_address_only(tmp_path: Path) -> None:
    book = addresses(tmp_path, only="127.0.0.1")
    assert await book.take("n/a-0", {9092}, nobody) == "127.0.0.1"
    refused = await book.take("n/b-0", {9092}, nobody)
    assert refused == Unavailable(9092, "pod n/a-0", True)
    assert str(refused) == (
        "port 9092 of 127.0.0.1 is taken by pod n/a-0, and this machine has no other loopback address: "
        "sudo ifconfig lo0 alias 127.0.0.2"
    )
    book.release("n/a-0")
    assert await book.take("n/b-0", {9092}, nobody) == "127.0.0.1"


async def test_a_foreign_process_is_named_as_such(tmp_path: Path) -> None:
    refused = await addresses(tmp_path, {("127.0.0.1", 9092)}, only="127.0.0.1").take("n/a-0", {9092}, nobody)
    assert refused == Unavailable(9092, "another process", True)


def test_bind_finds_a_real_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert try_bind("127.0.0.1", port) == errno.EADDRINUSE
    assert try_bind("127.0.0.1", port) == 0
    assert try_bind("192.0.2.1", 0) == errno.EADDRNOTAVAIL
