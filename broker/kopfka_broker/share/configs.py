"""What a share group's configuration says: its own where it has any, else the broker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_broker.config.groups import offset_reset
from kopfka_broker.share.states import Limits

if TYPE_CHECKING:
    from kopfka_broker.config.groups import GroupConfigs


class GroupShareConfigs:
    """`kopfka_broker.share.manager.ShareConfigs` over the configs of groups."""

    def __init__(self, configs: GroupConfigs) -> None:
        self._configs = configs

    def limits(self, group: str) -> Limits:
        """Return how long, how often and how many records are given out."""
        return Limits(
            self._configs.get(group, "share.record.lock.duration.ms"),
            self._configs.get(group, "share.delivery.count.limit"),
            self._configs.get(group, "share.partition.max.record.locks"),
            renew=self._configs.get(group, "share.renew.acknowledge.enable"),
        )

    def auto_offset_reset(self, group: str) -> str | int:
        """Return `share.auto.offset.reset`: a word, or how many milliseconds ago."""
        return offset_reset(self._configs.get(group, "share.auto.offset.reset"))

    def committed(self, group: str) -> bool:
        """Tell whether `share.isolation.level` is read_committed."""
        return bool(self._configs.get(group, "share.isolation.level") == "read_committed")
