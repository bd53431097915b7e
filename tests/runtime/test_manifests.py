"""Resources are read from files with the place each comes from; what is wrong is told with that place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopfka_runtime.manifests import ManifestError, parse_documents, read_documents

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{GOOD}---\nkind: [\n", "f.yaml: document 2, line 7: not YAML: "),
        ("\t- x", "f.yaml: document 1, line 1: not YAML: "),
        ("just text", "f.yaml: document 1: this is no resource: a resource has apiVersion, kind and metadata"),
        (f"{GOOD}---\nkind: X\n", "f.yaml: document 2: apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: a}\n", "f.yaml: document 1: kind is missing"),
        ("apiVersion: v1\nkind: X\n", "f.yaml: document 1: metadata.name is missing"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 1}\n", "f.yaml: document 1: metadata.name is missing"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: X}]", "f.yaml: document 1, item 1: apiVersion is missing"),
    ],
)
def test_errors_name_file_and_document(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_documents("f.yaml", text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_empty_documents_and_lists() -> None:
    items = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: X, metadata: {name: b}}\n"
    text = f"---\n---\n{GOOD}---\n{items}"
    assert [document.body["metadata"]["name"] for document in parse_documents("f", text)] == ["a", "b"]


def test_folders_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(GOOD.replace("name: a", "name: b"))
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("no")
    assert [document.body["metadata"]["name"] for document in read_documents([str(tmp_path)])] == ["a", "b"]
    with pytest.raises(ManifestError, match="No such file"):
        read_documents([str(tmp_path / "no.yaml")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no file there ends in"):
        read_documents([str(tmp_path / "empty")])
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ManifestError, match=r"bytes\.yaml"):
        read_documents([str(tmp_path / "bytes.yaml")])


def test_folders_in_folders_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b.yaml").write_text(GOOD.replace("name: a", "name: b"))
    assert len(read_documents([str(tmp_path)])) == 1
    assert [one.body["metadata"]["name"] for one in read_documents([str(tmp_path)], recursive=True)] == ["a", "b"]
    assert len(read_documents([str(tmp_path / "a.yaml")], recursive=True)) == 1


def test_what_is_no_resource_may_be_left_out_but_not_what_is_no_yaml() -> None:
    text = f"just text\n---\nkind: Kustomization\nresources: [a]\n---\n{GOOD}"
    assert [one.body["metadata"]["name"] for one in parse_documents("f", text, strict=False)] == ["a"]
    with pytest.raises(ManifestError, match="not YAML"):
        parse_documents("f", "kind: [", strict=False)
