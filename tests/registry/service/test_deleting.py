"""Deleting: softly, then for good; what others refer to stays."""

from __future__ import annotations

import pytest

from kopfka_registry.errors import (
    ModeNotConfiguredError,
    OperationNotPermittedError,
    ReferenceExistsError,
    SubjectNotFoundError,
    SubjectNotSoftDeletedError,
    SubjectSoftDeletedError,
    VersionNotFoundError,
    VersionNotSoftDeletedError,
    VersionSoftDeletedError,
)
from kopfka_registry.models import Config
from kopfka_registry.service.modes import Mode
from registry.harness import Setup
from registry.service.schemas import ONE, OTHER, TWO, record


@pytest.fixture
async def setup():
    made = Setup()
    await made.register("s", ONE)
    await made.register("s", TWO)
    return made


async def test_a_subject(setup):
    delete = setup.registry.delete_subject
    with pytest.raises(SubjectNotSoftDeletedError):
        await delete("s", permanent=True)
    assert (await delete("s", permanent=False))[0] == [1, 2]
    with pytest.raises(SubjectSoftDeletedError):
        await delete("s", permanent=False)
    assert setup.log.state.known(".", 1) is not None
    assert (await delete("s", permanent=True))[0] == [1, 2]
    assert setup.log.state.known(".", 1) is None
    for permanent in (False, True):
        with pytest.raises(SubjectNotFoundError):
            await delete("s", permanent=permanent)


async def test_a_version(setup):
    delete = setup.registry.delete_version
    with pytest.raises(VersionNotSoftDeletedError):
        await delete("s", 1, permanent=True)
    assert (await delete("s", 1, permanent=False))[0] == 1
    with pytest.raises(VersionSoftDeletedError):
        await delete("s", 1, permanent=False)
    assert (await delete("s", 1, permanent=True))[0] == 1
    with pytest.raises(VersionNotFoundError):
        await delete("s", 1, permanent=True)
    assert (await delete("s", -1, permanent=False))[0] == 2
    with pytest.raises(SubjectNotFoundError):
        await delete("t", 1, permanent=False)


async def test_versions_go_on_behind_deleted_ones(setup):
    await setup.registry.delete_version("s", 2, permanent=False)
    assert (await setup.register("s", record(x="int", q=("int", 0)))).version == 3


async def test_a_deleted_schema_that_comes_back_has_its_id_and_a_new_version(setup):
    await setup.registry.delete_subject("s", permanent=False)
    back = await setup.register("s", ONE)
    assert (back.version, back.id) == (3, 1)
    assert [each.version for each in setup.log.state.versions("s", deleted=True)] == [2, 3]


async def test_after_all_is_gone_versions_begin_anew_and_ids_do_not(setup):
    await setup.registry.delete_subject("s", permanent=False)
    await setup.registry.delete_subject("s", permanent=True)
    setup.log.state = setup.log.replayed(compacted=True)
    tombstones = [key for key, value in setup.log.records if value is None]
    setup.log.records = [record for record in setup.log.records if record[0] not in tombstones]
    setup.log.state = setup.log.replayed(compacted=True)
    new = await setup.register("s", OTHER)
    assert (new.version, new.id) == (1, 3)


async def test_settings_of_a_subject_go_with_it(setup):
    await setup.registry.put_config("s", Config(compatibility_level="NONE"))
    await setup.registry.put_mode("s", Mode.READWRITE, force=False)
    await setup.registry.delete_version("s", 1, permanent=False)
    assert setup.log.state.config("s") is not None
    await setup.registry.delete_version("s", 2, permanent=False)
    assert setup.log.state.config("s") is None
    with pytest.raises(ModeNotConfiguredError):
        await setup.registry.delete_mode("s", recursive=False)


async def test_what_others_refer_to_stays(setup):
    await setup.register("users", record("User", a="A"), references=[("A", "s", 2)])
    await setup.registry.delete_version("s", 1, permanent=False)
    with pytest.raises(ReferenceExistsError, match="schema s, version 2"):
        await setup.registry.delete_version("s", 2, permanent=False)
    with pytest.raises(ReferenceExistsError):
        await setup.registry.delete_subject("s", permanent=False)
    await setup.registry.delete_subject("users", permanent=False)
    await setup.registry.delete_subject("s", permanent=False)
    # deleted softly it may come back, and what it refers to with it
    with pytest.raises(ReferenceExistsError):
        await setup.registry.delete_subject("s", permanent=True)
    await setup.registry.delete_subject("users", permanent=True)
    await setup.registry.delete_subject("s", permanent=True)


@pytest.mark.parametrize("mode", [Mode.READONLY, Mode.READONLY_OVERRIDE])
async def test_nothing_changes_in_a_subject_that_is_read_only(setup, mode):
    await setup.registry.put_mode(None, mode, force=False)
    for change in (
        setup.registry.delete_subject("s", permanent=False),
        setup.registry.delete_version("s", 1, permanent=False),
        setup.registry.put_config("s", Config(compatibility_level="NONE")),
        setup.register("s", record(x="int", q=("int", 0))),
    ):
        with pytest.raises(OperationNotPermittedError, match="read-only"):
            await change
