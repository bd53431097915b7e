"""Documents of cluster metadata: kept whole, versioned, and never half understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.metadata_store import MetadataStore
from kopfka_broker.storage.errors import DataFolderError, KafkaStorageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(data=JSON)
def test_what_is_saved_is_loaded(tmp_path_factory, data):
    document = MetadataStore(tmp_path_factory.getbasetemp()).document("anything")
    document.save(data)
    assert document.load() == data


def test_nothing_saved_is_none(tmp_path):
    assert MetadataStore(tmp_path).document("none").load() is None


def test_a_document_from_before_versions_is_read(tmp_path):
    (tmp_path / "old.json").write_text('{"1": {"a": "b"}}')
    document = MetadataStore(tmp_path).document("old")
    assert document.load() == {"1": {"a": "b"}}
    document.save({"1": {}})
    assert document.load() == {"1": {}}


def test_a_secret_is_its_owners_alone(tmp_path):
    store = MetadataStore(tmp_path)
    for name, secret, mode in (("keys", True, 0o600), ("open", False, 0o644)):
        store.document(name, secret=secret).save([])
        assert (tmp_path / f"{name}.json").stat().st_mode & 0o777 & ~0o022 == mode


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "\xff", '{"version": "x", "data": {}}', '{"version": 1.5, "data": {}}']
)
def test_damage_is_told_by_name(tmp_path, text):
    (tmp_path / "acls.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataFolderError, match=r"acls\.json is damaged"):
        MetadataStore(tmp_path).document("acls").load()


def test_a_newer_version_is_refused_and_an_older_one_read(tmp_path):
    store = MetadataStore(tmp_path)
    store.document("acls", 2).save({})
    with pytest.raises(DataFolderError, match="newer"):
        store.document("acls").load()
    assert store.document("acls", 3).load() == {}


def test_what_cannot_be_saved_changes_nothing(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    document = MetadataStore(folder).document("acls")
    document.save({"a": 1})
    (folder / "acls.json.tmp").mkdir()  # in the way of the temporary file
    with pytest.raises(KafkaStorageError):
        document.save({"a": 2})
    assert document.load() == {"a": 1}
