"""Notices when somebody else keeps undoing what the operator applies, so that the two do not go on for ever."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kube.resources import Ref

TIMES = 5
SECONDS = 60.0


class Contention:
    """Remembers what was applied lately. The same manifest five times within a minute is once too often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._applied: dict[Ref, tuple[str, deque[float]]] = {}

    def note(self, ref: Ref, digest: str) -> None:
        """Remember that a manifest was applied just now, with success."""
        known, times = self._applied.get(ref, ("", deque(maxlen=TIMES)))
        if known != digest:
            times = deque(maxlen=TIMES)
        times.append(self._clock())
        self._applied[ref] = (digest, times)

    def contended(self, ref: Ref, digest: str) -> bool:
        """Tell whether applying this manifest now would only go on with a quarrel."""
        known, times = self._applied.get(ref, ("", deque()))
        return known == digest and len(times) == TIMES and self._clock() - times[0] < SECONDS

    def forget(self, namespace: str, cluster: str) -> None:
        """Forget what was applied for a cluster that is gone."""
        prefix = f"{cluster}-"
        for ref in [ref for ref in self._applied if ref.namespace == namespace]:
            if ref.name == cluster or ref.name.removeprefix("data-").startswith(prefix):
                del self._applied[ref]
