"""The API server as `kopfka status` sees it: over HTTPS with the kubeconfig, nothing in process."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 5.0


class Unreachable(Exception):
    """Nothing answers at the kubeconfig's address."""


class Client:
    """Reads from an API server."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text("utf-8"))
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
        address = urlsplit(cluster["server"])
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Accept": "application/json"}
        context = ssl.create_default_context(cadata=authority)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=_SECONDS, context=context
        )

    def get(self, path: str) -> dict[str, Any] | None:
        """Return what is at a path, None where the server has nothing there.

        Raises:
            Unreachable: no answer, or none that makes sense.
        """
        try:
            self._connection.request("GET", quote(path), headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(str(error)) from error
        if response.status == 404:
            return None
        if response.status != 200:
            raise Unreachable(f"HTTP {response.status}")
        found: dict[str, Any] = json.loads(body)
        return found

    def resources(self, group_version: str) -> dict[str, str]:
        """Return the plural names by kind."""
        prefix = "/apis" if "/" in group_version else "/api"
        found = (self.get(f"{prefix}/{group_version}") or {}).get("resources") or ()
        return {one["kind"]: one["name"] for one in found if "/" not in one["name"]}

    def objects(self, group_version: str, plural: str) -> list[dict[str, Any]]:
        """Return all objects of a resource; each says its kind."""
        prefix = "/apis" if "/" in group_version else "/api"
        found = self.get(f"{prefix}/{group_version}/{plural}") or {}
        kind = str(found.get("kind", "")).removesuffix("List")
        return [{"apiVersion": group_version, "kind": kind} | obj for obj in found.get("items") or ()]
