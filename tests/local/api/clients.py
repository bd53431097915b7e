"""A client of either API server, ours or a real one, that sends what it is told and hides nothing of the answer."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The reason of a Status."""
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        """The message of a Status."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


class Client:
    """One server, as a kubeconfig describes it."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = urlsplit(cluster["server"])
        self.token = user.get("token")
        self._connection: http.client.HTTPSConnection | None = None
        if "certificate-authority-data" in cluster:
            import base64

            self.tls = ssl.create_default_context(
                cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
            )
        else:
            self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        if "client-certificate" in user:
            self.tls.load_cert_chain(user["client-certificate"], user["client-key"])

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        token: str | None = None,
    ) -> Answer:
        """Send a request; a body that is not bytes is sent as JSON."""
        headers = {"Accept": accept, "User-Agent": "tester/1"}
        given = self.token if token is None else token
        if given:
            headers["Authorization"] = f"Bearer {given}"
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
        answer, text = self._exchange(method, path, data, headers)
        warnings = tuple(answer.headers.get_all("Warning") or ())
        try:
            return Answer(answer.status, json.loads(text), warnings)
        except ValueError:
            return Answer(answer.status, text.decode(errors="replace"), warnings)

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send over the open connection, or a new one where the server closed it."""
        for fresh in (False, True):
            if self._connection is None or fresh:
                self._connection = http.client.HTTPSConnection(
                    str(self.server.hostname), self.server.port, context=self.tls, timeout=30
                )
            try:
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
                return answer, answer.read()
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                if fresh:
                    raise
        raise AssertionError("unreachable")
