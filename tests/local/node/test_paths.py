from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.node.paths import MountPaths

FOLDERS = {"/data": "/s/1", "/data/deep": "/s/2", "/etc/kopfka/": "/s/3", "/tmp": "/s/tmp"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/s/1"),
        ("/data/log", "/s/1/log"),
        ("/data/deep/x", "/s/2/x"),  # the longest wins
        ("/data/deeper", "/s/1/deeper"),  # ends at a component
        ("/database", "/database"),
        ("/data-1 /data.bak /data_x", "/data-1 /data.bak /data_x"),
        ("/var/data", "/var/data"),
        ("x/data", "x/data"),
        ("--data=/data", "--data=/s/1"),
        ("file:///etc/kopfka/a.properties", "file:///s/3/a.properties"),
        ("/data:/tmp:/opt", "/s/1:/s/tmp:/opt"),
        ("open('/data/x')", "open('/s/1/x')"),
        ("/etc/kopfka", "/s/3"),
        ("", ""),
    ],
)
def test_whole_components_are_replaced(text: str, expected: str) -> None:
    assert MountPaths(FOLDERS).replace(text) == expected


def test_a_folder_below_a_mount_path_is_not_replaced_again() -> None:
    paths = MountPaths({"/tmp": "/tmp/state/pods/1/volumes/tmp", "/data": "/tmp/state/volumes/data"})
    assert paths.replace("/data/x /tmp/y") == "/tmp/state/volumes/data/x /tmp/state/pods/1/volumes/tmp/y"


def test_the_root_is_never_replaced() -> None:
    assert MountPaths({"/": "/s"}).replace("/usr/bin / x") == "/usr/bin / x"


@given(st.text())
def test_texts_without_mount_paths_stay(text: str) -> None:
    assert MountPaths({}).replace(text) == text
    if "/data" not in text:
        assert MountPaths({"/data": "/x"}).replace(text) == text
