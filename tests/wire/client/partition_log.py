"""A partition of a broker that exists only here: sequence numbers as Kafka checks them, and faults on demand.

Requests and answers are real bytes. What a fault does is said by its name in `Fault`.
"""

from __future__ import annotations

import asyncio
import collections
import enum
import itertools
import types

from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.batches import read_header
from kopfka_wire.client.backoff import Backoff
from kopfka_wire.client.errors import ConnectionLostError, UnreachableError
from kopfka_wire.client.metadata import Leader
from kopfka_wire.codec import codec, read_request_header
from kopfka_wire.produce import PartitionResult, read_produce, write_produce_response
from kopfka_wire.records import decode_batch

VERSION = 12
REMEMBERED = 5


class Fault(enum.Enum):
    NONE = enum.auto()
    LOST_BEFORE = enum.auto()
    """The connection ends, and the request was not read; nor is any behind it."""
    LOST_AFTER = enum.auto()
    """The connection ends, and the request was carried out."""
    NOT_LEADER = enum.auto()
    TIMED_OUT = enum.auto()
    """The batch is written, and the answer says that replicas did not follow in time."""
    NO_CONNECTION = enum.auto()
    """The next connection is refused."""


class Producer:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.next = None
        self.last = collections.deque(maxlen=REMEMBERED)


class PartitionLog:
    """The log, and a cluster's client before it (what `Session` and `PartitionWriter` use of one)."""

    def __init__(self, faults: list[Fault], largest: int = 1000) -> None:
        self.values: list[bytes] = []
        self.faults = collections.deque(faults)
        self.largest = largest
        """Records that a batch may have."""
        self.requests = 0
        self.most_in_flight = 0
        self.most_in_flight_at_first = 0
        """Before anything was written."""
        self.epochs = itertools.count()
        self.owner = (7, -1)
        self._producers: dict[int, Producer] = {}
        self._connection: FakeConnection | None = None

    # -- of a cluster's client ----------------------------------------------------------------------------------------

    def backoff(self):
        return Backoff(0, 0)

    def new_lane(self, purpose):
        return purpose

    def release(self, lane):
        pass

    def forget(self, topic):
        pass

    async def leader(self, topic, partition):
        return Leader(topic, None, partition, 1, 0)

    async def coordinator(self, kind, key):
        return 1

    def forget_coordinator(self, kind, key):
        pass

    async def any_connection(self):
        return await self.connection(1)

    async def connection(self, node_id, lane=""):
        if self.faults and self.faults[0] is Fault.NO_CONNECTION:
            self.faults.popleft()
            raise UnreachableError("nothing listens there")
        if self._connection is None or self._connection.lost:
            self._connection = FakeConnection(self)
        return self._connection

    # -- of a broker --------------------------------------------------------------------------------------------------

    def init_producer_id(self, request):
        if request.producer_id >= 0 and (request.producer_id, request.producer_epoch) != self.owner:
            return types.SimpleNamespace(error_code=ErrorCode.producer_fenced)
        self.owner = (self.owner[0], next(self.epochs))
        return types.SimpleNamespace(error_code=ErrorCode.none, producer_id=self.owner[0], producer_epoch=self.owner[1])

    def append(self, data: memoryview) -> PartitionResult:
        header = read_header(data)
        producer = self._producers.setdefault(header.producer_id, Producer(header.producer_epoch))
        if header.producer_epoch < producer.epoch:
            return PartitionResult(0, ErrorCode.invalid_producer_epoch)
        if header.producer_epoch > producer.epoch:
            if header.base_sequence:
                return PartitionResult(0, ErrorCode.out_of_order_sequence_number)
            producer = self._producers[header.producer_id] = Producer(header.producer_epoch)
        first, last = header.base_sequence, header.base_sequence + header.last_offset_delta
        for known_first, known_last, offset in producer.last:
            if (first, last) == (known_first, known_last):
                return PartitionResult(0, 0, offset)
        if producer.next is not None and first != producer.next:
            return PartitionResult(0, ErrorCode.out_of_order_sequence_number)
        values = [record.value or b"" for record in decode_batch(data)]
        if len(values) > self.largest:
            return PartitionResult(0, ErrorCode.message_too_large)
        bad = tuple((index, "it is bad") for index, value in enumerate(values) if value.startswith(b"bad"))
        if bad:
            return PartitionResult(0, ErrorCode.invalid_record, record_errors=bad)
        offset = len(self.values)
        self.values += values
        producer.next = last + 1
        producer.last.append((first, last, offset))
        return PartitionResult(0, 0, offset)


class FakeConnection:
    address = "broker:9092"
    client_id = "test"
    request_timeout = 30.0

    def __init__(self, log: PartitionLog) -> None:
        self.log = log
        self.lost = False
        self._number = itertools.count(1)
        self._waiting = collections.deque()

    def form(self, api, *, least=0, most=None):
        return codec(api, VERSION if api == ApiKey.PRODUCE else 4)

    async def call(self, form, request, seconds=None):
        await asyncio.sleep(0)
        return self.log.init_producer_id(request)

    async def send(self, encode, seconds=None):
        if self.lost:
            raise ConnectionLostError("the connection ended")
        frame = memoryview(b"".join(encode(next(self._number))))
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._waiting.append((frame, answer))
        self.log.requests += 1
        self.log.most_in_flight = max(self.log.most_in_flight, len(self._waiting))
        if not self.log.values:
            self.log.most_in_flight_at_first = max(self.log.most_in_flight_at_first, len(self._waiting))
        loop.call_soon(lambda: loop.call_soon(self._serve))
        return answer

    def read(self, form, frame):
        return form.read_response(memoryview(frame))[1]

    def fail(self, error):
        self._end()

    def _serve(self):
        if self.lost or not self._waiting:
            return
        fault = self.log.faults.popleft() if self.log.faults else Fault.NONE
        frame, answer = self._waiting[0]
        header = read_request_header(frame)
        form = codec(ApiKey.PRODUCE, VERSION)
        request = read_produce(frame, form.skip_header_tags(frame, header.end), VERSION)
        assert (request.acks, request.transactional_id) == (-1, None)
        ((topic, ((_, data),)),) = request.topics
        if fault is Fault.LOST_BEFORE:
            self._end()
            return
        if fault is Fault.NOT_LEADER:
            result = PartitionResult(0, ErrorCode.not_leader_or_follower)
        else:
            result = self.log.append(data)
        if fault is Fault.TIMED_OUT and not result.code:
            result = PartitionResult(0, ErrorCode.request_timed_out)
        if fault is Fault.LOST_AFTER:
            self._end()
            return
        self._waiting.popleft()
        body = write_produce_response(VERSION, [(topic, [result])])
        answer.set_result(bytearray(form.response_header(header.correlation_id) + body))

    def _end(self):
        self.lost = True
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(ConnectionLostError("the connection ended"))
                answer.exception()
        self._waiting.clear()
