"""The plan of a `SchemaSubject`: exact actions, what its status says, and none once they are done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_specs import valid_subjects

from kopfka_operator.actions import (
    Action,
    DeleteSubject,
    HoldDeletion,
    RegisterSchema,
    ReleaseDeletion,
    SetCompatibility,
    SetMode,
)
from kopfka_operator.api.reasons import Reason
from kopfka_operator.api.schemasubject import SchemaSubjectSpec
from kopfka_operator.kube.resources import SCHEMA_SUBJECTS, Ref
from kopfka_operator.registry.model import Level, Reference, Registered, Schema, Verdict
from kopfka_operator.schemasubject.order import dependents, levels
from kopfka_operator.schemasubject.plan import Live, Observed, Subject, drift, newer, plan, problems, settings_agree
from kopfka_operator.schemasubject.report import report, waiting
from kopfka_operator.schemasubject.sources import schema_of
from kopfka_operator.status import Problem

REF = Ref(SCHEMA_SUBJECTS, "ns", "orders-value")
SCHEMA = Schema("AVRO", '"string"')
YES, NO = Verdict(True), Verdict(False, ("{errorType:'X'}", "{oldSchemaVersion: 1}"))
FIRST = Registered(7, 1, "guid")


def subject(**spec: Any) -> Subject:
    if "schemaFrom" not in spec:
        spec.setdefault("schema", '"string"')
    return Subject(REF, SchemaSubjectSpec.model_validate({"registry": "schemas", **spec}))


def there(*versions: int, registered: Registered | None = FIRST, **more: Any) -> Live:
    return Live(versions or (1,), registered=registered, **more)


def missing(*versions: int, verdict: Verdict | None = YES, **more: Any) -> Live:
    return Live(versions, verdict=verdict, **more)


def seen(live: Live, **more: Any) -> Observed:
    return Observed(live, SCHEMA, **more)


def conditions(wanted: Subject, observed: Observed, **more: Any) -> dict[str, tuple[bool, str]]:
    draft = report(wanted, observed, more.pop("failures", ()), more.pop("known", {}), **more)
    return {each.type.value: (each.status, each.reason.value) for each in draft.conditions}


REGISTER = RegisterSchema("orders-value", SCHEMA)


@pytest.mark.parametrize(
    ("spec", "live", "actions"),
    [
        ({}, there(), []),
        ({}, missing(), [REGISTER]),
        ({}, missing(1, 2), [REGISTER]),
        ({"normalize": True}, missing(), [RegisterSchema("orders-value", SCHEMA, normalize=True)]),
        # the dry run has the last word
        ({}, missing(1, verdict=NO), []),
        ({}, missing(1, verdict=None, invalid="no schema"), []),
        # what others set is taken away again
        ({}, there(compatibility=Level("NONE")), [SetCompatibility("orders-value", None)]),
        ({}, there(mode="READONLY"), [SetMode("orders-value", None)]),
        # unless more would go with it
        ({}, there(compatibility=Level("NONE", alone=False)), []),
        ({"compatibility": "FULL"}, there(compatibility=Level("FULL")), []),
        (
            {"compatibility": "FULL"},
            there(compatibility=Level("NONE", alone=False)),
            [SetCompatibility("orders-value", "FULL")],
        ),
        # a compatibility counts before the dry run that follows it
        ({"compatibility": "NONE"}, missing(1, verdict=None), [SetCompatibility("orders-value", "NONE")]),
        ({"compatibility": "NONE"}, missing(1, verdict=YES), [SetCompatibility("orders-value", "NONE")]),
        ({"compatibility": "NONE"}, missing(1, compatibility=Level("NONE")), [REGISTER]),
        # a subject is opened before, and closed after its schema is in it
        ({"mode": "READWRITE"}, missing(mode="READONLY"), [SetMode("orders-value", "READWRITE"), REGISTER]),
        (
            {"compatibility": "FULL"},
            there(mode="READONLY"),
            [SetMode("orders-value", None), SetCompatibility("orders-value", "FULL")],
        ),
        ({"mode": "READONLY"}, missing(), [REGISTER, SetMode("orders-value", "READONLY")]),
        ({"mode": "READONLY"}, there(), [SetMode("orders-value", "READONLY")]),
        ({"mode": "READONLY"}, missing(1, verdict=NO), [SetMode("orders-value", "READONLY")]),
        (
            {"mode": "READONLY", "compatibility": "FULL"},
            missing(verdict=None),
            [SetCompatibility("orders-value", "FULL")],
        ),
    ],
)
def test_what_differs_is_put_right_in_an_order_that_works(
    spec: dict[str, Any], live: Live, actions: list[Action]
) -> None:
    assert plan(subject(**spec), seen(live)) == actions


def test_without_a_schema_its_settings_are_kept_all_the_same() -> None:
    lacks = Problem(Reason.CONFIG_MAP_NOT_FOUND, "there is no ConfigMap")
    wanted = subject(compatibility="FULL", mode="READONLY")
    assert plan(wanted, Observed(Live((1,)), None, lacks)) == [
        SetCompatibility("orders-value", "FULL"),
        SetMode("orders-value", "READONLY"),
    ]
    assert conditions(wanted, Observed(Live((1,)), None, lacks))["Ready"] == (False, "ConfigMapNotFound")


@pytest.mark.parametrize(
    ("spec", "observed", "actions"),
    [
        ({"reclaimPolicy": "Delete"}, seen(there()), [HoldDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, seen(there(), held=True), []),
        ({}, seen(there(), held=True), [ReleaseDeletion(REF)]),
        (
            {"reclaimPolicy": "Delete"},
            Observed(Live((1,)), leaving=True, held=True),
            [DeleteSubject("orders-value"), ReleaseDeletion(REF)],
        ),
        # what closes it is opened first, and what would be left of it goes too
        (
            {"reclaimPolicy": "Delete", "mode": "READONLY"},
            Observed(Live((1,), Level("FULL"), "READONLY"), leaving=True, held=True),
            [SetMode("orders-value", None), DeleteSubject("orders-value"), ReleaseDeletion(REF)],
        ),
        (
            {"reclaimPolicy": "Delete"},
            Observed(Live((), Level("FULL")), leaving=True, held=True),
            [SetCompatibility("orders-value", None), DeleteSubject("orders-value"), ReleaseDeletion(REF)],
        ),
        ({}, Observed(Live((1,)), leaving=True, held=True), [ReleaseDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, Observed(None, leaving=True, held=True), [ReleaseDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, Observed(Live((1,)), leaving=True, held=False), []),
        # another SchemaSubject has it: nothing of it is ours, least of all its end
        ({"reclaimPolicy": "Delete"}, seen(missing(), owner="other"), []),
        (
            {"reclaimPolicy": "Delete"},
            Observed(Live((1,)), leaving=True, held=True, owner="other"),
            [ReleaseDeletion(REF)],
        ),
        # held before it is made, or a deletion in between would leave it
        ({"reclaimPolicy": "Delete"}, seen(missing()), [HoldDeletion(REF), REGISTER]),
    ],
)
def test_deletion_and_ownership(spec: dict[str, Any], observed: Observed, actions: list[Action]) -> None:
    assert plan(subject(**spec), observed) == actions


def test_an_incompatible_schema_is_told_in_the_registrys_words_and_the_old_version_stays() -> None:
    observed = seen(missing(1, 2, verdict=NO))
    (problem,) = problems(subject(), observed)
    assert problem.reason is Reason.INCOMPATIBLE_SCHEMA
    assert problem.message == (
        "the schema is not compatible with orders-value, so version 2 stays: {errorType:'X'}; {oldSchemaVersion: 1}"
    )
    draft = report(subject(), observed, [], {"id": 5, "version": 2, "guid": "g", "conditions": []})
    assert draft.fields == {"subject": "orders-value", "id": 5, "version": 2, "guid": "g", "latestVersion": 2}
    assert conditions(subject(), observed) == {
        "Ready": (False, "IncompatibleSchema"),
        "Progressing": (False, "Reconciled"),
        "Degraded": (True, "IncompatibleSchema"),
    }


def test_of_very_many_reasons_the_first_are_quoted() -> None:
    many = Verdict(False, tuple(f"reason {number}" for number in range(50)))
    (problem,) = problems(subject(), seen(missing(1, verdict=many)))
    assert "reason 19; and 30 more" in problem.message
    assert "reason 20" not in problem.message
    (silent,) = problems(subject(), seen(missing(1, verdict=Verdict(False))))
    assert silent.message.endswith("the registry does not say why")


def test_an_invalid_schema_is_told_in_the_registrys_words() -> None:
    (problem,) = problems(subject(), seen(missing(verdict=None, invalid="Invalid schema: line 1")))
    assert problem.reason is Reason.INVALID_SCHEMA
    assert "Invalid schema: line 1" in problem.message


def test_a_newer_version_is_told_and_harms_nothing() -> None:
    observed = seen(there(1, 2, 3, registered=Registered(8, 2)))
    assert plan(subject(), observed) == []
    problem = newer(subject(), observed)
    assert problem is not None
    assert "is version 2 of orders-value, and version 3 came after it" in problem.message
    assert conditions(subject(), observed) == {
        "Ready": (True, "Ready"),
        "Progressing": (False, "Reconciled"),
        "Degraded": (True, "NewerVersion"),
    }
    fields = report(subject(), observed, [], {}).fields
    assert fields == {"subject": "orders-value", "id": 8, "version": 2, "guid": None, "latestVersion": 3}
    assert newer(subject(), seen(there(1, 2, registered=Registered(8, 2)))) is None


def test_what_was_deleted_is_not_told_to_be_there_any_more() -> None:
    known = {"id": 5, "version": 2, "latestVersion": 2}
    assert report(subject(), seen(missing()), [], known).fields == {"subject": "orders-value"}
    # but what cannot be asked for stays as it was known
    away = waiting(subject(), Problem(Reason.REGISTRY_UNREACHABLE, "no answer"), known)
    assert away.fields == {"subject": "orders-value", **known}
    assert [each.status for each in away.conditions] == [False, True, False]
    asks = waiting(subject(), Problem(Reason.LOGIN_FAILED, "who?"), known)
    assert [each.status for each in asks.conditions] == [False, False, True]


def test_a_conflict_names_the_other() -> None:
    observed = seen(there(), owner="first")
    (problem,) = problems(subject(), observed)
    assert problem.reason is Reason.CONFLICT
    assert "SchemaSubject first" in problem.message
    assert report(subject(), observed, [], {}).fields == {"subject": "orders-value"}


def test_drift_is_told_in_words() -> None:
    before = Live((), Level("NONE"), "READONLY")
    actions: list[Action] = [
        SetCompatibility("orders-value", "FULL"),
        SetMode("orders-value", None),
        RegisterSchema("orders-value", SCHEMA),
    ]
    assert drift(actions, before, 3) == (
        "compatibility was set to NONE, is FULL again; mode was set to READONLY, is the registry's again; "
        "the subject orders-value was deleted outside Kopfka; it has been registered anew"
    )
    register = actions[2:]
    assert "version 3 was deleted outside Kopfka" in drift(register, Live((1, 2)), 3)
    # a changed ConfigMap, or a changed reference, is no drift
    assert drift(register, Live((1, 2, 3)), 3) == ""
    assert drift(register, Live(()), None) == ""
    assert drift([SetCompatibility("s", "FULL")], Live(()), 1) == "compatibility was not set, is FULL again"


def test_everything_that_belongs_to_a_schema_is_sent() -> None:
    rules = {"domainRules": [{"name": "r", "onFailure": "DLQ"}]}
    wanted = subject(
        type="JSON", schema="{}", metadata={"tags": {"a.b": ["PII"]}, "properties": {"owner": "me"}}, ruleSet=rules
    )
    schema = schema_of(wanted.spec, "{}", (Reference("a.json", "address", 3),))
    assert schema.body() == {
        "schemaType": "JSON",
        "schema": "{}",
        "references": [{"name": "a.json", "subject": "address", "version": 3}],
        "metadata": {"tags": {"a.b": ("PII",)}, "properties": {"owner": "me"}},
        "ruleSet": rules,
    }
    assert Schema("AVRO", "1").body() == {"schemaType": "AVRO", "schema": "1"}


def test_what_is_referred_to_comes_first() -> None:
    needs = {"order": {"address", "customer"}, "customer": {"address", "elsewhere"}, "address": set[str]()}
    assert levels(needs) == ([["address"], ["customer"], ["order"]], [])
    assert dependents(["address"], needs) == {"address", "customer", "order"}
    assert dependents(["customer"], needs) == {"customer", "order"}


def test_a_circle_has_no_order() -> None:
    needs = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set[str](), "e": {"e"}}
    assert levels(needs) == ([["d"]], ["a", "b", "c", "e"])
    assert dependents(["c"], needs) == {"a", "b", "c"}


names = st.sampled_from("abcdef")


@given(needs=st.dictionaries(names, st.sets(names, max_size=3)))
def test_every_name_is_placed_once_and_after_what_it_needs(needs: dict[str, set[str]]) -> None:
    groups, circle = levels(needs)
    placed: set[str] = set()
    for group in groups:
        for name in group:
            assert needs[name] & set(needs) <= placed
        placed |= set(group)
    assert sorted([name for group in groups for name in group] + circle) == sorted(needs)


class FakeRegistry:
    """What a registry does with actions, as far as a plan can see; it takes whatever it is told is compatible."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.level: str | None = None
        self.mode: str | None = None
        self.held = False

    def observed(self, wanted: Subject) -> Observed:
        schema = schema_of(wanted.spec, wanted.spec.text or "from a ConfigMap", ())
        live = Live(range(1, len(self.texts) + 1), Level(self.level) if self.level else None, self.mode)
        if schema.text in self.texts:
            version = self.texts.index(schema.text) + 1
            live = Live(live.versions, live.compatibility, live.mode, Registered(version, version))
        elif settings_agree(wanted, live):
            live = Live(live.versions, live.compatibility, live.mode, verdict=YES)
        return Observed(live, schema, held=self.held)

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case HoldDeletion():
                    self.held = True
                case ReleaseDeletion():
                    self.held = False
                case SetCompatibility():
                    assert self.mode in (None, "READWRITE", "IMPORT"), "a closed subject takes nothing"
                    self.level = action.level
                case SetMode():
                    self.mode = action.mode
                case RegisterSchema():
                    assert self.mode in (None, "READWRITE", "IMPORT"), "a closed subject takes nothing"
                    assert action.schema.text not in self.texts
                    self.texts.append(action.schema.text)
                case _:
                    raise AssertionError(action)


@settings(max_examples=150, deadline=None)
@given(specs=st.lists(valid_subjects, min_size=1, max_size=4))
def test_few_plans_are_enough_for_every_change(specs: list[dict[str, Any]]) -> None:
    fake = FakeRegistry()
    for spec in specs:
        wanted = subject(**{**spec, "registry": "r", "subject": "s"})
        if fake.mode not in (None, "READWRITE", "IMPORT"):
            fake.mode = None  # whoever closes a subject has to open it before its schema changes
        for _ in range(3):
            fake.carry_out(plan(wanted, fake.observed(wanted)))
        observed = fake.observed(wanted)
        assert plan(wanted, observed) == []
        assert fake.held == (wanted.spec.reclaim_policy == "Delete")
        assert (fake.level, fake.mode) == (wanted.spec.compatibility, wanted.spec.mode)
        assert report(wanted, observed, [], {}).conditions[0].status
