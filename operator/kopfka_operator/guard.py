"""Whether the watches are alive: what the API lists has to have been delivered by a watch as well.

A watch can die without an error (a lost connection that nobody closes, a stuck proxy); the only proof of life is that
it delivers. So the API's own list is compared with what the watches brought. An API that does not answer proves
nothing: then the verdict stays what it was.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from kopfka_operator.errors import OperatorError
from kopfka_operator.mirror import version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import ResourceType
    from kopfka_operator.mirror import Mirror

log = logging.getLogger(__name__)

LONGEST_GRACE = 15.0
SHORTEST_GRACE = 2.0


class WatchGuard:
    """Compares lists with watches; `wrong` is a liveness check."""

    def __init__(
        self,
        client: KubeClient,
        mirror: Mirror,
        watched: Mapping[ResourceType, str],
        namespaces: Sequence[str],
        *,
        grace: float = LONGEST_GRACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._watched = watched
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._grace = grace
        self._clock = clock
        self._behind: dict[ResourceType, float] = {}

    def wrong(self) -> str | None:
        """Return what is wrong with the watches, None if nothing is known to be."""
        now = self._clock()
        dead = [
            f"{type_.plural} for {now - since:.0f} s"
            for type_, since in self._behind.items()
            if now - since > self._grace
        ]
        return f"watches deliver nothing though there are changes: {', '.join(sorted(dead))}" if dead else None

    async def check(self) -> None:
        """Compare once, for every kind."""
        for type_ in self._watched:
            try:
                behind = await self._is_behind(type_)
            except OperatorError as error:
                log.warning("the watch of %s could not be checked: %s", type_.plural, error)
                continue
            if not behind:
                self._behind.pop(type_, None)
            elif type_ not in self._behind:
                log.info("the watch of %s is behind", type_.plural)
                self._behind[type_] = self._clock()

    @property
    def behind(self) -> bool:
        """Whether a watch was behind at the last check, so that another check soon tells delay from death."""
        return bool(self._behind)

    async def _is_behind(self, type_: ResourceType) -> bool:
        listed: dict[str, int] = {}
        for namespace in self._namespaces:
            for item in await self._client.list_metadata(type_, namespace, self._watched[type_]):
                listed[item["metadata"]["uid"]] = version(item)
        # read after the list: a watch that is faster than the list is not behind
        seen = self._mirror.seen(type_)
        return any(seen.get(uid, 0) < newest for uid, newest in listed.items()) or any(
            uid not in listed for uid in seen
        )
