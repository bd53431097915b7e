"""The registry as one caller sees it: nothing of it goes by unguarded."""

from __future__ import annotations

import inspect

import pytest

from kopfka_registry.errors import NotPermittedError, SubjectNotFoundError
from kopfka_registry.models import Config
from kopfka_registry.security.callers import Caller
from kopfka_registry.security.guard import Guarded, _GuardedParser
from kopfka_registry.security.rights import read_roles
from kopfka_registry.security.view import Permit, View
from kopfka_registry.service.modes import Mode
from kopfka_registry.service.parsing import Parser
from kopfka_registry.service.registering import Wanted
from kopfka_registry.service.registry import Registry
from kopfka_registry.store.state import State
from registry.harness import Setup
from registry.service.schemas import ONE, OTHER, TWO, record


@pytest.mark.parametrize(("guard", "guarded"), [(Guarded, Registry), (View, State), (_GuardedParser, Parser)])
def test_whatever_can_be_asked_is_guarded(guard, guarded):
    """A new method has to be thought of here, too: one that is inherited would go past the guard, or fail."""
    public = {name for name, _ in inspect.getmembers(guarded) if not name.startswith("_")}
    assert public <= set(vars(guard)), public - set(vars(guard))


def permit(**rights):
    roles = read_roles({f"kopfka.role.dev.{name}": value for name, value in rights.items()})
    return Permit(Caller("ann"), roles.of("ann", ["dev"]))


@pytest.fixture
async def setup():
    setup = Setup()
    for subject, text in (("mine", ONE), ("other", OTHER), (":.b:mine", ONE), (":.c:secret", OTHER), ("shared", ONE)):
        await setup.register(subject, text)
    return setup


def guarded(setup, **rights):
    return Guarded(setup.registry, permit(**rights))


async def test_lists_show_what_may_be_read(setup):
    state = guarded(setup, read="mine,:.b:*").state
    assert list(state.subjects()) == [":.b:mine", "mine"]
    assert state.contexts() == [".", ".b"]
    assert state.known(".", 1).places == [("mine", 1)]
    assert state.known(".", 2) is None
    assert [each.id for each in state.versions("mine")] == [1]
    for ask in (state.versions, state.latest, state.last_version, state.config, state.mode, state.config_in_scope):
        with pytest.raises(NotPermittedError):
            ask("other")
    with pytest.raises(NotPermittedError):
        state.version("other", 1)
    with pytest.raises(TypeError):
        state.apply(None)


async def test_a_schema_is_found_where_it_may_be_read(setup):
    fingerprint = setup.log.state.known(".", 1).content.fingerprint()
    assert guarded(setup, read=":.b:*").state.ids_of_guid(fingerprint) == [(".b", 1)]
    assert len(guarded(setup, read="*").state.ids_of_guid(fingerprint)) == 2
    with pytest.raises(NotPermittedError):
        guarded(setup, read="other").state.ids_of_guid(fingerprint)
    assert guarded(setup, read="other").state.ids_of_guid(b"none") == []
    assert guarded(setup, read="other").state.id_of(".", fingerprint) is None
    assert guarded(setup, read="shared").state.id_of(".", fingerprint) == 1
    assert guarded(setup, read="shared").place_of_id(1, None) == (".", 1)
    assert guarded(setup, read="shared").place_of_id(99, None) is None
    with pytest.raises(NotPermittedError):
        guarded(setup, read="other").place_of_id(1, None)
    # a subject without a context is looked for in all of them
    assert guarded(setup, read=":.b:*").version("mine", 1).subject == ":.b:mine"
    assert guarded(setup, read=":.c:*").version("secret", 1).subject == ":.c:secret"
    with pytest.raises(SubjectNotFoundError):
        guarded(setup, read="secret").version("secret", 1)
    with pytest.raises(NotPermittedError):
        guarded(setup, read="mine").version("secret", 1)


async def test_each_change_takes_its_right(setup):
    wanted = Wanted(TWO)
    reader, writer, owner = (guarded(setup, **{right: "mine"}) for right in ("read", "write", "admin"))
    changes = {
        "write": [
            lambda registry: registry.register("mine", wanted, normalize=False),
            lambda registry: registry.known_already("mine", wanted, normalize=False),
            lambda registry: registry.delete_version("mine", 1, permanent=False),
            lambda registry: registry.delete_subject("mine", permanent=False),
        ],
        "admin": [
            lambda registry: registry.delete_version("mine", 1, permanent=True),
            lambda registry: registry.delete_subject("mine", permanent=True),
            lambda registry: registry.put_config("mine", Config(compatibility_level="NONE")),
            lambda registry: registry.delete_config("mine"),
            lambda registry: registry.put_mode("mine", Mode.READONLY, force=False),
            lambda registry: registry.delete_mode("mine", recursive=False),
        ],
    }
    for change in changes["write"] + changes["admin"]:
        with pytest.raises(NotPermittedError):
            await change(reader)
    for change in changes["admin"]:
        with pytest.raises(NotPermittedError):
            await change(writer)
    for change in changes["write"]:
        await change(writer)
    for change in changes["admin"]:
        await change(owner)
    for scope in (None, ":.b:", ":.__GLOBAL:", "other"):
        with pytest.raises(NotPermittedError):
            await owner.put_config(scope, Config(compatibility_level="NONE"))
    await guarded(setup, admin=":.b:*").put_config(":.b:", Config(compatibility_level="NONE"))
    await guarded(setup, admin="*").put_config(None, Config(compatibility_level="NONE"))
    assert guarded(setup, read="mine").config(None).compatibility_level == "NONE"
    assert guarded(setup, read="mine").state.mode(None) is None
    with pytest.raises(NotPermittedError):
        guarded(setup, read="").config(None)


async def test_an_alias_counts_as_what_it_stands_for(setup):
    await setup.registry.put_config("alias", Config(alias="other"))
    registry = guarded(setup, admin="alias")
    assert registry.resolved("alias") == "other"
    with pytest.raises(NotPermittedError) as refused:
        await registry.look_up(registry.resolved("alias"), Wanted(OTHER), normalize=False, deleted=False)
    assert "other" not in str(refused.value)
    registry = guarded(setup, read="other")
    assert (await registry.look_up(registry.resolved("alias"), Wanted(OTHER), normalize=False, deleted=False)).id == 2


async def test_what_a_schema_refers_to_has_to_be_readable(setup):
    await setup.register("base", record("Base", secret="int"))
    await setup.register("middle", record("Middle", base="Base"), references=[("Base", "base", 1)])
    await setup.register("top", record("Top", middle="Middle"), references=[("Middle", "middle", 1)])
    content = setup.log.state.latest("top").content
    top = Wanted(content.text, references=content.references)
    full = guarded(setup, write="top,middle,base")
    assert (await full.parser.parse(".", content)).formatted("resolved").count("secret") == 1
    for rights in ("top", "top,middle", "top,base"):
        registry = guarded(setup, write=rights)
        for ask in (
            lambda registry=registry: registry.register("top", top, normalize=False),
            lambda registry=registry: registry.known_already("top", top, normalize=False),
            lambda registry=registry: registry.look_up("top", top, normalize=False, deleted=False),
            lambda registry=registry: registry.test("top", top, normalize=False, version=None),
            lambda registry=registry: registry.parser.parse(".", content),
            lambda registry=registry: registry.tags(registry.version("top", 1), ["*"]),
        ):
            with pytest.raises(NotPermittedError, match="reference Middle"):
                await ask()
        for ask in (registry.parser.pinned, registry.parser.texts):
            with pytest.raises(NotPermittedError):
                ask(".", content.references)
        assert registry.state.version("top", 1).content is content  # its own text is no secret
    seen = guarded(setup, read="base,top").state.referrers("base", 1)
    assert seen == []
    assert [each.subject for each in guarded(setup, read="base,middle").state.referrers("base", 1)] == ["middle"]
    latest = Wanted(record("New", base="Base"), references=tuple(
        each.model_copy(update={"version": -1}) for each in setup.log.state.latest("middle").content.references
    ))  # fmt: skip
    with pytest.raises(NotPermittedError):
        await guarded(setup, write="new").register("new", latest, normalize=False)
    assert (await guarded(setup, write="new", read="base").register("new", latest, normalize=False))[0].version == 1


async def test_settings_of_subjects_that_may_not_be_read_are_not_listed(setup):
    await setup.registry.put_config("a", Config(alias="mine"))
    await setup.registry.put_config("b", Config(alias="mine"))
    assert [subject for subject, _ in guarded(setup, read="a,mine").state.configs()] == ["a"]
