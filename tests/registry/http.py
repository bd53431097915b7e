"""REST requests of tests, as plain as can be."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: HTTP status, body as JSON, headers in lower case."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, int]:
        """HTTP status and error code."""
        return self.status, self.body["error_code"]


class Rest:
    """A registry's address."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url
        self.headers = headers

    def __call__(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        """Ask; `body` is sent as JSON, `raw` as it is. Names of headers are written with underscores."""
        data = raw if body is None else json.dumps(body).encode()
        named = {"content_type": MEDIA_TYPE, **self.headers, **headers}
        request = urllib.request.Request(self.url + path, data, method=method)
        for name, value in named.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return _answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as error:
            return _answer(error.code, error.read(), error.headers)

    def register(self, subject: str, schema: str, **fields: Any) -> int:
        """Register a schema, and return its id."""
        answer = self("POST", f"/subjects/{subject}/versions", {"schema": schema, **fields})
        assert answer.status == 200, answer
        return int(answer.body["id"])


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    try:
        said = json.loads(body) if body else None
    except ValueError:
        said = body.decode()
    return Answer(status, said, {name.lower(): value for name, value in headers.items()})
