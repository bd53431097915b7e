"""Mapping rules and names of certificates: the languages of Kafka's security settings."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.identity.dn import subject_name
from kopfka_runtime.identity.mapping import NoRuleAppliesError, parse_rules
from support.certificates import Authority, subject

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
    assert parse_rules(DOCUMENTED).name(name) == principal


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
    assert parse_rules(rules).name(name) == principal


def test_a_name_no_rule_is_for_is_nobody():
    with pytest.raises(NoRuleAppliesError, match="CN=b"):
        parse_rules("RULE:^CN=a$/a/").name("CN=b")


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
