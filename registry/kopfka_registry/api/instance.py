"""What the routes work with: one instance's registry, and how a change is made here or by the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from kopfka_registry.api.answers import answer
from kopfka_registry.errors import ForwardingError, UnknownLeaderError
from kopfka_registry.leadership.forwarding import FORWARDED, OFFSET
from kopfka_registry.security.callers import caller_of, rights_of
from kopfka_registry.security.guard import Guarded
from kopfka_registry.security.view import Permit

if TYPE_CHECKING:
    from starlette.requests import Request

    from kopfka_registry.leadership.election import Leadership
    from kopfka_registry.leadership.forwarding import Forwarded, Forwarder
    from kopfka_registry.leadership.identity import Identity
    from kopfka_registry.service.registry import Registry
    from kopfka_registry.store.store import Store

_ELECTION_SECONDS: Final = 10.0
"""How long a change waits for an election that is on its way."""

Change = Callable[[], Awaitable[tuple[Any, int | None]]]
"""Makes a change; returns what to answer, and the offset of its last record if it wrote any."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of the registry."""

    registry: Registry
    store: Store
    leadership: Leadership
    forwarder: Forwarder
    cluster_id: str
    group: str
    most_listed: int

    async def change(self, request: Request, make: Change) -> Response:
        """Make a change where this instance leads, else have the leader make it; the answer is seen by later reads.

        Raises:
            RegistryError: it cannot be made.
        """
        while True:
            if not self.registry.leads:
                await self.leadership.settled(_ELECTION_SECONDS)
            if self.registry.leads:
                said, offset = await make()
                # without a record of its own, it may have gone by what another leader wrote
                return answer(request, said, {OFFSET: str(offset)} if offset is not None else None)
            leader = self.leadership.leader
            if FORWARDED in request.headers or leader is None or leader == self.leadership.identity:
                raise UnknownLeaderError("no instance leads now; ask again")
            forwarded = await self._forwarded(request, leader)
            if forwarded is not None:
                return Response(forwarded.body, forwarded.status, media_type=forwarded.content_type)

    async def _forwarded(self, request: Request, leader: Identity) -> Forwarded | None:
        """Have the leader make a change; None where another one leads now, which is to be asked then.

        Who registers or sets something twice finds it done, so it may be asked for again; who deletes does not.
        """
        headers, target = dict(request.headers), request.scope["target"]
        caller, body = caller_of(request), await request.body()
        on_behalf = caller.name if caller.certified else None
        asking = asyncio.create_task(
            self.forwarder.forward(leader, request.method, target, headers, body, on_behalf=on_behalf)
        )
        while not asking.done():
            changed = asyncio.create_task(self.leadership.changed())
            await asyncio.wait({asking, changed}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if not asking.done() and self.leadership.leader not in (leader, None):
                asking.cancel()
                if request.method == "DELETE":
                    raise ForwardingError(f"{leader.url} does not lead any more; whether it deleted this is not known")
                return None
        forwarded = asking.result()
        if forwarded.offset is not None:
            await self.store.applied(forwarded.offset)
        elif forwarded.status < 300:
            await self.store.catch_up()
        return forwarded


def instance_of(request: Request) -> Instance:
    """Return the instance that serves a request, as whoever sent it may use it."""
    found: Instance = request.app.state.instance
    rights = rights_of(request)
    if rights is None:
        return found
    return replace(found, registry=Guarded(found.registry, Permit(caller_of(request), rights)))
