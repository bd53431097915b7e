"""A registry as a process with listeners of its own, and clients that prove who they are."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from kopfka_runtime.settings import format_properties
from registry.http import MEDIA_TYPE, Answer
from support.certificates import Authority, pem_keystore, server_settings
from support.processes import RegistryProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Pair

QUICK = {"schema.registry.session.timeout.ms": "2000", "schema.registry.heartbeat.interval.ms": "500"}


class SecuredRegistry(RegistryProcess):
    """A registry that listens where its settings say: by https on `port`, and by http on `plain_port` if `both`."""

    def __init__(
        self, folder: Path, bootstrap: str, settings: dict[str, str], *, https: bool = True, both: bool = False
    ) -> None:
        super().__init__(folder, bootstrap)
        self.https = https
        self.plain_port = free_port() if both else self.port
        listeners = [f"http://127.0.0.1:{self.plain_port}"] if both or not https else []
        listeners += [f"https://127.0.0.1:{self.port}"] if https else []
        self.settings = {
            "kafkastore.bootstrap.servers": bootstrap,
            "kafkastore.topic.replication.factor": "1",
            "listeners": ",".join(listeners),
        } | settings
        self.write()

    def write(self) -> None:
        """Write the settings that the next start reads."""
        self.config.write_text(format_properties(self.settings))

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"{'https' if self.https else 'http'}://127.0.0.1:{self.port}"

    @property
    def plain_url(self) -> str:
        """Where it serves without TLS."""
        return f"http://127.0.0.1:{self.plain_port}"

    def command(self) -> list[str]:
        """Return the command line, without an address."""
        command = super().command()
        at = command.index("--listen")
        return command[:at] + command[at + 2 :]


class Files:
    """An authority, and the files it takes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = Authority()
        self.trust = folder / "trust.pem"
        self.trust.write_text(self.authority.pair.pem)

    def server(self, pair: Pair | None = None, **settings: str) -> dict[str, str]:
        """Return the settings of a server with these files."""
        pair = pair or self.authority.issue("registry")
        named = {name.replace("_", "."): value for name, value in settings.items()}
        return server_settings(self.folder, pair, self.authority) | named

    def client(self, name: Any, authority: Authority | None = None, days: float = 2) -> Path:
        """Return a file with a client's key and certificate."""
        path = self.folder / f"client-{len(list(self.folder.iterdir()))}.pem"
        pem_keystore(path, (authority or self.authority).issue(name, days))
        return path

    def context(self, client: Path | None = None) -> ssl.SSLContext:
        """Return what a client takes to connect."""
        context = ssl.create_default_context(cafile=str(self.trust))
        if client is not None:
            context.load_cert_chain(client)
        return context


class Client:
    """Somebody who asks, as `registry.http.Rest` does."""

    def __init__(self, url: str, login: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.url = url
        self.login = login
        self.tls = tls

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask; names of headers are written with underscores."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        named = {"content_type": MEDIA_TYPE, **headers}
        if self.login is not None:
            named.setdefault("authorization", self.login)
        for name, value in named.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.tls))
        try:
            with opener.open(request, timeout=30) as answer:
                return _answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.read(), error.headers)


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    named: dict[str, str] = {}
    for name, value in headers.items():
        known = named.get(name.lower())
        named[name.lower()] = value if known is None else f"{known}, {value}"
    return Answer(status, json.loads(body) if body and "json" in named.get("content-type", "") else body, named)


def basic(user: str, password: str | None = None) -> str:
    """Return the header of a user, whose password is its name unless told otherwise."""
    return "Basic " + base64.b64encode(f"{user}:{user if password is None else password}".encode()).decode()
