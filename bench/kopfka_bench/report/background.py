"""What a reader needs beside the figures: machine, versions, and every setting."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from kopfka_bench.brokers import kafka
from kopfka_bench.brokers.java import KAFKA_VERSION
from kopfka_bench.brokers.targets import HEAP, SETTINGS
from kopfka_bench.machine import describe_machine, describe_versions, java_runtime


@dataclass(frozen=True, slots=True)
class Background:
    """Where figures come from."""

    machine: dict[str, object]
    versions: dict[str, object]
    settings: dict[str, object]
    plan: dict[str, object]
    at: str
    seconds: float = 0.0
    """How long the run took."""

    @classmethod
    def of_this_machine(cls, plan: dict[str, object], *, compared: bool) -> Background:
        """Return what is true of a run that begins now."""
        versions = describe_versions()
        settings: dict[str, object] = {"both brokers": SETTINGS.replace("\n", " ").strip()}
        if compared:
            versions |= {"Apache Kafka": KAFKA_VERSION, "Java": java_runtime()}
            also = " ".join(f"{name}={value}" for name, value in kafka.SETTINGS.items())
            settings["Apache Kafka besides"] = also
            settings["Apache Kafka's JVM"] = " ".join((f"-Xmx{HEAP}", *kafka.PRODUCTION_FLAGS))
        return cls(describe_machine(), versions, settings, plan, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))

    def ended(self, seconds: float, before: tuple[int, int], after: tuple[int, int]) -> Background:
        """Return it with what is known at the end: how long it took, and what part of the processors others had."""
        stolen, all_there_was = after[0] - before[0], after[1] - before[1]
        part = f"{100 * stolen / all_there_was:.1f} %" if all_there_was > 0 else "not known"
        return replace(self, seconds=seconds, machine=self.machine | {"processor_time_stolen_by_the_host": part})
