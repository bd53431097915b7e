"""The registry over HTTP, real sockets: several instances, credentials, TLS, answers that cannot be used."""

from __future__ import annotations

import json
import ssl
import uuid

import pytest
from aiohttp import web

from broker.schemas.stand_in import RegistryStandIn, serving
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.schemas.names import Definition
from kopfka_broker.schemas.registry import Registry, RegistryUnavailableError
from kopfka_broker.schemas.settings import RegistrySettings
from support.certificates import PASSWORD, Authority, pem_keystore
from support.processes import free_port
from support.waiting import eventually_async


@pytest.fixture
async def made():
    """Make clients of a registry, which are closed at the end."""
    clients = []

    def make(url, seconds=5.0, **given):
        given = {name.replace("_", "."): value for name, value in given.items()}
        config = BrokerConfig({"confluent.schema.registry.url": url, **given})
        clients.append(Registry(RegistrySettings.from_config(config), seconds))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


async def test_questions_and_answers(registry, url, made):
    client = made(url)
    known = registry.register("a-value", '{"type": "record", "name": "A", "fields": []}')
    registry.register("b-value", number=known)
    registry.aliases["x/y z"] = "a-value"
    guid = registry.guid_of(known)
    assert await client.subjects_of(known) == {"a-value", "b-value"}
    assert await client.definition_of(known) == Definition(None)  # the last one was a string
    assert await client.ids_of(guid.bytes) == (known,)
    assert await client.alias_of("x/y z") == "a-value"
    assert registry.paths[-1] == "/config/x%2Fy%20z"
    nothing = (
        await client.subjects_of(9), await client.definition_of(9), await client.ids_of(uuid.uuid4().bytes),
        await client.alias_of("other"),
    )  # fmt: skip
    assert nothing == (frozenset(), None, (), None)


async def test_a_large_schema(registry, url, made):
    fields = [{"name": f"f{number}", "type": "string"} for number in range(5000)]
    known = registry.register("a", json.dumps({"type": "record", "name": "Large", "fields": fields}))
    assert await made(url).definition_of(known) == Definition("Large")


async def test_a_registry_of_before_guids_has_none(registry, url, made):
    registry.instead = web.json_response({"error_code": 404, "message": "HTTP 404 Not Found"}, status=404)
    assert await made(url).ids_of(uuid.uuid4().bytes) == ()
    with pytest.raises(RegistryUnavailableError, match=r"HTTP status 404, HTTP 404 Not Found"):
        await made(url).subjects_of(1)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "text": '{"error_code": 50001, "message": "Error in the backend"}'},
        {"status": 401, "text": "who?"},
        {"status": 404, "text": "<html>"},
        {"status": 404, "text": "[]"},
        {"status": 302, "text": ""},
        {"status": 200, "text": "<html>"},
        {"status": 200, "text": '{"other": 1}'},
        {"status": 200, "text": "[7]"},
        {"status": 200, "text": '"text"'},
        {"status": 200, "text": "[" * 100_000},
        {"status": 200, "text": " " * (17 * 1024 * 1024)},
    ],
    ids=lambda answer: f"{answer['status']} {answer['text'][:12]}",
)
async def test_what_is_no_answer_of_a_registry(registry, url, made, answer):
    registry.instead = web.Response(**answer)
    client = made(url)
    with pytest.raises(RegistryUnavailableError):
        await client.subjects_of(1)
    with pytest.raises(RegistryUnavailableError):
        await client.definition_of(1)
    registry.instead = None
    assert await client.subjects_of(registry.register("a")) == {"a"}


async def test_the_next_instance_is_asked_and_stays_the_first(registry, url, made):
    other, silent = RegistryStandIn(), RegistryStandIn()
    silent.open.clear()
    known = registry.register("a")
    other.instead = web.Response(status=503)
    async with serving(other) as failing, serving(silent) as hanging:
        client = made(f"http://127.0.0.1:{free_port()},{failing},{hanging},{url}", 0.5)
        assert await client.subjects_of(known) == {"a"}
        assert await client.subjects_of(known) == {"a"}
        assert (len(other.paths), len(silent.paths), len(registry.paths)) == (1, 1, 2)
        registry.instead = web.Response(status=503)
        with pytest.raises(RegistryUnavailableError) as caught:
            await client.subjects_of(known)
    assert str(caught.value).count("http://127.0.0.1:") >= 4
    assert "no answer within 0.5 s" in str(caught.value)


async def test_credentials_are_sent(registry, url, made):
    known = registry.register("a")
    await made(url.replace("//", "//me:secret@")).subjects_of(known)
    await made(
        url, confluent_bearer_auth_credentials_source="STATIC_TOKEN", confluent_bearer_auth_token="abc"
    ).subjects_of(known)
    await made(url).subjects_of(known)
    assert [each.get("Authorization") for each in registry.headers] == ["Basic bWU6c2VjcmV0", "Bearer abc", None]
    assert registry.headers[0]["Accept"].startswith("application/vnd.schemaregistry.v1+json")


async def test_who_waits_when_it_is_closed_is_told(registry, url, made):
    import asyncio

    client = made(url)
    registry.open.clear()
    waiting = asyncio.ensure_future(client.subjects_of(1))
    await eventually_async(lambda: registry.paths, what="the question")
    await client.close()
    with pytest.raises(RegistryUnavailableError):
        await waiting
    with pytest.raises(RegistryUnavailableError, match="shutting down"):
        await client.subjects_of(1)


def server_context(folder, pair, clients=None):
    pem_keystore(folder / "server.pem", pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    if clients is not None:
        context.load_verify_locations(cadata=clients.pair.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_tls_with_a_certificate_of_its_own_that_is_renewed(registry, made, tmp_path):
    known = registry.register("a")
    servers, clients = Authority("servers"), Authority("clients")
    (tmp_path / "trust.pem").write_text(servers.pair.pem)
    own = tmp_path / "own.pem"
    pem_keystore(own, clients.issue("broker"), PASSWORD)
    given = {
        "confluent_ssl_truststore_type": "PEM", "confluent_ssl_truststore_location": str(tmp_path / "trust.pem"),
        "confluent_schema_registry_ssl_keystore_type": "PEM",
        "confluent_schema_registry_ssl_keystore_location": str(own),
        "confluent_schema_registry_ssl_key_password": PASSWORD,
    }  # fmt: skip
    context = server_context(tmp_path, servers.issue("localhost"), clients)
    async with serving(registry, tls=context) as url:
        client = made(url, **given)
        assert await client.subjects_of(known) == {"a"}
        pem_keystore(own, Authority("strangers").issue("broker"), PASSWORD)
        other = made(url, **given)
        with pytest.raises(RegistryUnavailableError):
            await other.subjects_of(known)
        pem_keystore(own, clients.issue("broker"), PASSWORD)
        assert await other.subjects_of(known) == {"a"}


async def test_tls_of_somebody_else(registry, made, tmp_path):
    known = registry.register("a")
    own, another = Authority(), Authority("another")
    (tmp_path / "own.pem").write_text(own.pair.pem)
    (tmp_path / "another.pem").write_text(another.pair.pem)
    given = {"confluent_ssl_truststore_type": "PEM", "confluent_ssl_truststore_location": str(tmp_path / "own.pem")}
    async with serving(registry, tls=server_context(tmp_path, own.issue("localhost"))) as url:
        assert await made(url, **given).subjects_of(known) == {"a"}
        stranger = given | {"confluent_schema_registry_ssl_truststore_location": str(tmp_path / "another.pem")}
        stranger["confluent_schema_registry_ssl_truststore_type"] = "PEM"
        with pytest.raises(RegistryUnavailableError, match="certificate verify failed"):
            await made(url, **stranger).subjects_of(known)
    # the authority's own certificate is for no address
    async with serving(registry, tls=server_context(tmp_path, own.pair)) as url:
        with pytest.raises(RegistryUnavailableError, match="certificate verify failed"):
            await made(url, **given).subjects_of(known)
        lax = given | {"confluent_ssl_endpoint_identification_algorithm": ""}
        assert await made(url, **lax).subjects_of(known) == {"a"}
