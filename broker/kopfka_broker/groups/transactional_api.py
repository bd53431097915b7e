"""TxnOffsetCommit of every version, and the end of the transactions that offsets were committed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.coordinators.topics import GROUPS
from kopfka_broker.groups.errors import LOG_ERRORS, GroupError, of_the_log
from kopfka_broker.groups.group import State
from kopfka_broker.groups.ports import OffsetsRecord
from kopfka_broker.groups.records import CommittedOffset, encode_offset_key, encode_offset_value
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.context import RequestContext
    from kopfka_broker.groups.core import Core
    from kopfka_broker.groups.ports import Handler, OffsetsLog

_FIRST_WITH_MEMBERS = 3
_FIRST_ABORTABLE = 4
_FIRST_THAT_ADDS = 5
"""From this version on the commit puts its partition into the transaction itself (KIP-890)."""

_ANYONE = (-1, "", None)
"""Generation, member id and instance id of who is no member, or too old a client to say so."""

_Results = dict[str, list[tuple[int, ErrorCode]]]


class TransactionalApi:
    """Commits of offsets in transactions, from the wire to the log and back."""

    def __init__(self, core: Core, store: OffsetsLog) -> None:
        self._core = core
        self._store = store

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of each API key."""
        return {ApiKey.TXN_OFFSET_COMMIT: self.commit}

    # ---- TxnOffsetCommit

    async def commit(self, request: Any, context: RequestContext) -> Any:
        """Answer TxnOffsetCommit once the offsets are durable; they count when the transaction is committed."""
        results: _Results = {}
        valid: list[tuple[str, Any]] = []
        try:
            self._authorize(request, context, results, valid)
            if valid:
                await self._commit(request, context, results, valid)
        except GroupError as refused:
            code = refused.code
            if code is ErrorCode.coordinator_load_in_progress and context.api_version < 2:
                code = ErrorCode.coordinator_not_available  # old producers do not expect the other
            for topic, partition in valid or _all(request):
                results.setdefault(topic, []).append((partition.partition_index, code))
        make = codec(context.api_key, context.api_version).make
        return make(
            topics=tuple(
                make(
                    "TxnOffsetCommitResponseTopic",
                    name=name,
                    partitions=tuple(
                        make("TxnOffsetCommitResponsePartition", partition_index=index, error_code=error)
                        for index, error in partitions
                    ),
                )
                for name, partitions in results.items()
            )
        )

    def _authorize(
        self, request: Any, context: RequestContext, results: _Results, valid: list[tuple[str, Any]]
    ) -> None:
        """Sort out what may not be committed, or is not there to be committed for."""
        cluster = self._core.cluster
        if not cluster.allows(context, Operation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id):
            raise GroupError(ErrorCode.transactional_id_authorization_failed)
        if not cluster.allows(context, Operation.READ, ResourceType.GROUP, request.group_id):
            raise GroupError(ErrorCode.group_authorization_failed)
        for topic in request.topics:
            count = cluster.partition_count(topic.name)
            readable = cluster.allows(context, Operation.READ, ResourceType.TOPIC, topic.name)
            for partition in topic.partitions:
                index = partition.partition_index
                if readable and 0 <= index < count:
                    valid.append((topic.name, partition))
                    continue
                wrong = ErrorCode.unknown_topic_or_partition if readable else ErrorCode.topic_authorization_failed
                results.setdefault(topic.name, []).append((index, wrong))

    async def _commit(
        self, request: Any, context: RequestContext, results: _Results, valid: list[tuple[str, Any]]
    ) -> None:
        core, group, now = self._core, request.group_id, self._core.clock.wall_ms()
        if not group:
            raise GroupError(ErrorCode.invalid_group_id)
        refusal = core.refusal(group)
        if refusal is not None:
            raise GroupError(refusal)
        # from here to the append nothing is awaited but the coordinator's answer, which is newer than its last wait
        await self._verify(request, context)
        self._validate(request, context)
        taken: list[tuple[str, int, CommittedOffset]] = []
        errors: list[tuple[str, int, ErrorCode]] = []
        for topic, partition in valid:
            index, metadata = partition.partition_index, partition.committed_metadata or ""
            if core.settings.metadata_too_large(metadata):
                errors.append((topic, index, ErrorCode.offset_metadata_too_large))
                continue
            epoch = getattr(partition, "committed_leader_epoch", -1)
            topic_id = core.cluster.topic_id(topic)
            value = CommittedOffset(partition.committed_offset, epoch, metadata, now, topic_id=topic_id)
            taken.append((topic, index, value))
            errors.append((topic, index, ErrorCode.none))
        failed = await self._write(request, taken) if taken else ErrorCode.none
        for topic, index, error in errors:
            results.setdefault(topic, []).append((index, failed if error is ErrorCode.none else error))

    async def _verify(self, request: Any, context: RequestContext) -> None:
        place = (GROUPS, self._core.partition(request.group_id))
        codes = await self._core.cluster.transactions.verify(
            request.transactional_id,
            request.producer_id,
            request.producer_epoch,
            [place],
            add=context.api_version >= _FIRST_THAT_ADDS,
        )
        code = ErrorCode(codes[place])
        if code is ErrorCode.transaction_abortable and context.api_version < _FIRST_ABORTABLE:
            code = ErrorCode.invalid_txn_state
        if code is not ErrorCode.none:
            raise GroupError(code)

    def _validate(self, request: Any, context: RequestContext) -> None:
        """Check that who commits may: unlike outside of transactions, who says nothing of a membership always may."""
        who = _ANYONE
        if context.api_version >= _FIRST_WITH_MEMBERS:
            who = (request.generation_id, request.member_id, request.group_instance_id)
        generation, member_id, instance_id = who
        modern = self._core.modern.groups.get(request.group_id)
        if modern is not None:
            try:
                modern.validate_commit(member_id, instance_id, generation, context.api_version, transactional=True)
            except GroupError as refused:
                if refused.code is ErrorCode.stale_member_epoch:
                    raise GroupError(ErrorCode.illegal_generation) from refused
                raise
            return
        group = self._core.membership.groups.get(request.group_id)
        if group is None:
            if generation >= 0:
                raise GroupError(ErrorCode.illegal_generation)
            return
        if who == _ANYONE or (generation < 0 and group.state is State.EMPTY):
            return
        group.validate_member(member_id, instance_id)
        if generation != group.generation:
            raise GroupError(ErrorCode.illegal_generation)

    async def _write(self, request: Any, commits: list[tuple[str, int, CommittedOffset]]) -> ErrorCode:
        core, group, producer_id = self._core, request.group_id, request.producer_id
        log = core.partition(group)
        records = [
            OffsetsRecord(encode_offset_key(group, topic, index), encode_offset_value(value))
            for topic, index, value in commits
        ]

        def append(now: int) -> int:
            return self._store.append_transactional(log, records, now, producer_id, request.producer_epoch)

        def apply() -> None:
            for topic, index, value in commits:
                core.offsets.pending.put(log, producer_id, (group, topic, index), value)

        keys = [(topic, index) for topic, index, _ in commits]
        try:
            write = core.journal.write(log, append, len(records), apply)
            if group not in core.modern.groups:
                core.membership.get_or_create(group)
            with core.offsets.committing(group, keys):
                await core.journal.settle(write)
        except LOG_ERRORS as error:
            return of_the_log(error)
        return ErrorCode.none

    # ---- markers

    async def end_transaction(
        self,
        log: int,
        producer_id: int,
        producer_epoch: int,
        *,
        commit: bool,
        coordinator_epoch: int,
        transaction_version: int,
    ) -> None:
        """Write a marker to a partition of `__consumer_offsets`; what was in wait counts, or is forgotten, after that.

        Raises:
            KopfkaError: it was not written, or is not durable.
        """
        core = self._core
        if not core.loaded:
            raise GroupError(ErrorCode.coordinator_load_in_progress)

        def append(now: int) -> int:
            return self._store.append_marker(
                log,
                producer_id,
                producer_epoch,
                now,
                commit=commit,
                coordinator_epoch=coordinator_epoch,
                transaction_version=transaction_version,
            )

        def apply() -> None:
            core.offsets.end_transaction(log, producer_id, commit=commit)

        await core.journal.settle(core.journal.write(log, append, 1, apply))


def _all(request: Any) -> list[tuple[str, Any]]:
    return [(topic.name, partition) for topic in request.topics for partition in topic.partitions]
