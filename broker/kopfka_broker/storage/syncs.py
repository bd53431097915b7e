"""Many files put on disk at once: one call for all that the kernel works on side by side, or one file after the other.

Linux takes many fdatasync in one system call (`io_submit` with `IOCB_CMD_FDSYNC`, since 4.18). Its journal then commits
once for many files, and the thread that waits is woken once, not once a file. Where there is no such call, or it is
forbidden (`seccomp`), files are synced one by one, with the same outcome. `Syncs` is for one thread at a time.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.storage.checkpoints import sync_data

if TYPE_CHECKING:
    from collections.abc import Sequence

_GENERIC: Final = (0, 1, 2, 4)
_NUMBERS: Final = {"x86_64": (206, 207, 209, 208), "aarch64": _GENERIC, "riscv64": _GENERIC}
"""Of io_setup, io_destroy, io_submit, io_getevents, by machine."""
_MOST: Final = 128
"""Files of one call."""
# struct iocb: data, key, rw_flags, opcode, priority, descriptor, buffer, bytes, offset, reserved, flags, eventfd
_REQUEST: Final = struct.Struct("<QIIHhIQQqQII")
_FDSYNC: Final = 3
# struct io_event: data, iocb, result, second result
_EVENT: Final = struct.Struct("<QQqq")

Outcomes = list[OSError | None]


class Syncs:
    """Puts files on disk, in the best way there is here."""

    def __init__(self) -> None:
        self._kernel: KernelSyncs | None = None
        self._asked = False

    def sync(self, descriptors: Sequence[int]) -> Outcomes:
        """Have the bytes of all these open files on disk; returns what went wrong with each, in their order."""
        if len(descriptors) > 1 and not self._asked:
            self._asked = True
            self._kernel = kernel_syncs()
        if len(descriptors) < 2 or self._kernel is None:
            return one_by_one(descriptors)
        return self._kernel.sync(descriptors)

    def close(self) -> None:
        """Give back what the kernel holds for it."""
        if self._kernel is not None:
            self._kernel.close()
        self._kernel, self._asked = None, False


def one_by_one(descriptors: Sequence[int]) -> Outcomes:
    """Sync files one after the other; returns what went wrong with each."""
    outcomes: Outcomes = []
    for descriptor in descriptors:
        try:
            sync_data(descriptor)
        except OSError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
    return outcomes


def kernel_syncs() -> KernelSyncs | None:
    """Return what syncs many files by one call, None where this system has or allows no such thing."""
    numbers = _NUMBERS.get(platform.machine())
    if sys.platform != "linux" or numbers is None or struct.calcsize("P") != 8:
        return None
    try:
        return KernelSyncs(*numbers)
    except (ImportError, OSError):
        return None


class KernelSyncs:
    """Linux's asynchronous fdatasync."""

    def __init__(self, setup: int, destroy: int, submit: int, getevents: int) -> None:
        import ctypes  # noqa: PLC0415 - 1 MB that a broker without load does not need

        self._ctypes: Any = ctypes
        self._call: Any = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._destroy, self._submit, self._getevents = map(ctypes.c_long, (destroy, submit, getevents))
        self._context = ctypes.c_ulong(0)
        if self._call(ctypes.c_long(setup), ctypes.c_long(_MOST), ctypes.byref(self._context)):
            raise self._error()
        self._requests = ctypes.create_string_buffer(_REQUEST.size * _MOST)
        begin = ctypes.addressof(self._requests)
        self._pointers = (ctypes.c_void_p * _MOST)(*(begin + _REQUEST.size * at for at in range(_MOST)))
        self._events = ctypes.create_string_buffer(_EVENT.size * _MOST)

    def sync(self, descriptors: Sequence[int]) -> Outcomes:
        """Have the bytes of all these open files on disk; returns what went wrong with each, in their order.

        Raises:
            OSError: nothing is known of any of them.
        """
        outcomes: Outcomes = []
        for begin in range(0, len(descriptors), _MOST):
            outcomes += self._some(descriptors[begin : begin + _MOST])
        return outcomes

    def _some(self, descriptors: Sequence[int]) -> Outcomes:
        count = len(descriptors)
        for at, descriptor in enumerate(descriptors):
            _REQUEST.pack_into(
                self._requests, _REQUEST.size * at, at, 0, 0, _FDSYNC, 0, descriptor, 0, 0, 0, 0, 0, 0
            )  # fmt: skip
        # what the kernel does not take is for the usual call, which also says what is wrong with a descriptor
        taken = max(0, self._call(self._submit, self._context, self._ctypes.c_long(count), self._pointers))
        outcomes: Outcomes = [None] * taken
        left = taken
        while left:
            wanted = self._ctypes.c_long(left)
            came = self._call(self._getevents, self._context, wanted, wanted, self._events, None)
            if came < 0:
                error = self._error()
                if error.errno == errno.EINTR:
                    continue
                raise error
            for number in range(came):
                at, _, result, _ = _EVENT.unpack_from(self._events, _EVENT.size * number)
                outcomes[at] = OSError(-result, os.strerror(-result)) if result < 0 else None
            left -= came
        return outcomes + one_by_one(descriptors[taken:])

    def close(self) -> None:
        """Give the kernel's queue back."""
        self._call(self._destroy, self._context)

    def _error(self) -> OSError:
        number = self._ctypes.get_errno()
        return OSError(number, os.strerror(number))
