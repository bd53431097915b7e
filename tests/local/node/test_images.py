from __future__ import annotations

import sys

import pytest

from kopfka_local.node.images import KOPFKA, CommandNotFoundError, ImageNotRunnableError, command_line, is_runnable
from kopfka_local.node.paths import MountPaths

NONE = MountPaths({})


@pytest.mark.parametrize(
    "image",
    ["kopfka", "kopfka:1", "ghcr.io/x/kopfka:dev", "host:5000/kopfka", "a/kopfka@sha256:00", "a/kopfka:1@sha256:0"],
)
def test_runnable(image: str) -> None:
    assert is_runnable(image)


@pytest.mark.parametrize("image", ["", "nginx", "kopfka/operator:1", "kopfka-operator", "host:5000/x", "mykopfka:1"])
def test_not_runnable(image: str) -> None:
    assert not is_runnable(image)
    with pytest.raises(ImageNotRunnableError, match="real Kubernetes cluster"):
        command_line({"image": image, "command": ["python3"]}, NONE, {})


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"args": ["broker", "--data", "/d"]}, [*KOPFKA, "broker", "--data", "/v"]),
        ({}, [*KOPFKA]),
        ({"command": ["kopfka"], "args": ["broker"]}, [*KOPFKA, "broker"]),
        ({"command": ["/usr/local/bin/kopfka", "x"]}, [*KOPFKA, "x"]),
        ({"command": ["python3", "-c", "$(A)"]}, [sys.executable, "-c", "1"]),
    ],
)
def test_command_lines(container: dict, expected: list[str]) -> None:  # type: ignore[type-arg]
    assert command_line(container | {"image": "kopfka"}, MountPaths({"/d": "/v"}), {"A": "1"}) == expected


def test_a_command_is_found_on_path_or_named() -> None:
    assert command_line({"image": "kopfka", "command": ["sh", "-c", "true"]}, NONE, {})[0].endswith("/sh")
    with pytest.raises(CommandNotFoundError, match='"no-such-program" is not on the PATH'):
        command_line({"image": "kopfka", "command": ["no-such-program"]}, NONE, {})
