"""Where the Kubernetes API server is and how to prove who one is: a kubeconfig, or the service account of a pod.

Knows bearer tokens (also from files, read again as they rotate), client certificates and a CA. Does not run the
`exec` and `auth-provider` plugins of a kubeconfig, and says so.
"""

from __future__ import annotations

import base64
import os
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kopfka_operator.errors import ConnectionConfigError
from kopfka_operator.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_SECONDS = 60.0


class Token:
    """A bearer token: fixed, or the content of a file that is read again once a minute, as client-go does."""

    def __init__(self, text: str = "", path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._text = text
        self._path = path
        self._clock = clock
        self._read_at: float | None = None

    def current(self) -> str:
        """Return the token to send now; empty if there is none."""
        now = self._clock()
        if self._path is not None and (self._read_at is None or now - self._read_at >= _TOKEN_SECONDS):
            try:
                self._text = self._path.read_text("utf-8").strip()
            except OSError as error:
                if not self._text:
                    raise ConnectionConfigError(f"cannot read the token in {self._path}: {error.strerror}") from error
            self._read_at = now
        return self._text


@dataclass(frozen=True, slots=True)
class Connection:
    """All it takes to send requests to one API server."""

    server: str
    namespace: str
    token: Token = field(default_factory=Token)
    tls: ssl.SSLContext | None = None


def find_connection(environment: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT) -> Connection:
    """Return the connection that KUBECONFIG names, else the pod's service account, else `~/.kube/config`.

    Raises:
        ConnectionConfigError: there is none, or it cannot be used.
    """
    named = environment.get("KUBECONFIG", "")
    if named:
        return from_kubeconfig([Path(path) for path in named.split(os.pathsep) if path])
    if environment.get("KUBERNETES_SERVICE_HOST") and (service_account / "token").exists():
        return from_service_account(environment, service_account)
    home = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if home.exists():
        return from_kubeconfig([home])
    raise ConnectionConfigError("no Kubernetes to talk to: set KUBECONFIG, or run in a pod with a service account")


def from_service_account(environment: Mapping[str, str], folder: Path) -> Connection:
    """Return the connection of the pod that this process runs in."""
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    try:
        namespace = (folder / "namespace").read_text("utf-8").strip()
    except OSError:
        namespace = "default"
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    return Connection(f"https://{host}:{port}", namespace, Token(path=folder / "token"), tls)


def from_kubeconfig(paths: list[Path]) -> Connection:
    """Return the connection of the current context of these files; of what several define, the first counts."""
    import yaml  # noqa: PLC0415 - a pod with a service account reads no YAML

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[tuple[str, str], tuple[dict[str, Any], Path]] = {}
    current = ""
    for path in paths:
        try:
            content = yaml.load(path.read_bytes(), Loader=loader) or {}
        except FileNotFoundError:
            continue
        except (OSError, yaml.YAMLError) as error:
            raise ConnectionConfigError(f"cannot read the kubeconfig {path}: {error}") from error
        current = current or content.get("current-context") or ""
        for section, item in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for entry in content.get(section) or []:
                found.setdefault((item, entry["name"]), (entry.get(item) or {}, path.parent))
    names = os.pathsep.join(map(str, paths))
    if not current:
        raise ConnectionConfigError(f"the kubeconfig {names} names no current-context: kubectl config use-context NAME")
    try:
        context, _ = found["context", current]
        cluster, cluster_folder = found["cluster", context["cluster"]]
        user, user_folder = found.get(("user", context.get("user", "")), ({}, Path()))
        server = str(cluster["server"]).rstrip("/")
    except KeyError as error:
        raise ConnectionConfigError(
            f"the kubeconfig {names} lacks what context {current} refers to: {error}"
        ) from error
    if "exec" in user or "auth-provider" in user:
        raise ConnectionConfigError(
            f"user {context['user']} of the kubeconfig {names} needs a login plugin, which Kopfka does not run: "
            "use a user with a token or a client certificate"
        )
    tls = _tls(cluster, cluster_folder, user, user_folder) if server.startswith("https:") else None
    return Connection(server, context.get("namespace") or "default", _token(user, user_folder), tls)


def _token(user: dict[str, Any], folder: Path) -> Token:
    if user.get("tokenFile"):
        return Token(path=folder / user["tokenFile"])
    return Token(str(user.get("token") or ""))


def _tls(cluster: dict[str, Any], folder: Path, user: dict[str, Any], user_folder: Path) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority", folder)
    certificate, key = _content(user, "client-certificate", user_folder), _content(user, "client-key", user_folder)
    context = client_context(authority, certificate, key)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _content(section: dict[str, Any], name: str, folder: Path) -> bytes:
    if section.get(f"{name}-data"):
        return base64.b64decode(section[f"{name}-data"])
    if not section.get(name):
        return b""
    path: Path = folder / section[name]
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConnectionConfigError(f"cannot read {name} {path}: {error.strerror}") from error
