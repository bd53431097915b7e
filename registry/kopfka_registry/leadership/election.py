"""An instance's place among the others: follows the group's elections, and begins and ends its own leadership."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kopfka_registry.errors import StoreError
from kopfka_registry.leadership.identity import PROTOCOL, PROTOCOL_TYPE, Identity, elect, leader_of
from kopfka_registry.leadership.lead import Lead
from kopfka_wire.client.member import Member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.store.store import Store
    from kopfka_wire.client.cluster import Cluster
    from kopfka_wire.client.member import Assignment, Election, Loss

log = logging.getLogger(__name__)

_PAUSE = 1.0


class Leadership:
    """Who leads, as far as this instance knows."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        identity: Identity,
        *,
        group: str,
        timeout: float,
        session_timeout: float = 10.0,
        rebalance_timeout: float = 10.0,
        heartbeat_interval: float = 3.0,
    ) -> None:
        self.identity = identity
        self._cluster = cluster
        self._store = store
        self._group = group
        self._timeout = timeout
        self._leader: Identity | None = None
        self._lead: Lead | None = None
        self._changed = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._member = Member(
            cluster,
            group,
            PROTOCOL_TYPE,
            self,
            session_timeout=session_timeout,
            rebalance_timeout=rebalance_timeout,
            heartbeat_interval=heartbeat_interval,
        )

    def start(self) -> None:
        """Begin to take part."""
        self._member.start()
        self._watch = asyncio.create_task(self._watch_member(), name="registry-election")

    async def close(self) -> None:
        """Leave, so that another instance leads soon."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await self._member.close()

    @property
    def leader(self) -> Identity | None:
        """The instance that leads, None while there is none."""
        return self._leader

    @property
    def lead(self) -> Lead | None:
        """The right to write, where this instance has it."""
        return None if self._lead is None or self._lead.ended else self._lead

    def unready(self) -> str | None:
        """Return what keeps changes from being made, if anything does."""
        if self._leader is None:
            return "no instance leads"
        if self._leader == self.identity and self.lead is None:
            return "this instance is to lead and cannot write"
        return None

    async def changed(self) -> None:
        """Wait until an election ends."""
        self._changed.clear()
        await self._changed.wait()

    async def settled(self, seconds: float) -> None:
        """Wait until it is known who leads, at most `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._leader is None or (self._leader == self.identity and self.lead is None):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    # what the group asks and tells

    def protocols(self) -> list[tuple[str, bytes]]:
        """Say who this instance is."""
        return [(PROTOCOL, self.identity.encode(leads=self.lead is not None))]

    def assign(self, election: Election) -> Mapping[str, bytes]:
        """Choose a leader for all."""
        return elect(election)

    async def assigned(self, assignment: Assignment) -> None:
        """Learn who leads; if it is this instance, begin."""
        leader = leader_of(assignment.data)
        if leader == self.identity:
            await self._begin()
        else:
            await self._end()
            log.info("%s leads", leader.url if leader else "no instance")
        self._leader = leader
        self._changed.set()

    async def lost(self, loss: Loss) -> None:
        """Forget who leads. A leader goes on writing meanwhile, as it may lead on: the topic is its guard."""
        log.info("the group chooses a leader anew: %s", loss.value)
        self._leader = None
        if loss.value != "rebalance":
            await self._end()

    async def _begin(self) -> None:
        if self.lead is not None:
            log.info("this instance leads on")
            return
        await self._end()
        lead = Lead(self._cluster, self._store, group=self._group, timeout=self._timeout)
        try:
            await lead.begin()
        except StoreError as error:
            log.error("this instance cannot lead: %s", error)
            await lead.close()
            asyncio.get_running_loop().call_later(_PAUSE, self._member.rejoin)
            return
        self._lead = lead
        log.info("this instance (%s) leads", self.identity.url)

    async def _end(self) -> None:
        if self._lead is not None:
            lead, self._lead = self._lead, None
            await lead.close()

    async def _watch_member(self) -> None:
        """Take part again after whatever ended the membership."""
        while True:
            try:
                await self._member.wait()
                return
            except Exception as error:
                log.error("this instance takes no part in elections: %s", error)
            await asyncio.sleep(_PAUSE)
            self._member.start()
