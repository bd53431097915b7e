"""ACLs decide as Kafka's StandardAuthorizer does: held against a model that looks at every ACL, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.acls import Acl, AclFilter, AclSet, PatternType, Permission
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.security.principal import Principal

NAMES = st.sampled_from(["a", "ab", "abc", "b", "*", "abd", "x"])
PRINCIPALS = st.sampled_from(["User:alice", "User:bob", "User:*", "Group:alice"])
HOSTS = st.sampled_from(["*", "1.1.1.1", "2.2.2.2"])
OPERATIONS = st.sampled_from([each for each in Operation if each > Operation.ANY])
TYPES = st.sampled_from([ResourceType.TOPIC, ResourceType.GROUP])
ACLS = st.builds(
    Acl,
    TYPES,
    NAMES,
    st.sampled_from([PatternType.LITERAL, PatternType.PREFIXED]),
    PRINCIPALS,
    HOSTS,
    OPERATIONS,
    st.sampled_from([Permission.ALLOW, Permission.DENY]),
)
SETS = st.lists(ACLS, max_size=12)
QUESTIONS = st.tuples(
    st.sampled_from([Principal("User", "alice"), Principal("User", "carol"), Principal("Group", "alice")]),
    st.sampled_from(["1.1.1.1", "3.3.3.3"]),
    OPERATIONS,
    TYPES,
    st.sampled_from(["a", "ab", "abc", "abcd", "b", "z"]),
)
DESCRIBING = {Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER, Operation.DESCRIBE}


def covers(acl, resource_type, name):
    if acl.resource_type != resource_type:
        return False
    if acl.pattern_type is PatternType.PREFIXED:
        return name.startswith(acl.name)
    return acl.name in (name, "*")


def about(acl, principal, host, operation):
    if acl.principal not in (str(principal), "User:*") or acl.host not in ("*", host):
        return False
    if acl.operation in (operation, Operation.ALL):
        return True
    if acl.permission is Permission.DENY:
        return False
    return (operation is Operation.DESCRIBE and acl.operation in DESCRIBING) or (
        operation is Operation.DESCRIBE_CONFIGS and acl.operation is Operation.ALTER_CONFIGS
    )


@given(acls=SETS, question=QUESTIONS)
def test_decides_as_a_look_at_every_acl_does(acls, question):
    principal, host, operation, resource_type, name = question
    covering = [acl for acl in acls if covers(acl, resource_type, name)]
    speaking = {acl.permission for acl in covering if about(acl, principal, host, operation)}
    decision = AclSet(acls).decide(*question)
    assert decision.allowed == (speaking == {Permission.ALLOW})
    assert decision.silent == (not covering)
    assert (decision.rule is None) == (not speaking)


@given(acls=SETS, question=QUESTIONS)
def test_any_resource_is_allowed_only_where_one_is(acls, question):
    """What `decide_any` allows is some resource's right: a literal one, or any name long enough under a prefix."""
    principal, host, operation, resource_type, _ = question
    every = AclSet(acls)
    if not every.decide_any(principal, host, operation, resource_type):
        return
    names = {acl.name for acl in acls if acl.name != "*" or acl.pattern_type is PatternType.PREFIXED}
    candidates = names | {f"{name}-of-nobody-else" for name in names} | {"of nobody at all"}
    allowed = any(every.decide(principal, host, operation, resource_type, name).allowed for name in candidates)
    literals_denied = any(acl.permission is Permission.DENY and about(acl, principal, host, operation) for acl in acls)
    assert allowed or literals_denied


@given(acls=SETS)
def test_a_set_forgets_what_is_removed(acls):
    every = AclSet(acls)
    assert list(every) == list(dict.fromkeys(acls))
    gone = list(every)[::2]
    for acl in gone:
        every.remove(acl)
    assert list(every) == [acl for acl in dict.fromkeys(acls) if acl not in gone]
    rest = AclSet(every)
    for name in ("a", "ab", "abc", "x"):
        question = (Principal("User", "alice"), "1.1.1.1", Operation.READ, ResourceType.TOPIC, name)
        assert every.decide(*question) == rest.decide(*question)


def wanted(**fields):
    nothing = {
        "resource_type": ResourceType.ANY,
        "name": None,
        "pattern_type": PatternType.ANY,
        "principal": None,
        "host": None,
        "operation": Operation.ANY,
        "permission": Permission.ANY,
    }
    return AclFilter(**(nothing | fields))


def topic(name, pattern_type=PatternType.LITERAL):
    return Acl(ResourceType.TOPIC, name, pattern_type, "User:alice", "*", Operation.READ, Permission.ALLOW)


@pytest.mark.parametrize(
    ("fields", "means"),
    [
        ({}, ["foo", "fo", "*", "foobar"]),
        ({"name": "foo"}, ["foo"]),
        ({"name": "fo", "pattern_type": PatternType.PREFIXED}, ["fo"]),
        ({"name": "fo", "pattern_type": PatternType.LITERAL}, []),
        ({"name": "foo", "pattern_type": PatternType.MATCH}, ["foo", "fo", "*"]),
        ({"name": "*", "pattern_type": PatternType.MATCH}, ["*"]),
        ({"pattern_type": PatternType.LITERAL}, ["foo", "*", "foobar"]),
        ({"principal": "User:bob"}, []),
        ({"operation": Operation.ALL}, []),
        ({"resource_type": ResourceType.GROUP}, []),
    ],
)
def test_filters(fields, means):
    every = AclSet([topic("foo"), topic("fo", PatternType.PREFIXED), topic("*"), topic("foobar")])
    assert [acl.name for acl in every.matching(wanted(**fields))] == means


def test_a_lookup_does_not_go_through_every_acl():
    """Of 10,000 ACLs a question looks at those that cover the name, and at no other."""
    every = AclSet(
        [topic(f"team-{number}-", PatternType.PREFIXED) for number in range(5000)]
        + [topic(f"name-{number}") for number in range(5000)]
    )
    of_topics = every._types[ResourceType.TOPIC]
    assert [acl.name for acl in of_topics.about("team-77-orders")] == ["team-77-"]
    assert [acl.name for acl in of_topics.about("name-77")] == ["name-77"]
    assert len(of_topics.lengths) == 4  # team-7-, team-77-, team-777-, team-7777-
