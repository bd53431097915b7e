"""When an ended container starts again. Pure: the clock is passed in."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 300.0
RESET_AFTER = 600.0  # a container that ran this long starts over with the shortest back-off


@dataclass(slots=True)
class Backoff:
    """The kubelet's back-off of one container: the first restart is immediate, then 10 s doubling to 5 min."""

    _delay: float = 0.0

    def after_exit(self, ran_for: float) -> float:
        """Return the seconds to wait before the next start, after a run of `ran_for` seconds."""
        if ran_for >= RESET_AFTER:
            self._delay = 0.0
        delay = self._delay
        self._delay = min(max(FIRST_BACKOFF, delay * 2), LONGEST_BACKOFF)
        return delay


def restarts(policy: str, exit_code: int) -> bool:
    """Tell whether a container that ended with this code is started again under the pod's `restartPolicy`."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
