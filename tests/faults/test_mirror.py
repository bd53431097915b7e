"""A flow through SIGKILLs of both its clusters and of the replicator: nothing lost, order kept, exactly once where that
is promised, and groups never translated past an unread record.
"""

from __future__ import annotations

import itertools
import threading

import pytest

from support.mirrored import Side
from support.mirrors import MirrorProcess, mirror_config
from support.processes import killed_at_the_end, running_broker
from support.waiting import eventually

CONFIG = (
    "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=2\ntransaction.state.log.num.partitions=2\n"
    "auto.create.topics.enable=false\n"
)
PARTITIONS = 3


class Writer:
    """Writes numbers to each partition in order, through whatever happens."""

    def __init__(self, side: Side) -> None:
        self.sent = [0] * PARTITIONS
        self._side = side
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, with everything acknowledged."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        producer = self._side.producer(enable_idempotence=True, message_timeout_ms=0, retry_backoff_max_ms=200)
        while not self._stop.wait(0.001):
            partition = sum(self.sent) % PARTITIONS
            producer.produce("t", b"%d" % self.sent[partition], None, partition)
            self.sent[partition] += 1
            producer.poll(0)
        assert producer.flush(60) == 0


@pytest.mark.parametrize("mode", ["disabled", "enabled"], ids=["at-least-once", "exactly-once"])
def test_kills_of_everything(tmp_path, mode):
    with running_broker(tmp_path / "a", CONFIG) as one, running_broker(tmp_path / "b", CONFIG) as other:
        a, b = Side("a", one), Side("b", other)
        a.create("t", PARTITIONS)
        settings = {
            "topics": "t",
            "groups": "g",
            "exactly.once.source.support": mode,
            "sync.group.offsets.enabled": "true",
        }
        config = mirror_config({"a": a.bootstrap, "b": b.bootstrap}, "a->b", settings)
        mirror = MirrorProcess(tmp_path / "m", config)
        with killed_at_the_end(mirror), Writer(a) as writer:
            mirror.start()
            for victim in (mirror, other, one, mirror, one, other):
                progress(mirror)
                victim.kill()
                if victim is not mirror:
                    eventually(lambda: mirror.get("/readyz")[0] == 503, what="the outage to be said")
                victim.start()
            writer.stop()
            for partition in range(PARTITIONS):
                a.commit("g", {("t", partition): 100 + partition})
            eventually(lambda: level(a, b), seconds=60, what="the target to be level")
            eventually(lambda: mirror.get("/readyz")[0] == 200, what="all to be well")
            eventually(lambda: len(b.committed("g")) == PARTITIONS, what="offsets of the group")
            assert mirror.stop() == 0
        for partition in range(PARTITIONS):
            records = b.read("a.t", partition)
            numbers = [int(each.value) for each in records]
            assert set(numbers) == set(range(writer.sent[partition])), "lost"
            if mode == "enabled":
                assert numbers == list(range(writer.sent[partition])), "repeated, or out of order"
            assert all(after <= before + 1 for before, after in itertools.pairwise(numbers)), "out of order"
            at = b.committed("g")["a.t", partition]
            left = [int(each.value) for each in records if each.offset >= at]
            assert set(left) >= set(range(100 + partition, writer.sent[partition])), "translated past an unread record"
            assert left[0] == 100 + partition


def progress(mirror):
    """Wait until more is mirrored than a moment ago."""
    before = mirror.metric("kopfka_mirror_records_total", topic="t")
    eventually(lambda: mirror.metric("kopfka_mirror_records_total", topic="t") > before + 100, what="progress")


def level(a, b):
    return all(last(a, "t", number) == last(b, "a.t", number) for number in range(PARTITIONS))


def last(side, topic, partition):
    found = side.read(topic, partition, max(0, side.bounds(topic, partition)[1] - 20))
    return found[-1].value if found else None
