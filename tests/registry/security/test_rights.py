"""Roles and patterns of subjects."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_registry.names import qualified
from kopfka_registry.security.rights import Right, read_roles
from kopfka_runtime.errors import SettingsError


def rights(**settings):
    """Return the rights of a role with these settings."""
    return read_roles({f"kopfka.role.dev.{name}": value for name, value in settings.items()}).of("ann", ["dev"])


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("orders-value", "orders-value", True),
        ("orders-value", "orders-value2", False),
        ("orders-*", "orders-value", True),
        ("orders-*", "orders-", True),
        ("orders-*", "order", False),
        ("*-value", "orders-value", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "axxbyyc", True),
        ("a*b*c", "acb", False),
        ("a*bb*b", "abb", False),
        ("a*a", "a", False),
        # contexts: a pattern means the one it names
        ("orders-*", ":.staging:orders-value", False),
        ("*-value", ":.staging:orders-value", False),
        (":.staging:*", ":.staging:orders-value", True),
        (":.staging:*", ":.staging:", True),
        (":.staging:orders-*", ":.staging:", False),
        (":.staging:*", "orders-value", False),
        (":.staging:*", ":.staging2:orders-value", False),
        (":.team-*:*", ":.team-a:x", True),
        (":*:orders-*", ":.staging:orders-value", True),
        (":*:orders-*", "orders-value", True),
        (":.:*", "orders-value", True),
        (":.:*", ":.staging:x", False),
        # what holds for all contexts is nobody's but of whoever may do everything
        (":*:*", ":.__GLOBAL:", False),
        (":.__GLOBAL:*", ":.__GLOBAL:", False),
        ("*", ":.__GLOBAL:", True),
        ("*", ":.staging:orders-value", True),
    ],
)
def test_patterns(pattern, subject, fits):
    assert rights(read=pattern).may(Right.READ, subject) is fits


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_a_star_means_any_characters(pattern, text):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    found = rights(read=f"{pattern},never").may(Right.READ, text)
    assert found is (expected if pattern else False)


def test_a_pattern_with_many_stars_and_a_long_name_take_no_time():
    assert not rights(read="*a" * 30 + "*b").may(Right.READ, "a" * 100_000)


def test_each_right_includes_those_before_it():
    mine = rights(read="r", write="w", admin="a")
    held = {subject: [right for right in Right if mine.may(right, subject)] for subject in "rwax"}
    assert held == {"r": [Right.READ], "w": [Right.READ, Right.WRITE], "a": list(Right), "x": []}
    assert mine.may_any()
    assert not any(mine.may_all(right) for right in Right)


def test_everything_is_more_than_every_pattern():
    assert [right for right in Right if rights(write="*").may_all(right)] == [Right.READ, Right.WRITE]
    assert not rights(admin=":*:*").may_all(Right.READ)


def test_roles_add_up_and_come_from_logins_and_settings():
    roles = read_roles(
        {
            "kopfka.role.dev.read": "a , b",
            "kopfka.role.ops.admin": "b",
            "kopfka.role.ops.principals": "User:ann; CN=robot,OU=machines",
            "kopfka.role.idle.read": "",
            "kopfka.super.roles": "root, boss",
        }
    )
    assert roles.of("bob", ["dev"]).may(Right.READ, "b")
    assert not roles.of("bob", ["dev"]).may(Right.WRITE, "b")
    assert roles.of("ann", ["dev"]).may(Right.ADMIN, "b")
    assert roles.of("CN=robot,OU=machines", ()).may(Right.ADMIN, "b")
    assert not roles.of(None, ()).may_any()
    assert not roles.of("bob", ["unheard of"]).may_any()
    assert not roles.of("bob", ["idle"]).may_any()
    assert roles.of("bob", ["boss"]).may_all(Right.ADMIN)
    # one object for each set of roles that mean something: answers are kept by it
    assert roles.of("bob", ["dev"]) is roles.of("cleo", ["dev", "unheard of"])
    assert roles.of("bob", ["dev"]) is not roles.of("ann", ["dev"])


def test_contexts_that_are_seen():
    mine = rights(read=":.team-*:*,x")
    assert [each for each in (".", ".team-a", ".other") if mine.sees(each)] == [".", ".team-a"]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("kopfka.role.dev.reed", "x", r"did you mean kopfka\.role\.dev\.read"),
        ("kopfka.role.dev", "x", "unknown setting"),
        ("kopfka.role.", "x", "unknown setting"),
        ("kopfka.role.dev.read", ":staging:x", "no pattern"),
        ("kopfka.role.dev.read", ":.staging", "no pattern"),
    ],
)
def test_malformed_settings(setting, value, said):
    with pytest.raises(SettingsError, match=said):
        read_roles({setting: value})


def test_without_settings_there_are_no_roles():
    assert read_roles({}) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_pattern_and_any_subject(pattern, subject):
    try:
        mine = rights(read=pattern)
    except SettingsError:
        return
    mine.may(Right.READ, qualified(subject))
