from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopfka_local.api.cluster import Cluster
from kopfka_local.commands.manifests import ManifestError, apply_documents, parse_documents, read_documents
from kopfka_local.kinds import CONFIG_MAPS

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


async def test_applying_twice_changes_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "state")
    documents = parse_documents("f", f"{GOOD}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n}}\n")
    references = await apply_documents(cluster, documents)
    assert [(one.kind, one.namespace, one.name) for one in references] == [
        ("Namespace", "", "n"),
        ("ConfigMap", "default", "a"),
    ]
    before = await cluster.get(CONFIG_MAPS, "default", "a")
    await apply_documents(cluster, documents)
    assert await cluster.get(CONFIG_MAPS, "default", "a") == before
    cluster.close()


async def test_refusals_name_file_document_and_remedy(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "state")
    wrong = parse_documents("f.yaml", GOOD.replace("ConfigMap", "ConfigMapp"))
    with pytest.raises(
        ManifestError, match=r'f.yaml: document 1: no matches for kind "ConfigMapp".*did you mean ConfigMap in v1'
    ):
        await apply_documents(cluster, wrong)
    with pytest.raises(ManifestError, match=r"f.yaml: document 1 \(ConfigMap A_b\): .*metadata.name"):
        await apply_documents(cluster, parse_documents("f.yaml", GOOD.replace("name: a", "name: A_b")))
    cluster.close()
