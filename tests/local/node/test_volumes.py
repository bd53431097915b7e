from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kopfka_local.node.environment import Machine, MissingReferenceError, Sources
from kopfka_local.node.volumes import File, payload, write_files

if TYPE_CHECKING:
    from pathlib import Path

POD = {"metadata": {"name": "p", "namespace": "n", "labels": {"a": "1"}}, "spec": {"containers": [{"name": "c"}]}}
CONFIG_MAPS = {"cm": {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\xff").decode()}}}
SECRETS = {"s": {"data": {"p": base64.b64encode(b"geheim").decode()}}}
SOURCES = Sources(CONFIG_MAPS.get, SECRETS.get, Machine(2, 1024), token="t")


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"configMap": {"name": "cm"}}, {"a": File(b"1", 0o644), "b": File(b"2", 0o644), "c": File(b"\xff", 0o644)}),
        (
            {"configMap": {"name": "cm", "items": [{"key": "a", "path": "x/y", "mode": 0o600}]}},
            {"x/y": File(b"1", 0o600)},
        ),
        ({"configMap": {"name": "no", "optional": True}}, {}),
        ({"configMap": {"name": "cm", "optional": True, "items": [{"key": "no", "path": "x"}]}}, {}),
        ({"secret": {"secretName": "s", "defaultMode": 0o400}}, {"p": File(b"geheim", 0o400)}),
        (
            {"downwardAPI": {"items": [
                {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                {"path": "cpus", "resourceFieldRef": {"resource": "limits.cpu", "containerName": "c"}},
            ]}},
            {"name": File(b"p", 0o644), "cpus": File(b"2", 0o644)},
        ),
        (
            {"projected": {"defaultMode": 0o440, "sources": [
                {"configMap": {"name": "cm", "items": [{"key": "a", "path": "a"}]}},
                {"secret": {"name": "s"}},
                {"serviceAccountToken": {"path": "token"}},
            ]}},
            {"a": File(b"1", 0o440), "p": File(b"geheim", 0o440), "token": File(b"t", 0o600)},
        ),
    ],
)  # fmt: skip
def test_payload(volume: dict, expected: dict[str, File]) -> None:  # type: ignore[type-arg]
    assert payload(volume, POD, SOURCES) == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        ({"configMap": {"name": "cm", "items": [{"key": "no", "path": "x"}]}}, "non-existent key no"),
    ],
)
def test_what_is_missing_is_named(volume: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(MissingReferenceError, match=message):
        payload(volume, POD, SOURCES)


NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
PATHS = st.lists(st.builds("/".join, st.lists(NAMES, min_size=1, max_size=2)), unique=True, max_size=5).map(
    lambda paths: [path for path in paths if not any(other.startswith(f"{path}/") for other in paths)]
)
FILES = PATHS.flatmap(
    lambda paths: st.fixed_dictionaries(
        {path: st.builds(File, st.binary(max_size=9), st.just(0o644)) for path in paths}
    )
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_a_folder_holds_exactly_the_last_files_written(tmp_path_factory, versions: list[dict[str, File]]) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("volume")
    for files in versions:
        write_files(folder, files)
        assert not write_files(folder, files)
        seen = {path: file.data for path, file in files.items()}
        assert {path: (folder / path).read_bytes() for path in files} == seen
        shown = [one for one in folder.iterdir() if not one.name.startswith("..")]
        assert {one.name for one in shown} == {path.partition("/")[0] for path in files}
        assert len(list(folder.glob("..v*"))) == 1  # the former version is gone


def test_an_open_folder_never_mixes_versions(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": File(b"1", 0o644), "b": File(b"1", 0o644)})
    before = (tmp_path / "..data").resolve()
    write_files(tmp_path, {"a": File(b"2", 0o644), "b": File(b"2", 0o644)})
    assert (tmp_path / "..data").resolve() != before
    assert (tmp_path / "a").is_symlink()


def test_a_path_that_leads_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingReferenceError, match="leads out of the volume"):
        write_files(tmp_path / "v", {"../x": File(b"", 0o644)})
    assert not (tmp_path / "x").exists()
