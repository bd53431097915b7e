"""kopf's part: it finds the resources, keeps a watch on each kind, and tells the mirror and whoever is concerned.

Only low-level event handlers are registered, so kopf itself writes nothing to any resource: no annotations, no
finalizers, no status. No event is handled before every kind has been listed (kopf's indices are that barrier): a plan
never takes what it has not seen yet for missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from kopfka_operator.api.names import FIELD_MANAGER
from kopfka_operator.kube.client import new_session
from kopfka_operator.kube.resources import CHILDREN, CLAIMS, KINDS, PODS, ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kube.connection import Connection
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.mirror import Mirror

    Concern = Callable[[ResourceType, Manifest, bool], None]

OURS = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
"""Label selector of everything the operator makes, and of what that makes (pods, claims)."""

WATCHED: dict[ResourceType, str] = {
    **dict.fromkeys(KINDS, ""),
    **dict.fromkeys((*CHILDREN, PODS, CLAIMS), OURS),
}
"""What is watched, and the label selector that narrows it."""

SERVER_SECONDS = 300


def new_registry(mirror: Mirror, connection: Connection, concern: Concern) -> kopf.OperatorRegistry:
    """Return kopf's handlers; `concern` is told type and state of what changed, and whether it is gone."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(
            server=connection.server, aiohttp_session=new_session(connection), default_namespace=connection.namespace
        )

    for type_ in WATCHED:
        _register(registry, mirror, type_, concern)
    return registry


def new_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: least rights, server-side selectors, watches that end and begin anew."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.client_timeout = SERVER_SECONDS + 30
    settings.watching.connect_timeout = 5
    settings.process.ultimate_exiting_timeout = None
    for type_, selector in WATCHED.items():
        if selector:
            settings.watching.label_selectors[type_.group, type_.version, type_.plural] = selector
    return settings


def _register(registry: kopf.OperatorRegistry, mirror: Mirror, type_: ResourceType, concern: Concern) -> None:
    where: Any = {"group": type_.group, "version": type_.version, "plural": type_.plural, "registry": registry}

    @kopf.index(**where, id=f"mirror-{type_.plural}")
    async def keep(body: kopf.Body, **_: Any) -> None:
        state = _state(dict(body))
        mirror.put(type_, state)
        mirror.saw(type_, state)

    @kopf.on.event(**where, id=f"tell-{type_.plural}")
    async def tell(event: kopf.RawEvent, **_: Any) -> None:
        state = _state(dict(event["object"]))
        gone = event["type"] == "DELETED"
        if gone:
            mirror.remove(type_, state)
            mirror.saw_end(type_, state)
        concern(type_, state, gone)


def _state(body: Manifest) -> Manifest:
    """Return an object without its managed fields, which are larger than all the rest and of no use here."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": metadata}
