"""Levels, modes, aliases: whose settings hold."""

from __future__ import annotations

import pytest

from kopfka_registry.errors import (
    CompatibilityNotConfiguredError,
    InvalidCompatibilityError,
    InvalidModeError,
    OperationNotPermittedError,
)
from kopfka_registry.models import Config
from kopfka_registry.service.modes import Mode
from registry.harness import Setup
from registry.service.schemas import ONE


async def test_settings_are_added_to_and_forgotten():
    setup = Setup()
    await setup.registry.put_config("s", Config(compatibility_level="full"))
    await setup.registry.put_config("s", Config(normalize=True))
    assert setup.registry.config("s").plain() == {"compatibilityLevel": "FULL", "normalize": True}
    assert (await setup.registry.delete_config("s"))[0].compatibility_level == "FULL"
    assert setup.registry.config("s").compatibility_level == "BACKWARD"
    with pytest.raises(CompatibilityNotConfiguredError):
        await setup.registry.delete_config("s")
    assert await setup.registry.delete_config(None) == (Config(), None)


async def test_levels_policies_and_modes_that_there_are_not():
    setup = Setup()
    with pytest.raises(InvalidCompatibilityError, match="Valid values are NONE, BACKWARD"):
        await setup.registry.put_config(None, Config(compatibility_level="SIDEWAYS"))
    with pytest.raises(InvalidCompatibilityError, match="policy"):
        await setup.registry.put_config(None, Config(compatibility_policy="KIND"))
    with pytest.raises(InvalidModeError):
        Mode.named("WRITEONLY")


async def test_import_needs_an_empty_place_or_force():
    setup = Setup()
    await setup.register("s", ONE)
    for subject in (None, "s"):
        with pytest.raises(OperationNotPermittedError, match="Cannot import since found existing"):
            await setup.registry.put_mode(subject, Mode.IMPORT, force=False)
    await setup.registry.put_mode(":.c:", Mode.IMPORT, force=False)
    assert (await setup.register(":.c:s", ONE, id=77)).id == 77
    await setup.registry.put_mode("s", Mode.IMPORT, force=True)
    await setup.registry.put_mode("s", Mode.IMPORT, force=False)


async def test_modes_that_may_not_change():
    setup = Setup(mode_mutability=False)
    with pytest.raises(OperationNotPermittedError, match=r"mode\.mutability"):
        await setup.registry.put_mode(None, Mode.READONLY, force=False)


async def test_modes_of_many_are_forgotten_at_once():
    setup = Setup()
    await setup.register(":.c:s", ONE)
    await setup.registry.put_mode(":.c:s", Mode.READONLY, force=False)
    await setup.registry.put_mode(":.c:", Mode.READONLY, force=False)
    assert (await setup.registry.delete_mode(":.c:", recursive=True))[0] == "READONLY"
    assert setup.registry.modes.of(":.c:s") is Mode.READWRITE


async def test_aliases_are_followed_and_loops_end():
    setup = Setup()
    await setup.registry.put_config("a", Config(alias="b"))
    await setup.registry.put_config(":.c:a", Config(alias="b"))
    assert setup.registry.resolved("a") == "b"
    assert setup.registry.resolved(":.c:a") == ":.c:b"
    await setup.registry.put_config("b", Config(alias="a"))
    assert setup.registry.resolved("a") in ("a", "b")
