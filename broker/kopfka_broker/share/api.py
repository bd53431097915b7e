"""ShareFetch and ShareAcknowledge: what a member of a share group asks of the records themselves."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import MALFORMED
from kopfka_broker.features import SHARE_VERSION
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.share.acknowledging import Acknowledging
from kopfka_broker.share.acquiring import Wish
from kopfka_broker.share.answers import Fetched, acknowledge_answer, fetch_answer, refused
from kopfka_broker.share.fetching import Bounds, ShareFetchJob
from kopfka_broker.share.sessions import FINAL_EPOCH, INITIAL_EPOCH, ShareSession, ShareSessions
from kopfka_broker.share.states import AcquireMode, ShareError, SharePartitionKey, invalid_request
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from uuid import UUID

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import Caller, RequestContext
    from kopfka_broker.dispatch import Buffers
    from kopfka_broker.share.manager import Loaded, SharePartitions
    from kopfka_broker.share.sessions import Member, Partition
    from kopfka_wire.codec import Codec

_FIRST_WITH_RENEW = 2
_LONGEST_MEMBER_ID = 36
_MUST_BE_ZERO = {"max_bytes": "maxBytes", "min_bytes": "minBytes", "max_records": "maxRecords", "max_wait": "maxWaitMs"}

log = logging.getLogger(__name__)


class ShareApis:
    """The handlers over one broker."""

    def __init__(self, cluster: Cluster, partitions: SharePartitions) -> None:
        self._cluster = cluster
        self._partitions = partitions
        self._sessions = ShareSessions(lambda: cluster.config.number("group.share.max.share.sessions"))
        self._acknowledging = Acknowledging(cluster, partitions)
        self._watched: set[int] = set()
        """The connections, by `id`, that sessions were opened by."""
        self._releasing: set[asyncio.Task[None]] = set()

    # -- ShareFetch ---------------------------------------------------------------------------------------------------

    def fetch(self, frame: memoryview, position: int, context: RequestContext, form: Codec) -> asyncio.Task[Buffers]:
        """Answer when there are records for the member, or the time is up; cancelling it ends the waiting."""
        request = form.read_request(frame, position)
        return asyncio.get_running_loop().create_task(self._fetch(request, context, form))

    async def _fetch(self, request: Any, context: RequestContext, form: Codec) -> Buffers:
        try:
            answer = await self._fetched(request, context, form)
        except ShareError as error:
            if error.code is ErrorCode.share_session_limit_reached:
                # the client would come back at once, and there is no place for it now
                await asyncio.sleep(request.max_wait.total_seconds())
            answer = refused(form, error.code)
        return [form.write_response(answer)]

    async def _fetched(self, request: Any, context: RequestContext, form: Codec) -> Any:
        member = self._member(request, context)
        renewing = context.api_version >= _FIRST_WITH_RENEW and request.is_renew_ack
        if renewing:
            wrong = [name for field, name in _MUST_BE_ZERO.items() if getattr(request, field)]
            if wrong:
                raise invalid_request(
                    "".join(f"{name} must be set to 0, " for name in wrong) + "if isRenewAck is true."
                )
        wanted = [(topic.topic_id, part.partition_index) for topic in request.topics for part in topic.partitions]
        acknowledges = any(part.acknowledgement_batches for topic in request.topics for part in topic.partitions)
        session = self._session(request, member, context, wanted, acknowledges=acknowledges)
        epoch = request.share_session_epoch
        acknowledged: Awaitable[Any] | None = None
        if acknowledges:
            acknowledged = asyncio.ensure_future(self._acknowledging.take(request, member, context))
        fetched: dict[Partition, Fetched] = {}
        if session is not None and not renewing:
            fetched = await self._records(session, request, member, context)
            if epoch != INITIAL_EPOCH:
                fetched = {
                    key: each
                    for key, each in fetched.items()
                    if session.names(key, records=bool(each.records), error=each.code is not ErrorCode.none)
                }
        if acknowledged is not None:
            for key, ended in (await asyncio.shield(acknowledged)).items():
                fetched.setdefault(key, Fetched()).acknowledged = ended
        if epoch == FINAL_EPOCH:
            self.release(member)
        return fetch_answer(form, fetched, self._partitions.configs.limits(member[0]))

    def _session(
        self, request: Any, member: Member, context: RequestContext, wanted: Iterable[Partition], *, acknowledges: bool
    ) -> ShareSession | None:
        """Return the session a fetch is part of, None where it ends its session.

        Raises:
            ShareError: there is none, or the request is not the next one.
        """
        epoch = request.share_session_epoch
        if epoch == INITIAL_EPOCH:
            if acknowledges:
                raise invalid_request(MALFORMED)
            session = self._sessions.create(member, context.caller, wanted)
            self._end_with(context.caller)
            session.unknown.update(self._unknown(wanted))
            return session
        session = self._sessions.use(member, epoch)
        if epoch == FINAL_EPOCH:
            return None
        forgotten = [(topic.topic_id, index) for topic in request.forgotten_topics_data for index in topic.partitions]
        session.change(wanted, forgotten)
        session.unknown.update(self._unknown(wanted))
        return session

    def _unknown(self, wanted: Iterable[Partition]) -> set[UUID]:
        return {topic_id for topic_id, _ in wanted if self._cluster.topic(topic_id) is None}

    async def _records(
        self, session: ShareSession, request: Any, member: Member, context: RequestContext
    ) -> dict[Partition, Fetched]:
        """Acquire records of a session's partitions; errors of those that cannot be read stand beside them."""
        wanted = list(session.partitions)
        if not wanted:
            return {}
        turn = request.share_session_epoch % len(wanted) if request.share_session_epoch > 0 else 0
        faults: dict[Partition, Fetched] = {}
        loaded: list[tuple[Partition, Loaded]] = []
        for key in wanted[turn:] + wanted[:turn]:
            code = self._fault(key, session, context)
            if code is not ErrorCode.none:
                faults[key] = Fetched(code)
                continue
            try:
                of = self._cluster.topic(key[0]).partitions[key[1]]  # type: ignore[union-attr]
                loaded.append((key, await self._partitions.load(SharePartitionKey(member[0], *key), of)))
            except ShareError as error:
                faults[key] = Fetched(error.code)
        max_bytes = min(request.max_bytes, self._cluster.config.number("fetch.max.bytes"))
        throttling = self._cluster.throttling
        if throttling.active:
            max_bytes = min(max_bytes, throttling.most_fetched(context) or max_bytes)
        if not loaded or not request.max_records or not max_bytes:
            return faults
        bounds = Bounds(
            request.max_wait.total_seconds(),
            min(request.min_bytes, max_bytes),
            max_bytes,
            self._partitions.configs.committed(member[0]),
        )
        mode = AcquireMode(getattr(request, "share_acquire_mode", 0))
        wish = Wish(member[1], request.max_records, request.batch_size, mode)
        found = await ShareFetchJob(self._partitions, loaded, wish, bounds).run()
        for key, of in loaded:
            traffic = self._cluster.metrics.topic(of.log.topic)
            traffic.fetch_requests += 1
            if key in found:
                traffic.bytes_out += len(found[key].records)
                traffic.failed_fetch_requests += found[key].code is not ErrorCode.none
        return found | faults

    def _fault(self, key: Partition, session: ShareSession, context: RequestContext) -> ErrorCode:
        topic = self._cluster.topic(key[0])
        if topic is None:
            # Kafka keeps the names of topics in the session: one that was there is missed by its name
            gone = key[0] not in session.unknown
            return ErrorCode.unknown_topic_or_partition if gone else ErrorCode.unknown_topic_id
        if not self._cluster.allows(context, Operation.READ, ResourceType.TOPIC, topic.name):
            return ErrorCode.topic_authorization_failed
        return ErrorCode.none if 0 <= key[1] < len(topic.partitions) else ErrorCode.unknown_topic_or_partition

    # -- ShareAcknowledge ---------------------------------------------------------------------------------------------

    async def acknowledge(self, request: Any, context: RequestContext) -> Any:
        """Take acknowledgements; answered when they are durable."""
        form = codec(context.api_key, context.api_version)
        try:
            member = self._member(request, context)
            if request.share_session_epoch == INITIAL_EPOCH:
                raise ShareError(ErrorCode.invalid_share_session_epoch, "The share session epoch is invalid.")
            self._sessions.use(member, request.share_session_epoch)
        except ShareError as error:
            return refused(form, error.code)
        outcomes = await self._acknowledging.take(request, member, context)
        if request.share_session_epoch == FINAL_EPOCH:
            self.release(member)
        return acknowledge_answer(form, outcomes, self._partitions.configs.limits(member[0]))

    # -- both ---------------------------------------------------------------------------------------------------------

    def _member(self, request: Any, context: RequestContext) -> Member:
        """Return group and member of a request.

        Raises:
            ShareError: it names none, or the client may not read for the group.
        """
        if not self._cluster.features.finalized.get(SHARE_VERSION):
            raise ShareError(ErrorCode.unsupported_version)
        if request.group_id is None:
            raise invalid_request("Invalid group id in the request.")
        if not self._cluster.allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            raise ShareError(ErrorCode.group_authorization_failed, "Group authorization failed.")
        if not request.member_id or len(request.member_id) > _LONGEST_MEMBER_ID:
            raise invalid_request("Invalid member id in the request.")
        return request.group_id, request.member_id

    def release(self, member: Member) -> None:
        """End a member's session, and give back what it holds."""
        session = self._sessions.remove(member)
        if session is not None:
            keys = [SharePartitionKey(member[0], *key) for key in session.partitions]
            task = asyncio.get_running_loop().create_task(self._release(keys, member))
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)

    async def _release(self, keys: list[SharePartitionKey], member: Member) -> None:
        for key in keys:
            try:
                await self._partitions.release(key, member[1])
            except ShareError as error:
                log.warning("records of %s, of a session that is over, could not be given back: %s", key, error)
        if not self._sessions.any_of(member[0]):
            # nobody is left to fetch: the next one reads what is stored
            self._partitions.forget(self._partitions.of_group(member[0]))

    def _end_with(self, caller: Caller) -> None:
        """See to it that sessions end with the connection they were opened by."""
        if id(caller) not in self._watched:
            self._watched.add(id(caller))
            caller.on_close += (partial(self._connection_closed, caller),)

    def _connection_closed(self, caller: Caller) -> None:
        self._watched.discard(id(caller))
        for member in self._sessions.of(caller):
            self.release(member)
