"""`.properties` files are read as Java reads them, and unknown names get the nearest known one."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.settings import (
    format_properties,
    nearest,
    parse_properties,
    settings_of_variables,
    unknown_setting,
    variable_of,
)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("a=1\nb = 2\nc:3\nd 4\ne", {"a": "1", "b": "2", "c": "3", "d": "4", "e": ""}),
        ("# note\n! note\n\n  a = 1", {"a": "1"}),
        ("a=1\\\n   2\\\n3", {"a": "123"}),
        ("a\\=b=c\\\\", {"a=b": "c\\"}),
        ("a=\\u0041\\t.", {"a": "A\t."}),
        ("a=1\r\nb=2\ra=3", {"a": "3", "b": "2"}),
        ("a = = b", {"a": "= b"}),
        ("a=trailing  ", {"a": "trailing  "}),
        ("a=1\\", {"a": "1"}),
        ("a=1\\\n# not a comment", {"a": "1# not a comment"}),
        ("", {}),
    ],
)
def test_reads_what_java_reads(text: str, settings: dict[str, str]) -> None:
    assert parse_properties(text) == settings


@pytest.mark.parametrize("digits", ["12x4", "12", "+123", ""])
def test_a_malformed_escape_is_refused_by_name(digits: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"\\u{digits} in")):
        parse_properties(f"a=\\u{digits}")


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_written_is_read_back(settings: dict[str, str]) -> None:
    assert parse_properties(format_properties(settings)) == settings


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert all(isinstance(part, str) for pair in parse_properties(text).items() for part in pair)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    known = ["log.retention.hours", "log.retention.ms", "num.partitions"]
    assert nearest("log.retention.hourss", known) == "log.retention.hours"
    assert "did you mean log.retention.hours?" in str(unknown_setting("log.retention.hourss", known))
    assert "no known setting" in str(unknown_setting("zzz", known))


def test_variables_stand_for_settings_as_in_confluents_images() -> None:
    environment = {"SR_SSL_KEYSTORE_KEY": "k", "SR_A__B___C_D": "1", "SR_": "x", "PATH": "/bin", "XSR_A": "2"}
    assert settings_of_variables("SR_", environment) == {"ssl.keystore.key": "k", "a_b-c.d": "1"}
    assert variable_of("SR_", "ssl.keystore.key") == "SR_SSL_KEYSTORE_KEY"


@given(st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)*", fullmatch=True))
def test_a_setting_is_the_same_by_way_of_its_variable(name: str) -> None:
    assert settings_of_variables("P_", {variable_of("P_", name): "v"}) == {name: "v"}
