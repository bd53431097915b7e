"""Share sessions: what a member of a share group said once about the partitions it fetches needs not to be said again.

A session belongs to a member of a group and to the connection it was opened by: when that is gone, so is the session,
and the caller gives back what the member held. Sessions are kept for as long as the process runs, at most
group.share.max.share.sessions of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.share.states import ShareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    Member = tuple[str, str]
    """Group and member id."""
    Partition = tuple[UUID, int]

INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
_LAST_EPOCH = 2**31 - 1
_NOT_FOUND = "The share session was not found."
_WRONG_EPOCH = "The share session epoch is invalid."
_LIMIT_REACHED = "The limit of share sessions has been reached."


class ShareSession:
    """One member's session."""

    __slots__ = ("epoch", "owner", "partitions", "unknown")

    def __init__(self, owner: object, partitions: Iterable[Partition]) -> None:
        self.owner = owner
        """The connection it was opened by."""
        self.epoch = INITIAL_EPOCH + 1
        self.partitions: dict[Partition, bool] = dict.fromkeys(partitions, False)
        """What it fetches, and whether the next answer names the partition though there is nothing new."""
        self.unknown: set[UUID] = set()
        """Topic ids that no topic had when it was asked for them."""

    def step(self) -> None:
        """Go on to the epoch of the next request."""
        self.epoch = self.epoch + 1 if self.epoch < _LAST_EPOCH else 1

    def change(self, wanted: Iterable[Partition], forgotten: Iterable[Partition]) -> None:
        """Apply what a request says beyond the requests before it."""
        for partition in wanted:
            self.partitions.setdefault(partition, True)
        for partition in forgotten:
            self.partitions.pop(partition, None)

    def names(self, partition: Partition, *, records: bool, error: bool) -> bool:
        """Tell whether an answer names a partition of which it has records or an error, and take it as told."""
        due = records or error or self.partitions.get(partition, False)
        if partition in self.partitions:
            self.partitions[partition] = error
        if records and partition in self.partitions:
            self.partitions[partition] = self.partitions.pop(partition)  # behind the others: none is to starve
        return due


class ShareSessions:
    """The sessions of all members."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._sessions: dict[Member, ShareSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, member: Member) -> ShareSession | None:
        """Return a member's session."""
        return self._sessions.get(member)

    def create(self, member: Member, owner: object, partitions: Iterable[Partition]) -> ShareSession:
        """Begin a session, instead of the one the member may have.

        Raises:
            ShareError: there are too many.
        """
        self._sessions.pop(member, None)
        if len(self._sessions) >= self._most():
            raise ShareError(ErrorCode.share_session_limit_reached, _LIMIT_REACHED)
        session = self._sessions[member] = ShareSession(owner, partitions)
        return session

    def use(self, member: Member, epoch: int) -> ShareSession:
        """Return the session of a request that goes on with it, or ends it.

        Raises:
            ShareError: there is none, or the request is not the next one.
        """
        session = self._sessions.get(member)
        if session is None:
            raise ShareError(ErrorCode.share_session_not_found, _NOT_FOUND)
        if epoch == FINAL_EPOCH:
            return session
        if epoch != session.epoch:
            raise ShareError(ErrorCode.invalid_share_session_epoch, _WRONG_EPOCH)
        session.step()
        return session

    def remove(self, member: Member) -> ShareSession | None:
        """End a session and return it."""
        return self._sessions.pop(member, None)

    def any_of(self, group: str) -> bool:
        """Tell whether a member of a group has a session."""
        return any(member[0] == group for member in self._sessions)

    def of(self, owner: object) -> list[Member]:
        """Return whose sessions were opened by a connection."""
        return [member for member, session in self._sessions.items() if session.owner is owner]
