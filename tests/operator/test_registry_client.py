"""The client of a registry, request by request, against what registries answer: Confluent's, old ones, proxies."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from kopfka_operator.errors import RegistryRefusedError, RegistryUnreachableError
from kopfka_operator.kube.resources import SCHEMA_REGISTRIES, Ref
from kopfka_operator.mirror import Mirror
from kopfka_operator.registry.client import RegistryClient
from kopfka_operator.registry.login import Login, LoginError, basic, first_user, login_from
from kopfka_operator.registry.model import Level, Registered, Schema, Verdict
from kopfka_operator.registry.registries import Registries
from support.certificates import Authority, pem_keystore
from support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCHEMA = Schema("AVRO", '"string"')


@dataclass
class Scripted:
    """A registry that answers what it is told, and remembers what it was asked."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def answer(self, method: str, path: str, status: int, body: Any) -> None:
        self.answers[method, path] = (status, body)

    def refuse(self, method: str, path: str, code: int, message: str = "no", status: int | None = None) -> None:
        self.answer(method, path, status or code // 100, {"error_code": code, "message": message})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path))
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json() if request.can_read_body else None)
        status, body = self.answers.get((request.method, request.raw_path), (404, {"error_code": 404, "message": "?"}))
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    served = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    served.url = f"http://127.0.0.1:{port}"
    try:
        yield served
    finally:
        await runner.cleanup()


@pytest.fixture
async def client(scripted: Scripted) -> AsyncIterator[RegistryClient]:
    made = RegistryClient(scripted.url + "/")
    try:
        yield made
    finally:
        await made.close()


async def test_a_schema_is_looked_up_by_all_that_belongs_to_it(scripted: Scripted, client: RegistryClient) -> None:
    scripted.answer("POST", "/subjects/s", 200, {"subject": "s", "id": 3, "version": 2, "guid": "g", "schema": "1"})
    assert await client.lookup("s", SCHEMA) == Registered(3, 2, "g")
    assert scripted.bodies == [{"schemaType": "AVRO", "schema": '"string"'}]
    assert scripted.headers[0]["Content-Type"] == "application/vnd.schemaregistry.v1+json"
    scripted.answer("POST", "/subjects/s?normalize=true", 200, {"id": 3, "version": 2})
    assert await client.lookup("s", SCHEMA, normalize=True) == Registered(3, 2, None)


@pytest.mark.parametrize("code", [40401, 40403])
async def test_what_is_not_there_is_no_error(scripted: Scripted, client: RegistryClient, code: int) -> None:
    scripted.refuse("POST", "/subjects/s", code)
    scripted.refuse("GET", "/subjects/s/versions", code)
    scripted.refuse("GET", "/config/s", 40408)
    scripted.refuse("GET", "/mode/s", 40409)
    assert await client.lookup("s", SCHEMA) is None
    assert await client.versions("s") == []
    assert await client.compatibility("s") is None
    assert await client.mode("s") is None


async def test_names_of_subjects_are_written_so_that_they_arrive(scripted: Scripted, client: RegistryClient) -> None:
    for name, path in (("a/b c%?", "a%2Fb%20c%25%3F"), (":.ctx:s", "%3A.ctx%3As"), ("ä", "%C3%A4")):
        scripted.answer("GET", f"/subjects/{path}/versions", 200, [2, 1])
        assert await client.versions(name) == [1, 2]


async def test_a_dry_run_says_yes_or_why_not(scripted: Scripted, client: RegistryClient) -> None:
    path = "/compatibility/subjects/s/versions?verbose=true"
    scripted.answer("POST", path, 200, {"is_compatible": False, "messages": ["a", "b"]})
    assert await client.check("s", SCHEMA) == Verdict(False, ("a", "b"))
    scripted.answer("POST", path, 200, {"is_compatible": True})
    assert await client.check("s", SCHEMA) == Verdict(True)
    scripted.refuse("POST", path, 40401)
    assert await client.check("s", SCHEMA) == Verdict(True), "there is nothing it could break"
    scripted.refuse("POST", path, 42201, "Invalid schema")
    with pytest.raises(RegistryRefusedError, match="Invalid schema"):
        await client.check("s", SCHEMA)


async def test_a_registry_that_compares_with_one_version_only_is_asked_for_that(
    scripted: Scripted, client: RegistryClient
) -> None:
    latest = "/compatibility/subjects/s/versions/latest?verbose=true"
    scripted.answer("POST", latest, 200, {"is_compatible": False, "messages": []})
    assert await client.check("s", SCHEMA) == Verdict(False)
    scripted.refuse("POST", latest, 40402)
    assert await client.check("s", SCHEMA) == Verdict(True)


async def test_settings_of_a_subject_are_told_with_whether_there_are_others(
    scripted: Scripted, client: RegistryClient
) -> None:
    scripted.answer("GET", "/config/s", 200, {"compatibilityLevel": "FULL"})
    assert await client.compatibility("s") == Level("FULL")
    scripted.answer("GET", "/config/s", 200, {"compatibilityLevel": "FULL", "alias": "t"})
    assert await client.compatibility("s") == Level("FULL", alone=False)
    scripted.answer("GET", "/config/s", 200, {"alias": "t"})
    assert await client.compatibility("s") is None
    scripted.answer("GET", "/mode", 200, {"mode": "READONLY"})
    assert await client.mode() == "READONLY"


async def test_settings_are_set_and_taken_away(scripted: Scripted, client: RegistryClient) -> None:
    for method, path in (("PUT", "/config/s"), ("PUT", "/mode"), ("DELETE", "/config/s")):
        scripted.answer(method, path, 200, {})
    scripted.refuse("DELETE", "/mode/s", 40409)
    await client.set_compatibility("s", "FULL")
    await client.set_mode(None, "READONLY")
    await client.set_compatibility("s", None)
    await client.set_mode("s", None)  # what is not there need not be taken away
    assert scripted.asked == [("PUT", "/config/s"), ("PUT", "/mode"), ("DELETE", "/config/s"), ("DELETE", "/mode/s")]
    assert scripted.bodies == [{"compatibility": "FULL"}, {"mode": "READONLY"}, None, None]
    scripted.refuse("PUT", "/mode", 42205, "not now")
    with pytest.raises(RegistryRefusedError, match="not now"):
        await client.set_mode(None, "IMPORT")


@pytest.mark.parametrize(
    ("soft", "hard"), [(None, None), (40404, None), (40401, None), (40401, 40401)], ids=["there", "soft", "odd", "gone"]
)
async def test_a_subject_is_deleted_for_good_however_far_it_is_gone(
    scripted: Scripted, client: RegistryClient, soft: int | None, hard: int | None
) -> None:
    for path, code in (("/subjects/s", soft), ("/subjects/s?permanent=true", hard)):
        if code is None:
            scripted.answer("DELETE", path, 200, [1])
        else:
            scripted.refuse("DELETE", path, code)
    await client.delete("s")
    assert scripted.asked == [("DELETE", "/subjects/s"), ("DELETE", "/subjects/s?permanent=true")]


async def test_a_subject_that_others_refer_to_stays(scripted: Scripted, client: RegistryClient) -> None:
    scripted.refuse("DELETE", "/subjects/s", 42206, "One or more references exist")
    with pytest.raises(RegistryRefusedError) as refused:
        await client.delete("s")
    assert (refused.value.code, refused.value.status, refused.value.transient) == (42206, 422, False)
    assert len(scripted.asked) == 1


@pytest.mark.parametrize(("status", "body"), [(502, "bad gateway"), (503, ""), (504, "<html>")])
async def test_a_proxy_in_front_of_nothing_is_no_registry(
    scripted: Scripted, client: RegistryClient, status: int, body: str
) -> None:
    scripted.answer("GET", "/subjects/s/versions", status, body)
    with pytest.raises(RegistryUnreachableError, match=f"HTTP {status}"):
        await client.versions("s")


async def test_a_registry_in_trouble_may_do_better_later(scripted: Scripted, client: RegistryClient) -> None:
    scripted.refuse("POST", "/subjects/s/versions", 50004, "There is no leader now", status=500)
    with pytest.raises(RegistryRefusedError) as refused:
        await client.register("s", SCHEMA)
    assert refused.value.transient


async def test_what_is_no_registry_is_told(scripted: Scripted, client: RegistryClient) -> None:
    scripted.answer("GET", "/config", 200, "<html>hello</html>")
    with pytest.raises(RegistryRefusedError, match="does not answer as a schema registry does"):
        await client.compatibility()


async def test_a_kept_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b" ")[0])
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or b"0")
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n" + b'{"id":7}')
        await writer.drain()
        await reader.read(1)  # the next request over the same connection finds nobody
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = RegistryClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        assert await client.register("s", SCHEMA) == 7
        assert await client.register("s", SCHEMA) == 7
        assert asked == [b"POST", b"POST"]
    finally:
        await client.close()
        server.close()


async def test_an_answer_without_end_is_not_read_to_its_end(
    scripted: Scripted, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kopfka_operator.registry.client.LARGEST", 1000)
    scripted.answer("GET", "/config", 200, "[" + "1," * 1000 + "1]")
    with pytest.raises(RegistryRefusedError, match="more than 1000 bytes"):
        await client.compatibility()


async def test_nobody_there_is_unreachable() -> None:
    client = RegistryClient(f"http://127.0.0.1:{free_port()}")
    try:
        with pytest.raises(RegistryUnreachableError, match="does not answer"):
            await client.versions("s")
    finally:
        await client.close()


async def test_credentials_are_shown(scripted: Scripted) -> None:
    scripted.answer("GET", "/config", 200, {"compatibilityLevel": "FULL"})
    client = RegistryClient(scripted.url, login_from({"username": b"me", "password": b"p:w\n"}, "s"))
    try:
        await client.compatibility()
    finally:
        await client.close()
    assert scripted.headers[0]["Authorization"] == "Basic " + base64.b64encode(b"me:p:w").decode()
    assert login_from({"token": b"t"}, "s").authorization == "Bearer t"
    assert login_from({}, "s") == Login()


def test_half_a_login_is_refused_with_a_remedy() -> None:
    with pytest.raises(LoginError, match="Secret s has only one of username and password: write both"):
        login_from({"username": b"me"}, "s")
    with pytest.raises(LoginError, match="certificates in Secret s cannot be used"):
        login_from({"ca.crt": b"nonsense"}, "s")


def test_the_first_user_with_a_password_in_clear_is_the_operators() -> None:
    users = b"# people\n\nold: OBF:1abc,admin\nalice: s3cret, admin,dev\nbob: other\n"
    assert first_user(users, "s") == ("alice", "s3cret")
    with pytest.raises(LoginError, match=r"write spec\.credentials"):
        first_user(b"old: MD5:xyz,admin\nnew: SCRYPT:15:8:1:c2FsdA==:aGFzaA==,admin\n", "s")


async def test_a_registry_is_known_by_its_authority_and_its_name(
    tmp_path: Path, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    pem_keystore(tmp_path / "server.pem", authority.issue("registry"))  # for localhost
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    scripted.answer("GET", "/config", 200, {"compatibilityLevel": "FULL"})
    (tmp_path / "hosts").write_text("127.0.0.1 other.example\n")
    monkeypatch.setenv("KOPFKA_HOSTS_FILE", str(tmp_path / "hosts"))
    trusted = login_from({"ca.crt": authority.pair.pem.encode()}, "s")
    try:
        for host, login, works in (
            ("localhost", trusted, True),
            ("localhost", Login(), False),
            ("other.example", trusted, False),
        ):
            client = RegistryClient(f"https://{host}:{port}", login)
            try:
                if works:
                    assert await client.compatibility() == Level("FULL")
                else:
                    with pytest.raises(RegistryUnreachableError, match="certificate"):
                        await client.compatibility()
            finally:
                await client.close()
    finally:
        await runner.cleanup()


class Secrets:
    """The part of the Kubernetes API that has Secrets."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self.secrets = secrets

    async def get(self, ref: Ref) -> dict[str, Any] | None:
        data = self.secrets.get(ref.name)
        encoded = {
            name.replace("_", "."): base64.b64encode(text.encode()).decode() for name, text in (data or {}).items()
        }
        kind = "kubernetes.io/service-account-token" if ref.name == "account" else "Opaque"
        return None if data is None else {"metadata": {"name": ref.name}, "type": kind, "data": encoded}


def mirror(**spec: Any) -> Mirror:
    made = Mirror()
    body = Ref(SCHEMA_REGISTRIES, "ns", "schemas").manifest(metadata={"uid": "u"}, spec=spec)
    made.put(SCHEMA_REGISTRIES, body)
    return made


async def test_the_operator_logs_in_as_its_own_user_else_as_the_first(scripted: Scripted) -> None:
    scripted.answer("GET", "/config", 200, {"compatibilityLevel": "FULL"})
    users = {"users_properties": "alice: a,admin"}
    own = {"username": "kopfka", "password": "k"}
    login = {"basic": {"secretName": "users"}}
    for spec, header in (
        ({"authentication": login}, basic("alice", "a")),
        ({"authentication": login, "credentials": {"secretName": "own"}}, basic("kopfka", "k")),
        ({}, None),
    ):
        registries = Registries(mirror(url=scripted.url, **spec), Secrets(users=users, own=own))  # type: ignore[arg-type]
        await (await registries.of("ns", "schemas")).compatibility()
        assert scripted.headers[-1].get("Authorization") == header
        await registries.close()


async def test_a_rotated_secret_counts_at_once_and_an_unchanged_one_keeps_the_connection(scripted: Scripted) -> None:
    secrets = Secrets(own={"token": "first"})
    registries = Registries(mirror(url=scripted.url, credentials={"secretName": "own"}), secrets)  # type: ignore[arg-type]
    first = await registries.of("ns", "schemas")
    assert await registries.of("ns", "schemas") is first
    secrets.secrets["own"] = {"token": "second"}
    second = await registries.of("ns", "schemas")
    assert second is not first
    scripted.answer("GET", "/config", 200, {})
    await second.compatibility()
    assert scripted.headers[-1]["Authorization"] == "Bearer second"
    with pytest.raises(RegistryUnreachableError):
        await first.compatibility()
    await registries.close()


async def test_what_a_login_lacks_is_told() -> None:
    for spec, secrets, words in (
        ({"credentials": {"secretName": "own"}}, Secrets(), "there is no Secret own in namespace ns: create it"),
        ({"authentication": {"basic": {"secretName": "u"}}}, Secrets(u={}), "Secret u has no users.properties"),
        ({"credentials": {"secretName": "account"}}, Secrets(account={"token": "t"}), "is a service account's token"),
    ):
        registries = Registries(mirror(url="http://127.0.0.1:1", **spec), secrets)  # type: ignore[arg-type]
        with pytest.raises(LoginError, match=words):
            await registries.of("ns", "schemas")


async def test_from_a_laptop_the_external_url_is_taken() -> None:
    made = Mirror()
    ref = Ref(SCHEMA_REGISTRIES, "nowhere", "schemas")
    registries = Registries(made, Secrets())  # type: ignore[arg-type]
    made.put(SCHEMA_REGISTRIES, ref.manifest(metadata={"uid": "u"}, spec={"cluster": "c"}))
    with pytest.raises(RegistryUnreachableError, match="or give the registry external access"):
        await registries.of("nowhere", "schemas")
    made.put(SCHEMA_REGISTRIES, ref.manifest(metadata={"uid": "u"}, spec={}, status={"externalUrl": "http://node:1"}))
    assert (await registries.of("nowhere", "schemas")).url == "http://node:1"
    await registries.close()
