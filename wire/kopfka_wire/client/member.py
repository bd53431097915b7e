"""A member of a classic group of any protocol type: joins, syncs, sends heartbeats, leaves. What the bytes mean that it
carries is its listener's business: Connect's workers ("connect"), the registry's instances ("sr"), consumers.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from typing import TYPE_CHECKING, Final, Self, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_wire.client.errors import ClientError, ClosedError
from kopfka_wire.client.joining import GroupCalls, Joined
from kopfka_wire.client.membership import Assignment, Election, GroupMember, Listener, Loss
from kopfka_wire.error_codes import BrokerError, MembershipError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from kopfka_wire.client.cluster import Cluster

__all__ = ["Assignment", "Election", "GroupMember", "Listener", "Loss", "Member"]

T = TypeVar("T")

_LEAVE_SECONDS: Final = 5.0
"""How long an end waits for the coordinator; the session expires by itself after that."""

log = logging.getLogger(__name__)


class Member:
    """One membership; it runs in a task of its own between `start` and `close`.

    Retries for ever what may pass. What cannot (AuthenticationError, AuthorizationError, GroupRefusedError, a
    listener's own error, a fenced static id) ends it: `lost` is told, and `wait` raises it.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        protocol_type: str,
        listener: Listener,
        *,
        session_timeout: float = 10.0,
        rebalance_timeout: float = 60.0,
        heartbeat_interval: float = 3.0,
        static_id: str | None = None,
    ) -> None:
        self._group = group
        self._listener = listener
        self._sure_for = min(session_timeout, rebalance_timeout)
        self._heartbeat_interval = heartbeat_interval
        self._static_id = static_id
        self._calls = GroupCalls(
            cluster,
            group,
            protocol_type,
            static_id,
            session_timeout=session_timeout,
            rebalance_timeout=rebalance_timeout,
        )
        self._backoff = cluster.backoff
        self._assignment: Assignment | None = None
        self._alive_until = float("-inf")
        self._event: Loss | Exception | None = None
        self._happened = asyncio.Event()
        self._rejoin_for = ""
        self._heart: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._leave = True
        self._in_listener = False

    async def __aenter__(self) -> Self:
        """Start."""
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave and end."""
        await self.close()

    @property
    def assignment(self) -> Assignment | None:
        """What it has now."""
        return self._assignment

    @property
    def member_id(self) -> str:
        """The id the coordinator gave it, empty before."""
        return self._calls.member_id

    @property
    def valid_until(self) -> float:
        """Until when (`time.monotonic()`) the group cannot have given to others what this member has; -inf without an
        assignment.

        Counted from the sending of the last heartbeat that was answered well, so it is right whatever the answer took.
        A process that was stopped in between finds it in the past when it goes on. (Who removes members by force, by
        an administrative call or by a second process with the same static id, does not wait for it.)
        """
        return self._alive_until if self._assignment is not None else float("-inf")

    def is_valid(self) -> bool:
        """Tell whether there is an assignment and `valid_until` is not over."""
        return time.monotonic() < self.valid_until

    def start(self) -> None:
        """Begin to join."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"member of group {self._group}")
            self._task.add_done_callback(self._ended)

    def rejoin(self, reason: str = "the member asks for it") -> None:
        """Ask for a new generation: this member's metadata has changed, or its leader wants to assign anew."""
        self._rejoin_for = reason
        self._tell(Loss.REBALANCE)

    async def wait(self) -> None:
        """Wait for the end: returns after `close`, raises what ended the member otherwise."""
        if self._task is None:
            raise ClosedError(f"the member of group {self._group} was not started")
        await asyncio.wait((self._task,))
        self._task.result()

    async def close(self, *, leave: bool = True) -> None:
        """Tell the listener that the assignment is lost, leave the group, and end.

        A static member stays in the group until its session expires, as in Kafka, whatever `leave` says. A call of the
        listener that is under way is waited for.
        """
        self._closing = True
        self._leave = leave
        task = self._task
        if task is None:
            return
        if not self._in_listener:
            task.cancel()
        self._tell(Loss.CLOSED)
        if task is not asyncio.current_task():  # else the listener closes, and the end comes after its call
            await asyncio.wait((task,))

    # -- the task ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failure: Exception | None = None
        try:
            await self._live()
        except asyncio.CancelledError:
            if not self._closing:
                self._stop_heart()
                self._calls.release()
                raise
        except Exception as error:
            failure = error
        try:
            fenced = isinstance(failure, BrokerError) and failure.code == ErrorCode.fenced_instance_id
            await self._lose(Loss.FENCED if fenced else Loss.CLOSED)
        except Exception as error:  # the first reason is the better one
            failure = failure or error
        finally:
            self._stop_heart()
            await self._leave_group()
            self._calls.release()
        if failure is not None:
            raise failure

    async def _live(self) -> None:
        """Join, stay, lose, and join again."""
        while not self._closing:
            assignment = await self._join()
            if self._closing:
                return
            self._assignment = assignment
            await self._listen(self._listener.assigned(assignment))
            loss = await self._stay()
            if loss is Loss.EXPIRED:
                self._calls.release()  # connections on which nothing came for so long are not to be waited for
            await self._lose(loss)

    async def _join(self) -> Assignment:
        waits = self._backoff()
        reason, self._rejoin_for = self._rejoin_for, ""
        while True:
            self._stop_heart()
            try:
                joined = await self._calls.join(self._listener.protocols(), reason)
                self._event = None
                self._happened.clear()
                self._alive_until = float("-inf")
                self._heart = asyncio.create_task(self._beat(joined.generation))
                return await self._sync(joined)
            except MembershipError as error:
                log.info("group %s: %s", self._group, error)
                if error.code == ErrorCode.fenced_instance_id:
                    raise
                if error.code == ErrorCode.unknown_member_id:
                    self._calls.member_id = ""
                if error.code == ErrorCode.rebalance_in_progress:
                    continue
            except ClientError as error:
                if not error.retriable:
                    raise
                log.info("group %s: %s", self._group, error)
            except asyncio.CancelledError:
                self._calls.hang_up()
                raise
            await asyncio.sleep(waits.next())

    async def _sync(self, joined: Joined) -> Assignment:
        assignments: Mapping[str, bytes] = {}
        if joined.leader_id == self.member_id and not joined.keeps_assignment:
            election = Election(joined.generation, joined.leader_id, joined.protocol, joined.members)
            made = self._listener.assign(election)
            assignments = await self._listen(made) if inspect.isawaitable(made) else made
        sent = time.monotonic()
        data = await self._calls.sync(joined, assignments)
        self._alive_until = max(self._alive_until, sent + self._sure_for)
        if self._alive_until <= time.monotonic():
            # others took their time; whether this member still has its own is asked, not guessed
            sent = time.monotonic()
            await self._calls.heartbeat(joined.generation)
            self._alive_until = sent + self._sure_for
        return Assignment(joined.generation, self.member_id, joined.leader_id, joined.protocol, data, joined.members)

    async def _stay(self) -> Loss:
        """Wait until the assignment is lost, and return why."""
        if self._rejoin_for:
            self._tell(Loss.REBALANCE)
        while True:
            event = self._event
            if isinstance(event, Exception):
                raise event
            if event is not None:
                return event
            left = self._alive_until - time.monotonic()
            if left <= 0:
                return Loss.EXPIRED
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._happened.wait()

    async def _lose(self, loss: Loss) -> None:
        if self._assignment is not None:
            log.info("group %s: generation %d is over: %s", self._group, self._assignment.generation, loss.value)
            self._assignment = None
            await self._listen(self._listener.lost(loss))

    async def _listen(self, call: Awaitable[T]) -> T:
        self._in_listener = True
        try:
            return await call
        finally:
            self._in_listener = False

    async def _leave_group(self) -> None:
        if not self._leave or self._static_id is not None or not self.member_id:
            return
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._calls.leave("the member is closed")
        except (ClientError, TimeoutError) as error:
            log.info("group %s was not left, and will find out: %s", self._group, error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("the member of group %s ended: %s", self._group, error)

    # -- heartbeats -------------------------------------------------------------------------------------------------

    async def _beat(self, generation: int) -> None:
        """Send heartbeats until the generation, or this member, is no more."""
        waits = self._backoff()
        pause = self._heartbeat_interval
        while True:
            await asyncio.sleep(pause)
            pause = self._heartbeat_interval
            sent = time.monotonic()
            try:
                await self._calls.heartbeat(generation)
            except MembershipError as error:
                if error.code == ErrorCode.rebalance_in_progress:
                    # they go on until this member joins again; but others may join without it meanwhile
                    self._tell(Loss.REBALANCE)
                    continue
                if error.code == ErrorCode.unknown_member_id:
                    self._calls.member_id = ""  # after ILLEGAL_GENERATION it is still the member's
                self._tell(error if error.code == ErrorCode.fenced_instance_id else Loss.EVICTED)
                return
            except ClientError as error:
                if not error.retriable:
                    self._tell(error)
                    return
                pause = min(waits.next(), self._heartbeat_interval)
            else:
                waits.reset()
                self._alive_until = sent + self._sure_for

    def _tell(self, event: Loss | Exception) -> None:
        """Have the task know of something; what is worse than what it knows already takes its place."""
        if self._event in (None, Loss.REBALANCE):
            self._event = event
            self._happened.set()

    def _stop_heart(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None
