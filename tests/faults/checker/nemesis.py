"""What goes wrong: the broker is killed or stopped, its disk filled, its sockets cut; one at a time, each healed."""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

from support.disks import fill
from support.kafka import ApacheKafka

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from support.processes import BrokerProcess
    from support.proxy import TcpProxy


class Nemesis:
    """Does one fault after another to one broker until told to stop; everything is whole when `run` returns."""

    def __init__(
        self, broker: BrokerProcess | ApacheKafka, proxy: TcpProxy, disk: Path, stop: threading.Event, seed: int
    ) -> None:
        self.faults: Counter[str] = Counter()
        """How often each was done."""
        self.kinds: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "pause": self._pause,
            "full disk": self._full_disk,
            "cut sockets": self._cut,
            "stalled network": self._stall,
            "refused connections": self._refuse,
        }
        if isinstance(broker, ApacheKafka):
            del self.kinds["full disk"]  # it ends itself when it cannot write
        self._broker = broker
        self._proxy = proxy
        self._disk = disk
        self._stop = stop
        self._chance = random.Random(seed)

    def run(self) -> None:
        """Go on until told to stop."""
        order: list[str] = []
        while not self._stop.wait(self._chance.uniform(1.0, 4.0)):
            order = order or self._chance.sample(list(self.kinds), len(self.kinds))
            name = order.pop()
            self.kinds[name]()
            self.faults[name] += 1

    def _kill(self) -> None:
        self._broker.kill()
        self._broker.start()

    def _pause(self) -> None:
        process = self._broker.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        self._stop.wait(self._chance.uniform(0.2, 3.0))
        process.send_signal(signal.SIGCONT)

    def _full_disk(self) -> None:
        ballast = fill(self._disk)
        self._stop.wait(self._chance.uniform(0.5, 3.0))
        ballast.unlink()

    def _cut(self) -> None:
        for _ in range(self._chance.randint(1, 4)):
            self._proxy.cut()
            self._stop.wait(self._chance.uniform(0.01, 0.3))

    def _stall(self) -> None:
        with self._proxy.stalled():
            self._stop.wait(self._chance.uniform(0.2, 3.0))

    def _refuse(self) -> None:
        with self._proxy.refusing():
            self._stop.wait(self._chance.uniform(0.2, 2.0))
