"""Where the API server is: kubeconfigs as kubectl reads them, service accounts, or one clear line."""

from __future__ import annotations

import base64
import os
import ssl
from typing import TYPE_CHECKING

import pytest
import yaml

from kopfka_local.api.credentials import ensure_credentials
from kopfka_operator.errors import ApiError, ApiUnreachableError, ConnectionConfigError
from kopfka_operator.kube.client import KubeClient, new_session
from kopfka_operator.kube.connection import Connection, Token, find_connection, from_kubeconfig
from kopfka_operator.kube.resources import KAFKA_CLUSTERS, SERVICES, Ref

if TYPE_CHECKING:
    from pathlib import Path

BASE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:8001/"}}],
    "users": [{"name": "u", "user": {"token": "secret"}}],
}


def write(path: Path, **changes: object) -> Path:
    path.write_text(yaml.safe_dump({**BASE, **changes}))
    return path


def test_a_token_and_a_namespace(tmp_path: Path) -> None:
    connection = from_kubeconfig([write(tmp_path / "config")])
    assert (connection.server, connection.namespace, connection.token.current()) == (
        "http://127.0.0.1:8001",
        "team",
        "secret",
    )
    assert connection.tls is None


def test_client_certificates_inline_or_beside_the_file(tmp_path: Path) -> None:
    credentials = ensure_credentials(tmp_path / "pki")
    encoded = {
        name: base64.b64encode(path.read_bytes()).decode()
        for name, path in (("certificate", credentials.certificate), ("key", credentials.key))
    }
    https = {"server": "https://127.0.0.1:1", "certificate-authority-data": encoded["certificate"]}
    inline = {"client-certificate-data": encoded["certificate"], "client-key-data": encoded["key"]}
    beside = {"client-certificate": "pki/api.crt", "client-key": "pki/api.key"}
    for user in (inline, beside):
        path = write(
            tmp_path / "config", clusters=[{"name": "c", "cluster": https}], users=[{"name": "u", "user": user}]
        )
        connection = from_kubeconfig([path])
        assert connection.tls is not None
        assert connection.tls.verify_mode is ssl.CERT_REQUIRED
        assert len(connection.tls.get_ca_certs()) == 1


def test_several_files_are_one_and_the_first_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(yaml.safe_dump({"users": [{"name": "u", "user": {"token": "first"}}]}))
    write(second)
    connection = find_connection({"KUBECONFIG": os.pathsep.join([str(first), str(tmp_path / "absent"), str(second)])})
    assert connection.token.current() == "first"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"current-context": ""}, "names no current-context"),
        ({"current-context": "there"}, "lacks what context there refers to"),
        ({"clusters": []}, "lacks what context here refers to"),
        ({"users": [{"name": "u", "user": {"exec": {"command": "aws"}}}]}, "needs a login plugin"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_told_in_one_line(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ConnectionConfigError, match=words):
        from_kubeconfig([write(tmp_path / "config", **changes)])


def test_a_pod_uses_its_service_account_and_follows_a_rotated_token(tmp_path: Path) -> None:
    credentials = ensure_credentials(tmp_path / "pki")
    (tmp_path / "ca.crt").write_bytes(credentials.certificate.read_bytes())
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "namespace").write_text("kopfka-system\n")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    connection = find_connection(environment, tmp_path)
    assert (connection.server, connection.namespace) == ("https://[fd00::1]:443", "kopfka-system")
    assert connection.token.current() == "one"
    now = 0.0
    token = Token(path=tmp_path / "token", clock=lambda: now)
    assert token.current() == "one"
    (tmp_path / "token").write_text("two")
    now = 59.0
    assert token.current() == "one"
    now = 61.0
    assert token.current() == "two"
    (tmp_path / "token").unlink()
    now = 200.0
    assert token.current() == "two", "a token that cannot be read for a moment is still the token"


def test_nothing_at_all_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConnectionConfigError, match="set KUBECONFIG, or run in a pod"):
        find_connection({"HOME": str(tmp_path)}, tmp_path)


async def test_refusals_are_in_the_api_servers_own_words(bench: object, api: object) -> None:
    client: KubeClient = bench.context.client  # type: ignore[attr-defined]
    ref = Ref(KAFKA_CLUSTERS, "default", "bad")
    with pytest.raises(ApiError, match="engine: bundled is one broker") as caught:
        await client.apply(ref, ref.manifest(spec={"replicas": 3}))
    assert (caught.value.status, caught.value.reason, caught.value.transient) == (422, "Invalid", False)
    assert await client.get(Ref(SERVICES, "default", "absent")) is None
    assert await client.delete(Ref(SERVICES, "default", "absent"), "uid") is None


async def test_an_api_that_is_not_there_and_a_wrong_token(api: object, tmp_path: Path) -> None:
    nowhere = Connection("http://127.0.0.1:1", "default")
    async with new_session(nowhere) as session:
        with pytest.raises(ApiUnreachableError, match="does not answer"):
            await KubeClient(nowhere, session).read("/version")
    good = from_kubeconfig([api.kubeconfig])  # type: ignore[attr-defined]
    wrong = Connection(good.server, good.namespace, Token("wrong"), good.tls)
    async with new_session(wrong) as session:
        with pytest.raises(ApiError) as caught:
            await KubeClient(wrong, session).list_metadata(KAFKA_CLUSTERS, None)
    assert caught.value.status == 401
