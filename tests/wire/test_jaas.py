"""JAAS configurations: the language of `sasl.jaas.config`."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_runtime.errors import SettingsError
from kopfka_wire.sasl.jaas import parse_jaas

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def test_a_jaas_entry_as_the_documentation_of_kafka_has_it():
    module = parse_jaas(
        f'{PLAIN} required\n username="admin" password="admin-secret" // of brokers\n'
        ' user_admin="admin-secret" user_alice=\'a"b\';',
        "sasl.jaas.config",
    )
    assert module.name == PLAIN
    assert module.users == {"admin": "admin-secret", "alice": 'a"b'}
    assert module.options["username"] == "admin"


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(codec="utf-8"), max_size=12))
)
def test_jaas_values_may_be_any_text(options):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    text = f"{PLAIN} required {' '.join(f'{key}={quoted(value)}' for key, value in options.items())};"
    assert parse_jaas(text, "x").options == options


@pytest.mark.parametrize(
    "text",
    ["", PLAIN, f"{PLAIN} required", f"{PLAIN} maybe;", f"{PLAIN} required a;", f"{PLAIN} required a=;",
     f'{PLAIN} required a="secret;', f"{PLAIN} required; {PLAIN} required;"],
)  # fmt: skip
def test_malformed_jaas_is_refused_by_the_name_of_its_setting_without_its_secrets(text):
    with pytest.raises(SettingsError, match=r"listener\.name\.x\.plain\.sasl\.jaas\.config") as caught:
        parse_jaas(text, "listener.name.x.plain.sasl.jaas.config")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_other_text_is_no_jaas_and_nothing_worse(text):
    with contextlib.suppress(SettingsError):
        parse_jaas(text, "x")
