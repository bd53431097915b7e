"""Replicas that ask each other by https: whoever asked keeps his name, and nobody takes another's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from registry.security.secured import QUICK, Client, Files, SecuredRegistry, basic
from registry.service.schemas import ONE, TWO, record
from support.certificates import subject
from support.logins import IdentityProvider
from support.processes import killed_at_the_end, running_broker
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROKER = (
    "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=1\n"
    "transaction.state.log.num.partitions=1\ngroup.min.session.timeout.ms=1000\n"
)
ROLES = {
    "kopfka.role.team.write": "team-*",
    "kopfka.role.team.principals": "ann;zo\u00eb a/b",
    "kopfka.role.ops.admin": "*",
    "ssl.principal.mapping.rules": r"RULE:^CN=(.+),OU=people$/$1/,RULE:^CN=registry$/registry/",
}
FORBIDDEN = (403, 40301)


class Pair:
    """Two replicas: one leads, the other one passes changes on."""

    def __init__(self, leader: SecuredRegistry, follower: SecuredRegistry, files: Files) -> None:
        self.leader, self.follower, self.files = leader, follower, files
        self._named: dict[str, Path] = {}

    def certified(self, name: str, where: SecuredRegistry, login: str | None = None) -> Client:
        """Return a client with the certificate of a person."""
        if name not in self._named:
            self._named[name] = self.files.client(subject(OU="people", CN=name))
        return Client(where.url, login, self.files.context(self._named[name]))


@contextlib.contextmanager
def pair(tmp_path: Path, files: Files, *settings: dict[str, str]) -> Iterator[Pair]:
    with running_broker(tmp_path / "broker", BROKER) as broker:
        made = []
        for number, more in enumerate(settings):
            folder = tmp_path / f"registry-{number}"
            made.append(SecuredRegistry(folder, broker.bootstrap, QUICK | {"host.name": "127.0.0.1"} | more))
        with killed_at_the_end(*made):
            for each in made:
                each.start()
            # the one that was there first leads
            eventually(lambda: "leads" in made[1].log.read_text() and _leads(made[0]))
            yield Pair(made[0], made[1], files)
            for each in made:
                each.stop()


def _leads(registry: SecuredRegistry) -> bool:
    lines = [line for line in registry.log.read_text().splitlines() if " leads" in line]
    return f"this instance ({registry.url}) leads" in lines[-1] or "leads on" in lines[-1]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def provider():
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def replicas(tmp_path_factory, files, provider) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "users").write_text("carl: carl,team\nroot: root,ops\n")
    settings = files.server(ssl_client_authentication="REQUESTED") | ROLES | {
        "authentication.method": "BASIC,BEARER,MTLS",
        "kopfka.authentication.users.file": str(folder / "users"),
        "oauthbearer.jwks.endpoint.url": provider.url,
    }  # fmt: skip
    with pair(folder, files, settings, settings) as made:
        yield made


def test_changes_pass_with_the_name_of_who_asked(replicas, provider):
    follower, context = replicas.follower, replicas.files.context()
    clients = {
        "basic": Client(follower.url, basic("carl"), context),
        "bearer": Client(follower.url, f"Bearer {provider.token('erna', groups=['team'])}", context),
        "certificate": replicas.certified("ann", follower),
        "a certificate with other letters": replicas.certified("zo\u00eb a/b", follower),
        # besides a password, a certificate does not count
        "both": replicas.certified("nobody", follower, basic("carl")),
    }
    for number, (how, client) in enumerate(clients.items()):
        name = f"team-{number}"
        answer = client("POST", f"/subjects/{name}/versions", {"schema": record(f"R{number}", x="int")})
        assert answer.status == 200, (how, answer)
        assert client("GET", f"/subjects/{name}/versions").body == [1], how
        assert client("POST", "/subjects/other/versions", {"schema": ONE}).error == FORBIDDEN, how
        assert client("PUT", "/config", {"compatibility": "NONE"}).error == FORBIDDEN, how
        assert client("DELETE", f"/subjects/{name}?permanent=true").error == FORBIDDEN, how
    root = Client(follower.url, basic("root"), context)
    assert root("PUT", "/config/team-0", {"compatibility": "NONE"}).status == 200
    assert root("DELETE", "/config/team-0").status == 200
    # a certificate without rights has none behind a replica that has all trust
    nobody = replicas.certified("nobody", follower)
    assert nobody("POST", "/subjects/team-0/versions", {"schema": TWO}).error == FORBIDDEN
    assert "leads" in replicas.leader.log.read_text()
    assert "Traceback" not in replicas.leader.log.read_text() + follower.log.read_text()


def test_nobody_speaks_for_others_but_replicas(replicas):
    forged = [
        {"x_kopfka_on_behalf_of": "root"},
        {"x_forward": "true", "x_kopfka_on_behalf_of": "root"},
        {"x_forward": "true", "x_kopfka_on_behalf_of": "ann"},
    ]
    for where in (replicas.leader, replicas.follower):
        for headers in forged:
            for client in (
                replicas.certified("nobody", where),
                replicas.certified("ann", where),
                Client(where.url, tls=replicas.files.context()),
                Client(where.url, basic("carl"), replicas.files.context()),
            ):
                answer = client("PUT", "/config", {"compatibility": "NONE"}, **headers)
                assert answer.error == FORBIDDEN, (headers, answer)
                answer = client("POST", "/subjects/team-forged/versions", {"schema": ONE}, **headers)
                assert answer.error == FORBIDDEN
        # without that header, X-Forward alone makes nobody more than he is
        plain = replicas.certified("nobody", where)
        assert plain("PUT", "/config", {"compatibility": "NONE"}, x_forward="true").status in (403, 500)
        anonymous = Client(where.url, tls=replicas.files.context())
        assert anonymous("PUT", "/config", {"compatibility": "NONE"}, x_forward="true").error == (401, 401)
    root = Client(replicas.leader.url, basic("root"), replicas.files.context())
    assert root("GET", "/subjects/team-forged/versions").error == (404, 40401)
    # whoever holds the replicas' own certificate is one of them
    replica = replicas.files.client("registry")
    client = Client(replicas.leader.url, tls=replicas.files.context(replica))
    assert client("POST", "/subjects/team-replica/versions", {"schema": ONE}, x_forward="true",
                  x_kopfka_on_behalf_of="ann").status == 200  # fmt: skip
    assert client("PUT", "/config", {"compatibility": "NONE"}, x_forward="true",
                  x_kopfka_on_behalf_of="ann").error == FORBIDDEN  # fmt: skip
    assert client("PUT", "/config", {"compatibility": "NONE"}, x_forward="true").error == (401, 401)


def test_replicas_with_certificates_of_their_own_are_known_by_a_name_they_share(tmp_path):
    """All certificates here are for localhost; their subjects differ, so without the name they are strangers."""
    files = Files(tmp_path / "files")
    roles = ROLES | {"authentication.method": "MTLS"}
    for name, works in (("localhost", True), ("", False)):
        settings = []
        for number in range(2):
            own = files.server(files.authority.issue(f"replica-{number}"), ssl_client_authentication="REQUIRED")
            kept = tmp_path / f"own-{name}-{number}.pem"
            kept.write_text((files.folder / "server.pem").read_text())
            own["ssl.keystore.location"] = str(kept)
            settings.append(own | roles | ({"kopfka.inter.instance.name": name} if name else {}))
        (tmp_path / f"run-{name}").mkdir()
        with pair(tmp_path / f"run-{name}", files, *settings) as replicas:
            ann = replicas.certified("ann", replicas.follower)
            answer = ann("POST", "/subjects/team-a/versions", {"schema": ONE})
            assert answer.status == (200 if works else 403), answer
            assert works or "another replica" in answer.body["message"]
            direct = replicas.certified("ann", replicas.leader)
            assert direct("POST", "/subjects/team-a/versions", {"schema": ONE}).status == 200


def test_a_leader_with_a_certificate_for_somebody_else_is_not_asked(tmp_path):
    files = Files(tmp_path / "files")
    settings = files.server(ssl_client_authentication="REQUESTED") | {"kopfka.inter.instance.name": "registry.svc"}
    with pair(tmp_path, files, settings, settings) as replicas:
        client = Client(replicas.follower.url, tls=files.context())
        answer = client("POST", "/subjects/a/versions", {"schema": ONE})
        assert answer.error == (500, 50003)
        assert "registry.svc" in answer.body["message"]
        direct = Client(replicas.leader.url, tls=files.context())
        assert direct("POST", "/subjects/a/versions", {"schema": ONE}).status == 200


def test_certificates_are_not_passed_on_without_tls(tmp_path):
    """The leader is asked by http: it cannot know who asks the follower, and nobody makes it believe a header."""
    files = Files(tmp_path / "files")
    settings = files.server(ssl_client_authentication="REQUIRED") | ROLES | {
        "authentication.method": "MTLS", "inter.instance.protocol": "http",
    }  # fmt: skip
    with running_broker(tmp_path / "broker", BROKER) as broker:
        made = [
            SecuredRegistry(tmp_path / f"r{number}", broker.bootstrap, QUICK | settings | {"host.name": "127.0.0.1"},
                            both=True)
            for number in range(2)
        ]  # fmt: skip
        with killed_at_the_end(*made):
            for each in made:
                each.start()
            replicas = Pair(made[0], made[1], files)
            eventually(lambda: "leads" in made[1].log.read_text())
            answer = replicas.certified("ann", made[1])("POST", "/subjects/team-a/versions", {"schema": ONE})
            assert answer.error == (500, 50003)
            assert "inter.instance.protocol=https" in answer.body["message"]
            refused = Client(made[0].plain_url)("POST", "/subjects/team-a/versions", {"schema": ONE}, x_forward="true",
                                                x_kopfka_on_behalf_of="ann")  # fmt: skip
            assert refused.error == FORBIDDEN
