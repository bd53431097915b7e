"""The resources `kopfka up` waits for: Kopfka's own, those given with `-f`, and the operator. Wakes on change only."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from kopfka_local.commands.readiness import GROUP, Readiness, readiness
from kopfka_local.commands.table import Row, rows_of
from kopfka_local.files import write_atomically
from kopfka_local.kinds import DEPLOYMENTS, PODS, Key, Object, key_of, name_of
from kopfka_local.node.images import is_runnable
from kopfka_local.podstate import is_ended, is_ready
from kopfka_local.session import OPERATOR, SYSTEM_NAMESPACE
from kopfka_local.watching import Informers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kopfka_local.api.cluster import Cluster
    from kopfka_local.api.resources import Gvr
    from kopfka_local.commands.manifests import Reference


class Watched:
    """The resources, current."""

    def __init__(self, cluster: Cluster, references: Sequence[Reference]) -> None:
        self.changed = asyncio.Event()
        self._informers = Informers(cluster)
        self._own = [one.gvr for one in cluster.objects.resources if one.group == GROUP]
        self._named: list[tuple[Gvr, Key]] = [(DEPLOYMENTS, (SYSTEM_NAMESPACE, OPERATOR))]
        for reference in references:
            resource = cluster.objects.resources.of_kind(reference.api_version, reference.kind)
            if resource is not None and resource.group != GROUP:
                self._named.append((resource.gvr, (reference.namespace, reference.name)))
        for gvr in {PODS, *self._own, *(gvr for gvr, _ in self._named)}:
            self._informers[gvr].on_change(lambda _before, _after: self.changed.set())

    async def start(self) -> None:
        """Begin to follow them."""
        await self._informers.start()

    async def stop(self) -> None:
        """Follow them no longer."""
        await self._informers.stop()

    def own(self) -> list[Object]:
        """Return Kopfka's own resources, kind by kind."""
        return [obj for gvr in self._own for obj in sorted(self._informers[gvr].all(), key=key_of)]

    def rows(self) -> list[Row]:
        """Return the rows of the table."""
        named = [self._informers[gvr].get(*key) for gvr, key in self._named]
        operator, others = named[0], named[1:]
        rows = rows_of([obj for obj in (operator, *self.own(), *others) if obj is not None])
        if operator is not None and not rows[0].state.ready and (why := self._why_no_operator()):
            rows[0] = replace(rows[0], state=why)
        return rows

    def _why_no_operator(self) -> Readiness | None:
        """Return what keeps the operator's pod from running, where there is more to it than that it starts."""
        for pod in self._informers[PODS].all(SYSTEM_NAMESPACE):
            state = readiness(pod)
            if (
                name_of(pod).startswith(f"{OPERATOR}-")
                and not state.ready
                and state.reason not in ("Pending", "Running")
            ):
                more = f"kubectl -n {SYSTEM_NAMESPACE} logs {name_of(pod)} --previous says more"
                return Readiness(False, state.reason, f"{state.message}; {more}")
        return None

    def pods_are_ready(self) -> bool:
        """Tell whether all pods that can run here are ready: what an earlier run wrote elsewhere may be out of date."""
        return all(is_ready(pod) for pod in self._informers[PODS].all() if _runs_here(pod) and not is_ended(pod))


def _runs_here(pod: Object) -> bool:
    return all(is_runnable(container.get("image", "")) for container in pod["spec"]["containers"])


def remember_references(file: Path, references: Sequence[Reference]) -> None:
    """Keep what was applied, beside what was before: `kopfka status` shows it."""
    known = {tuple(entry): None for entry in stored_references(file)}
    known |= {(one.api_version, one.kind, one.namespace, one.name): None for one in references}
    write_atomically(file, json.dumps([list(entry) for entry in known], indent=1).encode())


def stored_references(file: Path) -> list[tuple[str, str, str, str]]:
    """Return what was applied: apiVersion, kind, namespace and name."""
    if not file.exists():
        return []
    return [(entry[0], entry[1], entry[2], entry[3]) for entry in json.loads(file.read_text())]
