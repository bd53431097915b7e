"""How much is measured: every number of a run, in the normal, the short and the full form."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """Rounds, amounts and durations; megabytes are 10^6 bytes."""

    rounds: int = 3
    """Samples of each figure, taken in turns."""
    combinations: bool = True
    """All cases of a scenario; otherwise its base case only."""
    shared: bool = False
    """One pair of brokers for all scenarios that need no other: their memory is then that of all before."""
    megabytes: int = 200
    """Moved for one sample of throughput."""
    warm_seconds: float = 10.0
    """Load on a broker before what counts: a JVM gets faster for about that long."""
    seconds: float = 4.0
    """How long a paced or a closed-loop load runs for one sample."""
    latencies: int = 2000
    """Records of one sample of latency, at least: however low the rate, p99.9 is not the slowest one."""
    partitions: int = 2000
    connections: int = 2000
    log_megabytes: int = 2000
    """What a SIGKILL finds in the log."""
    members: int = 50
    groups: int = 1000
    schemas: int = 50_000
    """Schemas in the topic of a registry that starts."""
    lookups: int = 2000
    """Look-ups of schemas a second."""
    registrations: int = 10_000
    """Schemas registered by all clients together."""
    rates: tuple[int, ...] = (100, 1_000, 10_000)
    growth_rounds: int = 3
    """Times that the bundled broker's points of growth are taken; Apache Kafka's are taken once."""
    growth_partitions: tuple[int, ...] = (10, 100, 1_000, 10_000)
    growth_connections: tuple[int, ...] = (10, 100, 1_000, 10_000)
    growth_megabytes: tuple[int, ...] = (100, 1_000, 10_000)
    growth_groups: tuple[int, ...] = (1, 10, 100, 1_000)


NORMAL = Plan()
FULL = replace(
    NORMAL,
    rounds=5,
    seconds=10.0,
    megabytes=500,
    latencies=5000,
    growth_rounds=5,
    growth_megabytes=(100, 300, 1_000, 3_000, 10_000),
)
SHORT = Plan(
    rounds=1,
    combinations=False,
    shared=True,
    megabytes=15,
    warm_seconds=0.5,
    seconds=0.6,
    latencies=0,
    partitions=200,
    connections=200,
    log_megabytes=20,
    members=10,
    groups=50,
    schemas=500,
    lookups=500,
    registrations=200,
    rates=(500,),
    growth_rounds=1,
    growth_partitions=(10, 200),
    growth_connections=(10, 200),
    growth_megabytes=(5, 20),
    growth_groups=(1, 50),
)
