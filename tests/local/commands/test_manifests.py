from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kopfka_local.api.cluster import Cluster
from kopfka_local.commands.manifests import apply_documents
from kopfka_local.kinds import CONFIG_MAPS
from kopfka_runtime.manifests import ManifestError, parse_documents

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"


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
