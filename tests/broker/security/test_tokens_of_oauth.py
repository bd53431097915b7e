"""Kafka's unsecured tokens, and the exchange by which tokens of either kind come."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.security.jwt_validation import UnsecuredTokens
from kopfka_broker.security.mechanism import AuthenticationFailedError, InvalidTokenError
from kopfka_broker.security.oauth import OAuthBearerExchange
from kopfka_runtime.identity.tokens import TokenRefusedError
from support.logins import IdentityProvider


def unsecured(**claims):
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


async def test_unsecured_tokens():
    tokens = UnsecuredTokens({"unsecuredValidatorRequiredScope": "a b"}, lambda: 100.0)
    claims = await tokens.validate(unsecured(sub="ann", exp=160, scope=["a", "b", "c"]))
    assert (claims.principal, claims.expires_ms) == ("ann", 160_000)
    for bad in ({"exp": 90}, {"exp": None}, {"sub": ""}, {"scope": "a"}, {"iat": 101}, {"exp": True}):
        with pytest.raises(TokenRefusedError):
            await tokens.validate(unsecured(**({"sub": "ann", "exp": 160, "scope": "a b"} | bad)))
    with pytest.raises(TokenRefusedError):
        await tokens.validate(IdentityProvider().token("ann"))


@given(st.text(max_size=60))
async def test_rubbish_is_refused_and_nothing_worse(text):
    with pytest.raises(TokenRefusedError):
        await UnsecuredTokens({}).validate(text)


async def test_a_refusal_is_told_and_confirmed_before_the_end():
    exchange = OAuthBearerExchange(UnsecuredTokens({}, lambda: 100.0))
    answer, outcome = await exchange.step(f"n,,\x01auth=Bearer {unsecured(sub='ann', exp=1)}\x01\x01".encode())
    assert (answer, outcome) == (b'{"status":"invalid_token"}', None)
    with pytest.raises(AuthenticationFailedError, match=r'\{"status":"invalid_token"\}'):
        await exchange.step(b"\x01")


@given(st.binary(max_size=80))
async def test_other_messages_are_none_of_a_client(message):
    with pytest.raises(InvalidTokenError):
        await OAuthBearerExchange(UnsecuredTokens({})).step(message)


async def test_the_principal_may_be_named_but_no_other():
    exchange = OAuthBearerExchange(UnsecuredTokens({}, lambda: 100.0))
    for name in ("ann", "bob"):
        message = f"n,a={name},\x01auth=Bearer {unsecured(sub='ann', exp=200)}\x01\x01".encode()
        if name == "ann":
            assert (await exchange.step(message))[1].principal.name == "ann"
        else:
            with pytest.raises(AuthenticationFailedError, match="different"):
                await exchange.step(message)
