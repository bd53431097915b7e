"""Delegation tokens and SCRAM credentials: what lives how long, what is kept, and what is a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.metadata_store import MetadataStore
from kopfka_broker.security.credentials import ScramCredentials
from kopfka_broker.security.principal import Principal
from kopfka_broker.security.tokens import (
    DelegationTokens,
    TokenExpiredError,
    TokenNotFoundError,
    TokenOwnerMismatchError,
)
from kopfka_broker.storage.errors import DataFolderError, KafkaStorageError
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, make_credential
from support.clocks import Clock

ALICE, BOB, CAROL = (Principal("User", name) for name in ("alice", "bob", "carol"))
SETTINGS = {
    "delegation.token.secret.key": "key",
    "delegation.token.max.lifetime.ms": "1000",
    "delegation.token.expiry.time.ms": "100",
}


@pytest.fixture
def clock():
    return Clock(1_000_000)


@pytest.fixture
def tokens(tmp_path, clock):
    return DelegationTokens(MetadataStore(tmp_path), BrokerConfig(SETTINGS), clock)


def again(tokens, tmp_path, clock):
    made = DelegationTokens(MetadataStore(tmp_path), BrokerConfig(SETTINGS), clock)
    made.load()
    return list(made)


def test_a_token_lives_as_long_as_its_settings_say(tokens, clock):
    token = tokens.create(ALICE, BOB, (CAROL,), -1)
    assert (token.issued_ms, token.expires_ms, token.max_ms) == (clock.now, clock.now + 100, clock.now + 1000)
    assert tokens.create(ALICE, ALICE, (), 50).expires_ms == clock.now + 50
    assert tokens.create(ALICE, ALICE, (), 5000).max_ms == clock.now + 1000
    assert (token.is_of(ALICE), token.is_of(BOB), token.is_of(CAROL)) == (True, False, True)


def test_renewing_and_expiring(tokens, clock, tmp_path):
    token = tokens.create(ALICE, ALICE, (CAROL,), -1)
    proof = tokens.hmac(token)
    assert proof == hmac.digest(b"key", token.token_id.encode(), "sha512")
    clock.now += 90
    assert tokens.renew(proof, CAROL, -1).expires_ms == clock.now + 100
    assert tokens.renew(proof, ALICE, 20).expires_ms == clock.now + 20
    with pytest.raises(TokenOwnerMismatchError):
        tokens.renew(proof, BOB, 20)
    with pytest.raises(TokenNotFoundError):
        tokens.renew(b"another", ALICE, 20)
    assert tokens.expire(proof, ALICE, 5000) == token.max_ms
    assert tokens.expire(proof, ALICE, 10) == clock.now + 10
    clock.now += 11
    with pytest.raises(TokenExpiredError):
        tokens.renew(proof, BOB, 20)
    with pytest.raises(TokenOwnerMismatchError):
        tokens.expire(proof, BOB, 20)
    with pytest.raises(TokenExpiredError):
        tokens.expire(proof, ALICE, 20)
    assert [each.token_id for each in again(tokens, tmp_path, clock)] == [token.token_id]
    assert tokens.expire(proof, ALICE, -1) == clock.now
    assert list(tokens) == again(tokens, tmp_path, clock) == []


def test_a_token_never_outlives_its_longest_time(tokens, clock):
    token = tokens.create(ALICE, ALICE, (), -1)
    for _ in range(10):
        clock.now += 95
        assert tokens.renew(tokens.hmac(token), ALICE, -1).expires_ms <= token.max_ms
    clock.now = token.max_ms + 1
    assert tokens.credential("SCRAM-SHA-256", token.token_id) is None


def test_expired_tokens_are_swept(tokens, clock, tmp_path):
    short, long = tokens.create(ALICE, ALICE, (), 10), tokens.create(BOB, BOB, (), -1)
    clock.now += 50
    tokens.sweep()
    assert list(tokens) == again(tokens, tmp_path, clock) == [long]
    assert tokens.credential("SCRAM-SHA-256", short.token_id) is None


@pytest.mark.parametrize("mechanism", SCRAM_MECHANISMS)
def test_the_hmac_is_the_password(tokens, mechanism):
    token = tokens.create(ALICE, ALICE, (), -1)
    found = tokens.credential(mechanism, token.token_id)
    kind = SCRAM_MECHANISMS[mechanism]
    password = base64.b64encode(tokens.hmac(token)).decode()
    assert found.owner == ALICE
    assert found.expires_ms == token.expires_ms
    assert found.credential == make_credential(kind, password, 4096, found.credential.salt)
    assert tokens.credential(mechanism, "nobody's") is None


def test_what_cannot_be_kept_is_no_token(tokens, tmp_path):
    (tmp_path / "delegation-tokens.json.tmp").mkdir()
    with pytest.raises(KafkaStorageError):
        tokens.create(ALICE, ALICE, (), -1)
    assert list(tokens) == []


def test_without_a_key_there_are_no_tokens(tmp_path):
    assert not DelegationTokens(MetadataStore(tmp_path), BrokerConfig({})).enabled


def test_credentials_are_kept_and_never_the_password(tmp_path):
    store = MetadataStore(tmp_path)
    credentials = ScramCredentials(store)
    made = {("alice", name): make_credential(kind, "wonderland", 4096) for name, kind in SCRAM_MECHANISMS.items()}
    credentials.change(made, [])
    loaded = ScramCredentials(store)
    loaded.load()
    assert loaded.of_user("alice") == {name: made["alice", name] for name in SCRAM_MECHANISMS}
    assert loaded.users() == ["alice"]
    text = (tmp_path / "scram-credentials.json").read_text()
    assert "wonderland" not in text
    salted = hashlib.pbkdf2_hmac("sha256", b"wonderland", made["alice", "SCRAM-SHA-256"].salt, 4096)
    assert base64.b64encode(salted).decode() not in text
    loaded.change({}, [("alice", "SCRAM-SHA-256")])
    assert loaded.get("SCRAM-SHA-256", "alice") is None
    assert loaded.get("SCRAM-SHA-512", "alice") is not None


@pytest.mark.parametrize("data", ["[1]", '{"a": {"PLAIN": {}}}', '{"a": {"SCRAM-SHA-256": {"salt": "?"}}}'])
def test_damaged_credentials_are_told(tmp_path, data):
    (tmp_path / "scram-credentials.json").write_text(f'{{"version": 1, "data": {data}}}')
    with pytest.raises(DataFolderError, match="damaged"):
        ScramCredentials(MetadataStore(tmp_path)).load()


@pytest.mark.parametrize("data", ["[1]", '[{"id": "x"}]', '[{"id": "x", "owner": "alice"}]'])
def test_damaged_tokens_are_told(tmp_path, data):
    (tmp_path / "delegation-tokens.json").write_text(f'{{"version": 1, "data": {data}}}')
    with pytest.raises(DataFolderError, match="damaged"):
        DelegationTokens(MetadataStore(tmp_path), BrokerConfig(SETTINGS)).load()
