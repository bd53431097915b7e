"""JAAS configurations, mapping rules and names of certificates: the languages of Kafka's security settings."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.dn import subject_name
from kopfka_broker.security.jaas import parse_jaas
from kopfka_broker.security.mapping import NoRuleAppliesError, parse_rules
from kopfka_broker.security.suites import openssl_ciphers, tls13_suites
from kopfka_runtime.errors import SettingsError
from support.certificates import Authority, subject

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


DOCUMENTED = (
    r"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/,"
    r"RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L,"
    r"RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L,"
    r"DEFAULT"
)


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ("CN=serviceuser,OU=ServiceUsers,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "serviceuser"),
        ("CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "adminuser@admin"),
        ("CN=Other.User,OU=x", "other.user"),
        ("OU=nobody", "OU=nobody"),
    ],
)
def test_mapping_rules_as_the_documentation_of_kafka_has_them(name, principal):
    assert parse_rules(DOCUMENTED).principal(name) == ("User", principal)


@pytest.mark.parametrize(
    ("rules", "name", "principal"),
    [
        ("DEFAULT", "CN=A", "CN=A"),
        ("", "CN=A", "CN=A"),
        ("RULE:^CN=(.*?),.*$/$1/U", "CN=abc,O=d", "ABC"),
        (r"RULE:^cn=\/(.*)$/x\/$1/", "cn=/a", "x/a"),
        (" RULE:^A$/b/L , RULE:^B$/$0c/ ", "B", "Bc"),
    ],
)
def test_mapping_rules(rules, name, principal):
    assert parse_rules(rules).principal(name).name == principal


def test_a_name_no_rule_is_for_is_nobody():
    with pytest.raises(NoRuleAppliesError, match="CN=b"):
        parse_rules("RULE:^CN=a$/a/").principal("CN=b")


@pytest.mark.parametrize("rules", ["default", "DEFAULT/L", "RULE:CN/A/LU", "RULE:(/x/", "RULE:^a$/$1/", "RULE:a"])
def test_malformed_rules_are_refused(rules):
    with pytest.raises(SettingsError, match=r"ssl\.principal\.mapping\.rules"):
        parse_rules(rules)


def test_the_subject_of_a_certificate_is_written_as_java_writes_it():
    name = subject(C="DE", O='A "B", C', OU=" x+y ", CN="Zoë <z>", EMAIL="a@b")
    certificate = Authority().issue(name).certificate
    from cryptography.hazmat.primitives.serialization import Encoding

    assert subject_name(certificate.public_bytes(Encoding.DER)) == (
        r"1.2.840.113549.1.9.1=#1603614062,CN=Zoë \<z\>,OU=\ x\+y\ ,O=A \"B\"\, C,C=DE"
    )


@given(st.binary(max_size=80))
def test_any_other_bytes_are_no_certificate(data):
    with contextlib.suppress(ValueError):
        subject_name(data)


def test_names_of_cipher_suites():
    java = ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA"]
    assert tls13_suites(java) == java[:1]
    assert openssl_ciphers(java, "x") == "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA"
    assert openssl_ciphers(["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"], "x") == "ECDHE-ECDSA-CHACHA20-POLY1305"
    with pytest.raises(SettingsError, match=r"ssl\.cipher\.suites"):
        openssl_ciphers(["SSL_DH_anon_EXPORT_WITH_RC4_40_MD5"], "ssl.cipher.suites")
