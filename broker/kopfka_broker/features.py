"""Feature levels (KIP-584): what this broker could do, and which level of it the cluster has agreed on.

Levels and ranges are those of Apache Kafka 4.3.1. A feature whose APIs nobody here serves is neither supported nor
finalized, so that no client takes the new way of doing something where only the old one is there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METADATA_VERSION: Final = "metadata.version"
TRANSACTION_VERSION: Final = "transaction.version"
GROUP_VERSION: Final = "group.version"
SHARE_VERSION: Final = "share.version"
STREAMS_VERSION: Final = "streams.version"


class Feature(NamedTuple):
    """The range of levels a feature may have, the one a new cluster gives it, and the APIs it stands for."""

    lowest: int
    highest: int
    level: int
    """Zero: the feature is off, and not among the finalized ones."""
    apis: frozenset[ApiKey]


FEATURES: Final[Mapping[str, Feature]] = {
    METADATA_VERSION: Feature(7, 30, 30, frozenset()),
    # the controllers of a static quorum, as one node is, stay at level 0
    "kraft.version": Feature(0, 1, 0, frozenset()),
    # off, as on a cluster that was upgraded: with one replica there are none that could be eligible
    "eligible.leader.replicas.version": Feature(0, 1, 0, frozenset()),
    TRANSACTION_VERSION: Feature(
        0,
        2,
        2,
        frozenset({ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.ADD_OFFSETS_TO_TXN, ApiKey.END_TXN, ApiKey.TXN_OFFSET_COMMIT}),
    ),
    GROUP_VERSION: Feature(0, 1, 1, frozenset({ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.CONSUMER_GROUP_DESCRIBE})),
    SHARE_VERSION: Feature(
        0, 1, 1, frozenset({ApiKey.SHARE_GROUP_HEARTBEAT, ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE})
    ),
    STREAMS_VERSION: Feature(0, 1, 1, frozenset({ApiKey.STREAMS_GROUP_HEARTBEAT, ApiKey.STREAMS_GROUP_DESCRIBE})),
}
"""By name."""


@dataclass(slots=True)
class Features:
    """The feature levels of one cluster."""

    supported: dict[str, Feature] = field(default_factory=dict)
    """The features whose APIs are served."""
    finalized: dict[str, int] = field(default_factory=dict)
    """The level of each feature that is on."""
    epoch: int = field(default_factory=lambda: int(time.time()))
    """Rises with every change and every start: a client takes levels only from a higher epoch than it has seen."""
    chosen: dict[str, int] = field(default_factory=dict)
    """Levels that UpdateFeatures gave, of this run or an earlier one; kept by the cluster."""

    def serve(self, apis: Iterable[int]) -> None:
        """Support the features whose APIs are all among `apis`, each at its chosen level or that of a new cluster."""
        served = set(apis)
        self.supported = {name: feature for name, feature in FEATURES.items() if feature.apis <= served}
        levels = {name: self.chosen.get(name, feature.level) for name, feature in self.supported.items()}
        self.finalized = {name: level for name, level in levels.items() if level}

    def finalize(self, levels: Mapping[str, int]) -> None:
        """Give features these levels; 0 turns one off. The caller has checked that each is in its feature's range."""
        self.chosen |= levels
        self.finalized = {name: level for name, level in {**self.finalized, **levels}.items() if level}
        self.epoch += 1
