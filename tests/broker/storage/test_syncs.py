"""Many files on disk at once: by one call of the kernel's and one by one, with the same outcomes."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from kopfka_broker.storage import syncs
from kopfka_broker.storage.syncs import KernelSyncs, Syncs, kernel_syncs, one_by_one
from support.storage import fill, new_log, open_manager, replace_sync


@pytest.fixture(params=["one by one", "by one call"])
def sync(request):
    if request.param == "one by one":
        yield one_by_one
        return
    kernel = kernel_syncs()
    if kernel is None:
        pytest.skip("this system has no call that syncs many files")
    yield kernel.sync
    kernel.close()


@pytest.fixture
def files(tmp_path):
    opened = [os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT) for number in range(300)]
    for descriptor in opened:
        os.write(descriptor, b"x")
    yield opened
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.parametrize("count", [0, 1, 2, 128, 129, 300])
def test_any_number_of_files_is_synced(sync, files, count):
    for _ in range(2):
        assert sync(files[:count]) == [None] * count


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_what_is_wrong_with_one_is_told_of_that_one(sync, files, bad):
    reading, writing = os.pipe()  # has nothing to sync
    wanted = files[:5]
    wanted[bad] = writing
    found = sync(wanted)
    os.close(reading)
    os.close(writing)
    assert [at for at, wrong in enumerate(found) if wrong is not None] == [bad]
    assert found[bad].errno == errno.EINVAL
    found = sync(wanted)  # it is closed now
    assert found[bad].errno == errno.EBADF
    assert sync(files) == [None] * 300


def test_a_failure_that_the_kernel_tells_of_later_is_told(monkeypatch, files):
    kernel = kernel_syncs()
    if kernel is None:
        pytest.skip("this system has no call that syncs many files")
    real = kernel._call

    class Call:
        def __call__(self, number, *arguments):
            came = real(number, *arguments)
            if number is kernel._getevents:
                at, request, _, second = syncs._EVENT.unpack_from(kernel._events, 0)
                syncs._EVENT.pack_into(kernel._events, 0, at, request, -errno.EIO, second)
                monkeypatch.setattr(kernel, "_call", real)
            return came

    monkeypatch.setattr(kernel, "_call", Call())
    found = kernel.sync(files[:3])
    kernel.close()
    assert [wrong.errno for wrong in found if wrong is not None] == [errno.EIO]


def test_where_the_kernel_refuses_files_are_synced_one_by_one(monkeypatch, files):
    synced = []
    monkeypatch.setattr(syncs, "sync_data", synced.append)
    monkeypatch.setattr(syncs.platform, "machine", lambda: "pdp11")
    assert kernel_syncs() is None
    both = Syncs()
    assert both.sync(files[:3]) == [None] * 3
    assert synced == files[:3]

    def refuse(self, *_):
        raise PermissionError(errno.EPERM, "seccomp")

    monkeypatch.undo()
    monkeypatch.setattr(KernelSyncs, "__init__", refuse)
    assert kernel_syncs() is None


def test_one_file_is_not_worth_the_call(monkeypatch, files):
    synced, asked = [], []
    replace_sync(monkeypatch, synced.append)
    monkeypatch.setattr(syncs, "kernel_syncs", lambda: asked.append(True))
    both = Syncs()
    assert both.sync(files[:1]) == [None]
    assert (synced, asked) == (files[:1], [])
    both.sync(files[:2])
    both.sync(files[:2])
    assert asked == [True]
    both.close()


async def test_a_round_of_many_logs_is_on_disk_by_either_way(tmp_path, monkeypatch):
    for number, way in enumerate((kernel_syncs, lambda: None)):
        monkeypatch.setattr(syncs, "kernel_syncs", way)
        manager = open_manager(tmp_path / str(number))
        logs = [new_log(manager, f"t{at}") for at in range(20)]
        for log in logs:
            fill(log, [b"a"])
        await asyncio.gather(*(log.flushed(1) for log in logs))
        assert [log.recovery_point for log in logs] == [1] * 20
        assert manager.flush_times.count == 1
        await manager.close()
