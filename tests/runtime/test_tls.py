"""Key stores and trust stores: what OpenSSL and Java's keytool write is read; what cannot be used is told by name."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from kopfka_runtime.errors import SettingsError
from kopfka_runtime.tls.stores import StoreError, StoreSettings, load_identity, load_trusted
from kopfka_runtime.tls.suites import openssl_ciphers, tls13_suites
from support.certificates import PASSWORD, Authority, pem_keystore
from support.prerequisites import need_java

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("localhost")


def p12(path):
    protection = BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"own", PAIR.key, PAIR.certificate, [AUTHORITY.pair.certificate], protection
        )
    )
    return path


@pytest.mark.parametrize("password", [None, "secret"])
def test_pem_files(tmp_path, password):
    pem_keystore(tmp_path / "s.pem", PAIR, password)
    identity = load_identity(StoreSettings("PEM", tmp_path / "s.pem", None, password))
    assert identity.chain == (PAIR.certificate,)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in identity.pem
    assert load_trusted(StoreSettings("PEM", tmp_path / "s.pem", None)) == (PAIR.certificate,)


def test_pem_on_one_line_of_the_settings():
    key, chain = (text.replace("\n", " ") for text in (PAIR.key_pem(), PAIR.pem + AUTHORITY.pair.pem))
    identity = load_identity(StoreSettings("PEM", None, None, None, key, chain))
    assert identity.chain == (PAIR.certificate, AUTHORITY.pair.certificate)


def test_pkcs12(tmp_path):
    for kind in ("PKCS12", "JKS"):  # since Java 9 what is called JKS may be PKCS12
        identity = load_identity(StoreSettings(kind, p12(tmp_path / "s.p12"), PASSWORD))
        assert identity.chain == (PAIR.certificate, AUTHORITY.pair.certificate)


@pytest.mark.java
@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_what_keytool_writes(tmp_path, kind):
    need_java()
    (tmp_path / "ca.pem").write_text(AUTHORITY.pair.pem)
    own, trust = tmp_path / "own", tmp_path / "trust"
    options = ["-deststoretype", kind, "-deststorepass", PASSWORD, "-noprompt"]
    keytool(
        "-importkeystore", "-srckeystore", str(p12(tmp_path / "s.p12")), "-srcstoretype", "PKCS12", "-srcstorepass",
        PASSWORD, "-destkeystore", str(own), *options,
    )  # fmt: skip
    keytool(
        "-importcert", "-alias", "ca", "-file", str(tmp_path / "ca.pem"), "-keystore", str(trust), "-storetype", kind,
        "-storepass", PASSWORD, "-noprompt",
    )  # fmt: skip
    identity = load_identity(StoreSettings(kind, own, PASSWORD))
    assert identity.chain[0] == PAIR.certificate
    assert load_trusted(StoreSettings(kind, trust, PASSWORD)) == (AUTHORITY.pair.certificate,)
    with pytest.raises(StoreError, match="password"):
        load_identity(StoreSettings(kind, own, "wrong"))
    own.write_bytes(own.read_bytes()[:-30])
    with pytest.raises(StoreError, match=str(own)):
        load_identity(StoreSettings(kind, own, PASSWORD))


def keytool(*arguments):
    subprocess.run(["keytool", *arguments], check=True, capture_output=True, timeout=60)


def test_what_is_no_store_is_told_by_its_name(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(StoreError, match="No such file"):
        load_identity(StoreSettings("PEM", path, None))
    path.write_text("rubbish")
    for kind in ("PEM", "PKCS12", "JKS"):
        with pytest.raises(StoreError, match=str(path)):
            load_identity(StoreSettings(kind, path, PASSWORD))
    path.write_text(PAIR.key_pem() + AUTHORITY.pair.pem)
    with pytest.raises(StoreError, match="not of the private key"):
        load_identity(StoreSettings("PEM", path, None))
    pem_keystore(path, PAIR, "secret")
    for password, why in ((None, "ssl.key.password is not set"), ("wrong", str(path))):
        with pytest.raises(StoreError, match=why):
            load_identity(StoreSettings("PEM", path, None, password))


def test_names_of_cipher_suites():
    java = ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA"]
    assert tls13_suites(java) == java[:1]
    assert openssl_ciphers(java, "x") == "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA"
    assert openssl_ciphers(["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"], "x") == "ECDHE-ECDSA-CHACHA20-POLY1305"
    with pytest.raises(SettingsError, match=r"ssl\.cipher\.suites"):
        openssl_ciphers(["SSL_DH_anon_EXPORT_WITH_RC4_40_MD5"], "ssl.cipher.suites")
