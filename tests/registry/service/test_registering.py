"""Ids, versions and refusals of registration, and that a start over the same records knows the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from kopfka_registry.errors import (
    IdDoesNotMatchError,
    IncompatibleSchemaError,
    InvalidRuleSetError,
    InvalidSchemaError,
    InvalidSubjectError,
    OperationNotPermittedError,
    SchemaNotFoundError,
    SubjectNotFoundError,
    UnknownLeaderError,
)
from kopfka_registry.models import Config, Metadata, Rule, RuleSet
from kopfka_registry.service.compatibility import Level
from kopfka_registry.service.modes import Mode
from kopfka_registry.service.registering import Wanted
from kopfka_registry.store.records import Entry, SchemaKey
from registry.harness import Setup
from registry.service.schemas import ONE, OTHER, TWO, record


async def test_a_schema_has_one_id_in_all_subjects_and_counts_versions_in_each():
    setup = Setup()
    assert [(each.version, each.id) for each in [await setup.register("s", ONE), await setup.register("s", TWO)]] == [
        (1, 1), (2, 2),
    ]  # fmt: skip
    again = await setup.register("t", TWO)
    assert (again.version, again.id) == (1, 2)


async def test_registering_again_writes_nothing():
    setup = Setup()
    first = await setup.register("s", ONE)
    written = len(setup.log.records)
    assert await setup.register("s", f"  {ONE}\n") == first
    assert len(setup.log.records) == written


async def test_contexts_give_ids_of_their_own():
    setup = Setup()
    await setup.register("s", ONE)
    assert (await setup.register(":.c:s", TWO)).id == 1
    assert (await setup.register(":.:s", ONE)).subject == "s"
    assert setup.log.state.contexts() == [".", ".c"]


async def test_an_incompatible_schema_is_refused_and_leaves_no_id_behind():
    setup = Setup()
    await setup.register("s", ONE)
    with pytest.raises(IncompatibleSchemaError, match=r"READER_FIELD_MISSING_DEFAULT_VALUE.*oldSchemaVersion: 1"):
        await setup.register("s", OTHER)
    assert (await setup.register("s", TWO)).id == 2
    assert [each.version for each in setup.log.state.versions("s")] == [1, 2]


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        (Level.NONE, True), (Level.BACKWARD, False), (Level.FORWARD, True), (Level.FULL, False),
        (Level.BACKWARD_TRANSITIVE, False), (Level.FORWARD_TRANSITIVE, True), (Level.FULL_TRANSITIVE, False),
    ],
)  # fmt: skip
async def test_levels_of_subject_and_server(level, allowed):
    for setup, config in ((Setup(level), None), (Setup(), Config(compatibility_level=level.value.lower()))):
        if config:
            await setup.registry.put_config("s", config)
        await setup.register("s", ONE)
        if allowed:
            assert (await setup.register("s", OTHER)).version == 2
        else:
            with pytest.raises(IncompatibleSchemaError):
                await setup.register("s", OTHER)


async def test_a_full_level_tells_first_what_old_code_cannot_read():
    """As Confluent's SchemaValidatorBuilder.mutualReadStrategy has it."""
    setup = Setup(Level.FULL)
    await setup.register("s", record(x="int"))
    with pytest.raises(IncompatibleSchemaError, match=r"'x' at path .* in the old schema .*'y' at path .* in the new"):
        await setup.register("s", record(y="int"))


async def test_transitive_levels_look_at_all_versions():
    """v1 has x, v2 has not, v3 has x of another type: v3 reads v2's data, but not v1's."""
    versions = record(x=("int", 0)), record(), record(x=("string", ""))
    for level, allowed in ((Level.BACKWARD, True), (Level.BACKWARD_TRANSITIVE, False)):
        setup = Setup(level)
        await setup.register("s", versions[0])
        await setup.register("s", versions[1])
        if allowed:
            await setup.register("s", versions[2])
        else:
            with pytest.raises(IncompatibleSchemaError, match="oldSchemaVersion: 1"):
                await setup.register("s", versions[2])


async def test_another_language_may_follow_only_where_nothing_is_compared():
    setup = Setup()
    await setup.register("s", ONE)
    with pytest.raises(IncompatibleSchemaError, match="different schema type"):
        await setup.register("s", '{"type": "object"}', "JSON")
    await setup.registry.put_config("s", Config(compatibility_level="NONE"))
    assert (await setup.register("s", '{"type": "object"}', "JSON")).content.type == "JSON"


async def test_compatibility_groups_are_compared_within_themselves():
    setup = Setup()
    await setup.registry.put_config("s", Config(compatibility_group="major"))
    await setup.register("s", ONE, metadata=Metadata(properties={"major": "1"}))
    with pytest.raises(IncompatibleSchemaError):
        await setup.register("s", OTHER, metadata=Metadata(properties={"major": "1"}))
    assert (await setup.register("s", OTHER, metadata=Metadata(properties={"major": "2"}))).version == 2


async def test_import_takes_ids_and_versions_and_compares_nothing():
    setup = Setup()
    await setup.registry.put_mode("s", Mode.IMPORT, force=False)
    imported = await setup.register("s", ONE, id=41, version=7)
    assert (imported.id, imported.version) == (41, 7)
    assert (await setup.register("s", OTHER, id=42)).version == 8
    with pytest.raises(OperationNotPermittedError, match="Overwrite new schema with id 42"):
        await setup.register("s", TWO, id=42)
    with pytest.raises(OperationNotPermittedError, match="Overwrite"):
        await setup.register("s", TWO, id=43, version=7)
    with pytest.raises(IdDoesNotMatchError):
        await setup.register("s", ONE, id=99)
    with pytest.raises(OperationNotPermittedError, match="not in read-write mode"):
        await setup.register("s", TWO)
    await setup.registry.delete_mode("s", recursive=False)
    assert (await setup.register("s", record(x=("int", 0), z=("string", "")))).id == 43


async def test_ids_are_taken_in_import_mode_only():
    with pytest.raises(OperationNotPermittedError, match="not in import mode"):
        await Setup().register("s", ONE, id=5)


async def test_references_must_be_there_and_are_kept_with_the_version_they_mean():
    setup = Setup()
    user = record("User", a={"type": "Address"} and "Address")
    with pytest.raises(InvalidSchemaError, match='subject "addresses" and version 1'):
        await setup.register("users", user, references=[("Address", "addresses", 1)])
    await setup.register("addresses", record("Address", street="string"))
    registered = await setup.register("users", user, references=[("Address", "addresses", -1)])
    assert registered.content.references[0].version == 1
    with pytest.raises(InvalidSchemaError):
        await setup.register("others", user)


async def test_references_stay_in_their_context():
    setup = Setup()
    await setup.register(":.c:addresses", record("Address", street="string"))
    user = record("User", a="Address")
    with pytest.raises(InvalidSchemaError):
        await setup.register("users", user, references=[("Address", "addresses", 1)])
    await setup.register(":.c:users", user, references=[("Address", "addresses", 1)])
    await setup.register("users", user, references=[("Address", ":.c:addresses", 1)])


@pytest.mark.parametrize("subject", ["__GLOBAL", "__EMPTY", "a\nb", ":*:s"])
async def test_names_that_no_subject_has(subject):
    with pytest.raises(InvalidSubjectError):
        await Setup().register(subject, ONE)


@pytest.mark.parametrize("text", ["", "  ", "{", '{"type":"nothing"}', "null", "5"])
async def test_what_is_no_schema_is_refused(text):
    with pytest.raises(InvalidSchemaError):
        await Setup().register("s", text)


async def test_defaults_are_checked_where_a_new_schema_is_normalised():
    """As in Confluent's registry, which by default takes a default that does not fit (AvroSchemaProvider)."""
    text = record(x=("int", "none"))
    assert (await Setup().register("s", text)).version == 1
    with pytest.raises(InvalidSchemaError):
        await Setup().register("s", text, normalize=True)


async def test_a_version_that_cannot_be_read_is_named():
    setup = Setup()
    await setup.register("s", ONE)
    kept = setup.log.state.version("s", 1)
    broken = replace(kept, content=replace(kept.content, text="{"))
    await setup.log.write([Entry(SchemaKey("s", 1)), Entry(SchemaKey("s", 1), broken)])
    with pytest.raises(InvalidSchemaError, match="version 1 of s cannot be compared"):
        await setup.register("s", TWO)


async def test_unknown_language():
    with pytest.raises(InvalidSchemaError, match="Invalid schema type XML"):
        await Setup().register("s", "<a/>", "XML")


async def test_who_does_not_lead_writes_nothing():
    setup = Setup()
    setup.registry._lead = lambda: None
    with pytest.raises(UnknownLeaderError):
        await setup.register("s", ONE)


async def test_metadata_and_rules_come_from_the_version_before_the_defaults_and_the_overrides():
    setup = Setup()
    rule, override = Rule(name="a", type="CEL"), Rule(name="a", type="CEL", expr="true")
    await setup.registry.put_config(
        "s",
        Config(
            default_metadata=Metadata(properties={"owner": "nobody", "team": "x"}),
            override_metadata=Metadata(properties={"classified": "yes"}),
            override_rule_set=RuleSet(domain_rules=(override,)),
        ),
    )
    first = await setup.register(
        "s", ONE, metadata=Metadata(properties={"owner": "me"}), rule_set=RuleSet(domain_rules=(rule,))
    )
    assert first.content.metadata.properties == {"owner": "me", "team": "x", "classified": "yes"}
    assert first.content.rule_set.domain_rules == (override,)
    second = await setup.register("s", TWO)
    assert second.content.metadata.properties == first.content.metadata.properties
    assert (await setup.register("s", TWO)).version == 2
    # a schema without a text is the one before it, with other metadata
    third = await setup.register("s", "", metadata=Metadata(properties={"owner": "you"}))
    assert (third.version, third.content.text) == (3, second.content.text)


async def test_the_version_is_part_of_the_metadata_where_a_client_names_it():
    setup = Setup()
    first = await setup.register("s", ONE, version=1)
    assert first.content.metadata.version == "1"
    second = await setup.register("s", TWO)
    assert second.content.metadata.version == "2"
    assert (await setup.register("s", ONE)).version == 1
    with pytest.raises(InvalidSchemaError, match="not one more than previous version"):
        await setup.register("s", record(x="int", q=("int", 1)), version=9)


@pytest.mark.parametrize(
    "rule",
    [Rule(name="", type="CEL"), Rule(name="a"), Rule(name="a", type="CEL", mode="UPGRADE"), Rule(name="$a", type="CEL"),
     Rule(name="a", type="CEL", kind="MAGIC")],
)  # fmt: skip
async def test_rules_that_clients_could_not_carry_out(rule):
    with pytest.raises(InvalidRuleSetError, match=r"ruleSet.domainRules\[0\]"):
        await Setup().register("s", ONE, rule_set=RuleSet(domain_rules=(rule,)))


async def test_looking_up():
    setup = Setup()
    look_up = setup.registry.look_up
    with pytest.raises(SubjectNotFoundError):
        await look_up("s", Wanted(ONE), normalize=False, deleted=False)
    await setup.register("s", ONE)
    assert (await look_up("s", Wanted(f" {ONE}"), normalize=False, deleted=False)).version == 1
    with pytest.raises(SchemaNotFoundError):
        await look_up("s", Wanted(TWO), normalize=False, deleted=False)
    await setup.register("s", TWO)
    await setup.registry.delete_version("s", 1, permanent=False)
    with pytest.raises(SchemaNotFoundError):
        await look_up("s", Wanted(ONE), normalize=False, deleted=False)
    assert (await look_up("s", Wanted(ONE), normalize=False, deleted=True)).version == 1


async def test_many_at_once_get_one_id_a_schema_and_one_version_a_schema_of_a_subject():
    setup = Setup(Level.NONE)
    texts = [record(f"R{number}", x="int") for number in range(10)]
    results = await asyncio.gather(*(setup.register(f"s{index % 4}", text) for index in range(8) for text in texts))
    ids = {each.content.text: each.id for each in results}
    assert len(set(ids.values())) == 10
    assert all(each.id == ids[each.content.text] for each in results)
    for index in range(4):
        assert [each.version for each in setup.log.state.versions(f"s{index}")] == list(range(1, 11))


async def test_a_start_knows_what_was_known():
    setup = Setup()
    await setup.register("s", ONE)
    await setup.register("s", TWO)
    await setup.register(":.c:t", ONE, metadata=Metadata(properties={"a": "b"}))
    await setup.registry.delete_version("s", 1, permanent=False)
    for state in (setup.log.replayed(), setup.log.replayed(compacted=True)):
        for subject in ("s", ":.c:t"):
            assert state.versions(subject, deleted=True) == setup.log.state.versions(subject, deleted=True)
        assert state.last_ids() == setup.log.state.last_ids()
