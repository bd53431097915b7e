"""Carries out the plans of a resource that owns objects: observe, act in the right order, and tell what was refused."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import Action, Apply, Delete
from kopfka_operator.api.reasons import Reason
from kopfka_operator.children.owner import digest
from kopfka_operator.children.plan import Observed
from kopfka_operator.contention import Contention
from kopfka_operator.errors import ApiError, OperatorError
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_operator.children.owner import Owner
    from kopfka_operator.context import Context
    from kopfka_operator.kube.resources import Manifest, Ref
    from kopfka_operator.mirror import Mirror

log = logging.getLogger(__name__)

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Family:
    """What a resource's reconciler has to do with."""

    owner: Owner
    made: Sequence[Ref]
    """What the operator makes, or may have made."""
    last: Ref
    """What runs the pods: it comes after all else has been taken, since its pods need the others."""
    followed: Callable[[Mirror], Mapping[Ref, Manifest]]
    """What others make of it (pods, claims), as far as the watches know."""
    plan: Callable[[Observed], list[Action]]
    refused: Callable[[Action, ApiError], Problem | None] = lambda _action, _error: None
    """The problem that a refusal is, where it is a special one; such a one keeps nothing else waiting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How carrying out plans ended."""

    observed: Observed
    failures: list[Problem]
    transient: bool
    """Whether the same is to be tried again soon."""


class Keeper:
    """Brings the objects of one resource at a time to what its plan says."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._contention = Contention()

    def forget(self, namespace: str, name: str) -> None:
        """Forget what was applied for a resource that is gone."""
        self._contention.forget(namespace, name)

    async def act(self, family: Family) -> Outcome:
        """Carry out plans until one is empty; return what is there then, what was refused, and whether to try again."""
        observed = await self._observe(family)
        for _ in range(_ROUNDS):
            actions = family.plan(observed)
            if not actions:
                return Outcome(observed, [], False)
            actions, contended = self._without_contended(actions)
            if not actions:
                return Outcome(observed, contended, False)
            failures, transient = await self._carry_out(family, actions)
            failures += contended
            observed = self._refreshed(family, observed, actions)
            if failures or transient:
                return Outcome(observed, failures, transient)
        return Outcome(observed, [], True)

    async def _observe(self, family: Family) -> Observed:
        mirror, client = self._context.mirror, self._context.client
        objects = {ref: mirror.get(ref) for ref in family.made}
        # the watches see only what carries our label; whoever has one of our names without it is not to be overrun
        unseen = [ref for ref, body in objects.items() if body is None]
        for ref, body in zip(unseen, await asyncio.gather(*map(client.get, unseen)), strict=True):
            objects[ref] = body
        there = {ref: body for ref, body in objects.items() if body is not None}
        return Observed({**there, **family.followed(mirror)})

    def _without_contended(self, actions: list[Action]) -> tuple[list[Action], list[Problem]]:
        """Leave out what somebody else keeps undoing: a quarrel helps nobody, and is told instead."""
        kept, problems = [], []
        for action in actions:
            if isinstance(action, Apply) and self._contention.contended(action.ref, digest(action.manifest)):
                problems.append(
                    Problem(
                        Reason.CHANGED_BY_OTHERS,
                        f"{action.ref} is changed by something else as often as it is applied: find out what with "
                        f"kubectl get {action.ref.type.plural} -n {action.ref.namespace} {action.ref.name} "
                        "-o yaml --show-managed-fields, and stop it",
                    )
                )
            else:
                kept.append(action)
        return kept, problems

    def _refreshed(self, family: Family, observed: Observed, actions: list[Action]) -> Observed:
        mirror = self._context.mirror
        made = {ref: body for ref, body in observed.objects.items() if ref in family.made}
        for action in actions:
            if not isinstance(action, Apply | Delete) or action.ref not in family.made:
                continue
            body = mirror.get(action.ref)
            if body is None:
                made.pop(action.ref, None)
            else:
                made[action.ref] = body
        return Observed({**made, **family.followed(mirror)})

    async def _carry_out(self, family: Family, actions: list[Action]) -> tuple[list[Problem], bool]:
        before = [action for action in actions if not _is_last(family, action)]
        results = await asyncio.gather(*map(self._do, before), return_exceptions=True)
        done = list(zip(before, results, strict=True))
        if all(result is None or _special(family, action, result) for action, result in done):
            for action in actions:
                if _is_last(family, action):
                    done += zip([action], await asyncio.gather(self._do(action), return_exceptions=True), strict=True)
        failures, transient = [], False
        for action, result in done:
            if isinstance(result, ApiError) and not result.transient:
                what = getattr(action, "ref", action)
                plain = Problem(Reason.REFUSED_BY_API_SERVER, f"{what}: {result}")
                failures.append(_special(family, action, result) or plain)
            elif isinstance(result, OperatorError):
                owner = family.owner
                log.info("%s %s/%s: trying again: %s", owner.TYPE.kind, owner.namespace, owner.name, result)
                transient = True
            elif result is not None:
                raise result
        return failures, transient

    async def _do(self, action: Action) -> None:
        client, mirror = self._context.client, self._context.mirror
        if isinstance(action, Apply):
            mirror.put(action.ref.type, await client.apply(action.ref, action.manifest))
            self._contention.note(action.ref, digest(action.manifest))
            log.debug("applied %s", action.ref)
        elif isinstance(action, Delete):
            known = mirror.get(action.ref)
            left = await client.delete(action.ref, action.uid, "Orphan" if action.orphan else "Background")
            if left is not None:
                mirror.put(action.ref.type, left)
            elif known is not None:
                mirror.remove(action.ref.type, known)
        else:
            raise TypeError(f"{action} is not done to objects of Kubernetes")


def _is_last(family: Family, action: Action) -> bool:
    return isinstance(action, Apply | Delete) and action.ref == family.last


def _special(family: Family, action: Action, result: BaseException | None) -> Problem | None:
    if isinstance(result, ApiError) and not result.transient:
        return family.refused(action, result)
    return None
