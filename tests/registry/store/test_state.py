"""What records add up to, and that compaction does not change it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.models import Config, Reference
from kopfka_registry.names import SchemaId, Version
from kopfka_registry.store.content import Content, Registered
from kopfka_registry.store.records import (
    ClearSubjectKey,
    ConfigKey,
    ContextKey,
    DeleteSubjectKey,
    Entry,
    ModeKey,
    NoopKey,
    SchemaKey,
)
from kopfka_registry.store.state import State


def content(text="a", *references):
    return Content("AVRO", text, tuple(Reference(name=s, subject=s, version=v) for s, v in references))


def schema(subject, version, number, kept=None, *, deleted=False):
    return Entry(
        SchemaKey(subject, Version(version)),
        Registered(subject, Version(version), SchemaId(number), kept or content(), deleted),
    )


def state_of(*entries):
    state = State()
    for entry in entries:
        state.apply(entry)
    return state


def test_versions_of_a_subject():
    state = state_of(schema("s", 2, 5, content("b")), schema("s", 1, 4), schema("t", 1, 4))
    assert [each.version for each in state.versions("s")] == [1, 2]
    assert state.latest("s").id == 5
    assert list(state.subjects()) == ["s", "t"]
    assert state.known(".", 4).places == [("s", 1), ("t", 1)]
    assert state.id_of(".", content("b").fingerprint()) == 5


def test_a_deleted_version_is_found_by_who_asks_for_deleted_ones_and_by_its_id():
    state = state_of(schema("s", 1, 4), schema("s", 1, 4, deleted=True))
    assert state.versions("s") == []
    assert state.version("s", 1) is None
    assert [each.deleted for each in state.versions("s", deleted=True)] == [True]
    assert state.known(".", 4) is not None
    assert state.latest("s") is None
    assert state.last_version("s") == 1


def test_a_tombstone_leaves_nothing_but_the_number_of_the_last_id():
    state = state_of(schema("s", 1, 4), Entry(SchemaKey("s", Version(1))))
    assert state.versions("s", deleted=True) == []
    assert list(state.subjects()) == []
    assert state.known(".", 4) is None
    assert state.id_of(".", content().fingerprint()) is None
    assert state.ids_of_guid(content().fingerprint()) == []
    assert state.last_ids() == {".": 4}


def test_the_deletion_of_a_subject_is_that_of_versions_up_to_one():
    state = state_of(schema("s", 1, 1), schema("s", 2, 2, content("b")), Entry(DeleteSubjectKey("s"), Version(1)))
    assert [each.version for each in state.versions("s")] == [2]


def test_a_cleared_subject_is_gone():
    state = state_of(schema("s", 1, 1), schema("s", 2, 2, content("b")), Entry(ClearSubjectKey("s"), ""))
    assert state.versions("s", deleted=True) == []


def test_contexts_have_ids_of_their_own():
    state = state_of(schema("s", 1, 1), schema(":.c:s", 1, 1, content("b")))
    assert state.contexts() == [".", ".c"]
    assert state.known(".", 1).content.text == "a"
    assert state.known(".c", 1).content.text == "b"
    assert state_of(Entry(ContextKey(".d"), "")).contexts() == [".", ".d"]


def test_who_refers_to_a_schema_is_known_until_it_is_deleted():
    referring = schema("s", 1, 2, content("b", ("t", 1)))
    state = state_of(schema("t", 1, 1), referring)
    assert [each.subject for each in state.referrers("t", 1)] == ["s"]
    state.apply(schema("s", 1, 2, content("b", ("t", 1)), deleted=True))
    assert state.referrers("t", 1) == []


def test_a_reference_without_a_context_means_that_of_its_schema():
    state = state_of(schema(":.c:t", 1, 1), schema(":.c:s", 1, 2, content("b", ("t", 1))))
    assert [each.subject for each in state.referrers(":.c:t", 1)] == [":.c:s"]
    assert state.referrers("t", 1) == []


def test_settings_of_a_subject_go_before_those_of_its_context_and_of_all():
    state = state_of(
        Entry(ConfigKey(None), Config(compatibility_level="FULL", normalize=True)),
        Entry(ConfigKey("s"), Config(compatibility_level="NONE")),
        Entry(ConfigKey(":.c:"), Config(compatibility_level="FORWARD")),
        Entry(ConfigKey(":.__GLOBAL:"), Config(alias="x")),
    )
    assert state.config_in_scope("s").compatibility_level == "NONE"
    assert state.config_in_scope("s").normalize is True
    assert state.config_in_scope("t").compatibility_level == "FULL"
    assert state.config_in_scope(":.c:t").compatibility_level == "FORWARD"
    assert state.config_in_scope(":.d:t").alias == "x"
    assert state_of(Entry(ConfigKey("s"), Config(normalize=True)), Entry(ConfigKey("s"))).config("s") is None


def test_a_wider_override_of_the_mode_goes_before_all():
    state = state_of(Entry(ModeKey("s"), "READWRITE"), Entry(ModeKey(None), "READONLY"))
    assert state.mode_in_scope("s") == "READWRITE"
    state.apply(Entry(ModeKey(None), "READONLY_OVERRIDE"))
    assert state.mode_in_scope("s") == "READONLY_OVERRIDE"


_subjects = st.sampled_from(["s", "t", ":.c:s"])
_numbers = st.integers(1, 4)


@st.composite
def _schemas(draw):
    """Schemas as a leader writes them: an id is one content."""
    number = draw(_numbers)
    kept = content(f"{number}", *([("t", number)] if number % 2 else []))
    return schema(draw(_subjects), draw(_numbers), number, kept, deleted=draw(st.booleans()))


_entries = st.lists(
    _schemas()
    | st.builds(lambda s, v: Entry(SchemaKey(s, Version(v))), _subjects, _numbers)
    | st.builds(lambda s: Entry(ConfigKey(s), Config(compatibility_level="FULL")), _subjects)
    | st.builds(lambda s: Entry(ConfigKey(s)), _subjects)
    | st.builds(lambda s: Entry(ModeKey(s), "READONLY"), _subjects)
    | st.builds(lambda n: Entry(NoopKey(), {".": n}), _numbers),
    max_size=30,
)


def _view(state):
    return {
        "versions": {s: state.versions(s, deleted=True) for s in ("s", "t", ":.c:s")},
        "ids": {(c, n): sorted(k.places) for c in (".", ".c") for n in range(6) if (k := state.known(c, n))},
        "referrers": {(s, v): state.referrers(s, v) for s in ("s", "t", ":.c:t") for v in range(1, 5)},
        "configs": dict(state.configs()),
        "modes": [state.mode(s) for s in ("s", "t", ":.c:s")],
        "subjects": list(state.subjects()),
    }


@given(_entries)
def test_compaction_changes_nothing(entries):
    last = {entry.key: index for index, entry in enumerate(entries)}
    compacted = [entry for index, entry in enumerate(entries) if last[entry.key] == index]
    assert _view(state_of(*compacted)) == _view(state_of(*entries))


@given(_entries)
def test_what_is_known_of_ids_is_what_stands_under_subjects(entries):
    state = state_of(*entries)
    places = {
        (each.subject, each.version) for subject in state.subjects() for each in state.versions(subject, deleted=True)
    }
    known = [state.known(context, number) for context in state.contexts() for number in range(6)]
    assert {place for each in known if each for place in each.places} == places
