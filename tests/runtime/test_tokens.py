"""Bearer tokens signed by a key of a JWKS: signatures, claims, keys that change."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.identity.jwks import JwksSettings, KeySet
from kopfka_runtime.identity.tokens import JwtRules, SignedTokens, TokenRefusedError
from support.clocks import Clock
from support.logins import IdentityProvider

RULES = JwtRules(audience=("kafka",), issuer="tests", clock_skew_seconds=5)


@pytest.fixture(scope="module")
def provider():
    provider = IdentityProvider()
    yield provider
    provider.close()


def validator(provider, rules=RULES, **settings):
    return SignedTokens(KeySet(JwksSettings(provider.url, **settings)), rules)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_good_token(provider, algorithm):
    claims = await validator(provider).validate(provider.token("ann", algorithm, seconds=60))
    assert claims.principal == "ann"
    assert abs(claims.expires_ms - (time.time() + 60) * 1000) < 5000


async def test_other_claims_may_name_the_principal(provider):
    rules = JwtRules(principal_claim="email", scope_claim="scp")
    token = provider.token(None, email="a@b", scp=["x", "y"])
    assert (await validator(provider, rules).validate(token)).principal == "a@b"


@pytest.mark.parametrize(
    "claims",
    [{"aud": "others"}, {"aud": None}, {"iss": "others"}, {"iss": None}, {"exp": 1}, {"exp": None}, {"iat": None},
     {"exp": "soon"}, {"nbf": 9e9}, {"sub": ""}, {"sub": 7}, {"sub": None}, {"scope": ["a", "a"]}, {"scope": 3}],
    ids=str,
)  # fmt: skip
async def test_claims_that_are_refused(provider, claims):
    with pytest.raises(TokenRefusedError):
        await validator(provider).validate(provider.token("ann", **claims))


async def test_signatures_that_are_refused(provider):
    good = provider.token("ann")
    head, body, signature = good.split(".")
    other = IdentityProvider()
    other.close()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"RS256"}').rstrip(b"=").decode()
    tokens = [f"{head}.{body}.", f"{head}.{body}.AAAA", other.token("ann"), f"{unsigned}.{body}.", "a.b.c", "x",
              f"{symmetric}.{body}.{signature}", f"{head}.{body[:-2]}AA.{signature}"]  # fmt: skip
    for token in tokens:
        with pytest.raises(TokenRefusedError):
            await validator(provider).validate(token)


async def test_a_new_key_is_fetched_at_once_but_made_up_ones_do_not_bother_the_provider():
    provider, clock, asked = IdentityProvider(), Clock(1000.0), []

    def fetch(url):
        asked.append(url)
        return provider.jwks()

    tokens = SignedTokens(KeySet(JwksSettings(provider.url, backoff_ms=100), clock, fetch), RULES)
    assert (await tokens.validate(provider.token("ann"))).principal == "ann"
    provider.keys["RS256-2"] = IdentityProvider().keys["RS256"]
    clock.now += 1
    assert (await tokens.validate(provider.token("ann", key="RS256-2"))).principal == "ann"
    assert len(asked) == 2
    provider.keys["RS256-3"] = provider.keys["RS256"]
    for _ in range(5):
        with pytest.raises(TokenRefusedError):
            await tokens.validate(provider.token("ann", key="RS256-3"))
    assert len(asked) == 2
    provider.close()


async def test_the_old_keys_serve_while_the_provider_is_away():
    provider, clock = IdentityProvider(), Clock(1000.0)
    away = []

    def fetch(url):
        if away:
            raise OSError("gone")
        return provider.jwks()

    tokens = SignedTokens(KeySet(JwksSettings(provider.url, refresh_ms=1000), clock, fetch), RULES)
    await tokens.validate(provider.token("ann"))
    away.append(True)
    for _ in range(3):
        clock.now += 10
        assert (await tokens.validate(provider.token("ann"))).principal == "ann"
    provider.close()


async def test_keys_come_from_a_file_too(provider, tmp_path):
    (tmp_path / "keys").write_bytes(provider.jwks())
    tokens = SignedTokens(KeySet(JwksSettings((tmp_path / "keys").as_uri())), RULES)
    assert (await tokens.validate(provider.token("ann"))).principal == "ann"
    with pytest.raises(SettingsError, match=r"jwks\.endpoint\.url"):
        KeySet(JwksSettings("ftp://x"))


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("groups", {"groups": ["a", "b"]}, ("a", "b")),
        ("groups", {"groups": "a"}, ("a",)),
        ("groups", {}, ()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ("a",)),
        ("realm_access.roles", {"realm_access.roles": ["b"], "realm_access": {"roles": ["a"]}}, ("b",)),
        ("realm_access.roles", {"realm_access": "a"}, ()),
        (None, {"groups": ["a"]}, ()),
    ],
)
async def test_a_claim_may_list_roles(provider, claim, claims, roles):
    validated = await validator(provider, JwtRules(roles_claim=claim)).validate(provider.token("ann", **claims))
    assert validated.roles == roles


@pytest.mark.parametrize("value", [7, {"a": 1}, ["a", 7]])
async def test_roles_that_are_none(provider, value):
    with pytest.raises(TokenRefusedError, match="groups"):
        await validator(provider, JwtRules(roles_claim="groups")).validate(provider.token("ann", groups=value))


@given(st.text(max_size=60))
async def test_rubbish_is_refused_and_nothing_worse(text):
    with pytest.raises(TokenRefusedError):
        await SignedTokens(KeySet(JwksSettings("file:///nowhere")), RULES).validate(text)
