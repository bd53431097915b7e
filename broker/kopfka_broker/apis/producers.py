"""InitProducerId for idempotent producers, and producer ids that never repeat. Transactional ids are not served yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.storage.checkpoints import write_atomically
from kopfka_broker.storage.errors import KafkaStorageError
from kopfka_runtime.errors import SettingsError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_broker.context import RequestContext

_FILE = "producer-ids"
# ids reserved on disk at once, as a Kafka broker reserves blocks of them from its controller (ProducerIdsBlock)
_BLOCK = 1000


class ProducerIds:
    """Gives out producer ids. A block is reserved durably before its first id is given: none repeats after a kill."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE
        self._next = self._reserved = self._load()

    def _load(self) -> int:
        try:
            return int(self._path.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except ValueError:
            raise SettingsError(
                f"{self._path} is damaged: write into it a number above every producer id that was ever used"
            ) from None

    def take(self) -> int:
        """Return an id nobody has had; raises KafkaStorageError where it cannot be kept from coming again."""
        if self._next == self._reserved:
            self._reserve(self._reserved + _BLOCK)
        self._next += 1
        return self._next - 1

    def _reserve(self, up_to: int) -> None:
        write_atomically(self._path, str(up_to).encode())
        self._reserved = up_to


class ProducerApis:
    """Handlers over the ids of one broker."""

    def __init__(self, ids: ProducerIds) -> None:
        self._ids = ids

    async def init_producer_id(self, request: Any, context: RequestContext) -> Any:
        """Answer InitProducerId without a transactional id: always a new id with epoch 0, as Kafka does."""
        form = codec(context.api_key, context.api_version)
        if request.transactional_id == "":
            return _answer(form, ErrorCode.invalid_request)
        if request.transactional_id is not None:
            # a Kafka broker says so while no coordinator for the id can be found; clients go on asking
            return _answer(form, ErrorCode.coordinator_not_available)
        given = (getattr(request, "producer_id", -1), getattr(request, "producer_epoch", -1))
        if (given[0] == -1) != (given[1] == -1):
            return _answer(form, ErrorCode.invalid_request)
        try:
            return _answer(form, ErrorCode.none, self._ids.take(), 0)
        except KafkaStorageError:
            return _answer(form, ErrorCode.coordinator_not_available)


def _answer(form: Any, code: ErrorCode, producer_id: int = -1, epoch: int = -1) -> Any:
    return form.make(error_code=code, producer_id=producer_id, producer_epoch=epoch)
