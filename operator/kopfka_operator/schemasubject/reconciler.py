"""Observe, plan, act and report for `SchemaSubject`, for the subjects of a registry together.

What others refer to is registered first, and who refers to what has changed is looked at after it, in the same pass.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.actions import (
    DeleteSubject,
    HoldDeletion,
    RegisterSchema,
    ReleaseDeletion,
    SetCompatibility,
    SetMode,
)
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.context import has_finalizer, is_leaving, is_paused, paused_status
from kopfka_operator.errors import OperatorError, RegistryRefusedError, RegistryUnreachableError, RetryLater
from kopfka_operator.kube.resources import SCHEMA_REGISTRIES, SCHEMA_SUBJECTS, Ref, ref_of
from kopfka_operator.registry.codes import OPERATION_NOT_PERMITTED
from kopfka_operator.registry.login import LoginError
from kopfka_operator.schemaregistry.reconciler import refusal, serves
from kopfka_operator.schemasubject.observe import observe
from kopfka_operator.schemasubject.order import dependents, levels
from kopfka_operator.schemasubject.plan import Observed, Subject, drift, plan
from kopfka_operator.schemasubject.report import DRIFTED, report, waiting
from kopfka_operator.schemasubject.sources import Sources
from kopfka_operator.specs import invalid_spec
from kopfka_operator.status import Problem, condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kopfka_operator.actions import Action
    from kopfka_operator.context import Context
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.registry.registries import Registries

log = logging.getLogger(__name__)

_AT_ONCE = 8
_ROUNDS = 4
MOST_AT_RESYNC = 300
"""Subjects of a registry that are looked at in one resync, in turns: each costs the registry a few requests."""


@dataclass(frozen=True, slots=True)
class _Item:
    subject: Subject
    body: Manifest


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How it went with one subject."""

    item: _Item
    before: Observed
    after: Observed
    done: list[Action]
    failures: list[Problem]
    unfinished: bool


class SubjectReconciler:
    """Brings the SchemaSubjects of one registry at a time to what their specs say."""

    def __init__(
        self, context: Context, registries: Registries, follow: Callable[[str], None] = lambda _namespace: None
    ) -> None:
        self._context = context
        self._registries = registries
        self._follow = follow  # told a namespace whose ConfigMaps are of concern
        self._asked: dict[tuple[str, str], set[str] | None] = {}
        self._looked: dict[Ref, int] = {}
        self._looks = 0

    def ask(self, namespace: str, registry: str, subject: str | None = None) -> None:
        """Note that the next pass over a registry is to look at a SchemaSubject, or at all of them."""
        asked = self._asked.setdefault((namespace, registry), set())
        if subject is None:
            self._asked[namespace, registry] = None
        elif asked is not None:
            asked.add(subject)

    def ask_in_turns(self, namespace: str, registry: str) -> None:
        """Note that the next pass is to look at some of them, those first that it did not look at for longest."""
        refs = [ref_of(SCHEMA_SUBJECTS, body) for body in self._bodies(namespace, registry)]
        for ref in sorted(refs, key=lambda ref: self._looked.get(ref, 0))[:MOST_AT_RESYNC]:
            self.ask(namespace, registry, ref.name)

    def users_of(self, namespace: str, config_map: str) -> list[tuple[str, str]]:
        """Return registry and name of every SchemaSubject whose text is in a ConfigMap."""
        found = []
        for body in self._context.mirror.all(SCHEMA_SUBJECTS, namespace):
            spec = body.get("spec") or {}
            source = (spec.get("schemaFrom") or {}).get("configMapKeyRef") or {}
            if source.get("name") == config_map:
                found.append((str(spec.get("registry")), str(body["metadata"]["name"])))
        return found

    async def reconcile(self, namespace: str, registry: str) -> float | None:
        """Do what is to be done now for the subjects asked for since the last pass; all of them if none was named.

        Raises:
            RetryLater: the registry did not answer, or does not show all changes yet.
        """
        asked = self._asked.pop((namespace, registry), None)
        try:
            await self._pass(namespace, registry, asked)
        except BaseException:
            if asked is None:
                self.ask(namespace, registry)
            else:
                for name in asked:
                    self.ask(namespace, registry, name)
            raise
        return None

    async def _pass(self, namespace: str, registry: str, asked: set[str] | None) -> None:
        items = await self._items(namespace, registry, asked)
        if not items:
            return
        body = self._context.mirror.get(Ref(SCHEMA_REGISTRIES, namespace, registry))
        if body is None or is_leaving(body):
            gone = (
                f"there is no SchemaRegistry {registry} in namespace {namespace}: create it, or correct spec.registry"
            )
            await self._without_registry(items, Problem(Reason.REGISTRY_NOT_FOUND, gone), release=True)
            return
        if not serves(body):
            waits = f"waiting for SchemaRegistry {registry} to serve"
            await self._without_registry(items, Problem(Reason.REGISTRY_NOT_READY, waits), release=False)
            return
        try:
            client = await self._registries.of(namespace, registry)
            unfinished = await self._together(items, client)
        except LoginError as error:
            await self._without_registry(items, refusal(error), release=False)
            return
        except RegistryUnreachableError as error:
            await self._registries.forget(namespace, registry)
            away = Problem(Reason.REGISTRY_UNREACHABLE, str(error))
            await self._without_registry(items, away, release=False)
            raise RetryLater(str(error)) from error
        if unfinished:
            raise RetryLater(f"not all is done yet in the registry {registry}")

    def _bodies(self, namespace: str, registry: str) -> list[Manifest]:
        every = self._context.mirror.all(SCHEMA_SUBJECTS, namespace)
        return [body for body in every if (body.get("spec") or {}).get("registry") == registry]

    async def _items(self, namespace: str, registry: str, asked: set[str] | None) -> list[_Item]:
        """Return the subjects asked for, and those that refer to them."""
        from kopfka_operator.api.schemasubject import SchemaSubjectSpec  # noqa: PLC0415 - pydantic, at first need

        bodies = {body["metadata"]["name"]: body for body in self._bodies(namespace, registry)}
        needs = _needs(bodies.values())
        wanted = {_subject_name(bodies[name]) for name in (bodies if asked is None else asked) if name in bodies}
        wanted = dependents(wanted, needs)
        items = []
        for body in bodies.values():
            if _subject_name(body) not in wanted:
                continue
            ref = ref_of(SCHEMA_SUBJECTS, body)
            self._looks += 1
            self._looked[ref] = self._looks
            if is_paused(body) and not is_leaving(body):
                await self._context.write_status(ref, body, paused_status())
                continue
            try:
                items.append(_Item(Subject(ref, SchemaSubjectSpec.model_validate(body["spec"])), body))
            except ValueError as error:
                await self._context.write_status(ref, body, invalid_spec(error))
                if is_leaving(body) and has_finalizer(body):
                    await self._context.release(ref, body)
        self._looked = {ref: look for ref, look in self._looked.items() if self._context.mirror.get(ref) is not None}
        return items

    async def _without_registry(self, items: list[_Item], why: Problem, *, release: bool) -> None:
        for item in items:
            if is_leaving(item.body) and release:
                for action in plan(item.subject, Observed(None, leaving=True, held=has_finalizer(item.body))):
                    await self._do(action, item, None)
            else:
                known = item.body.get("status") or {}
                await self._context.write_status(item.subject.ref, item.body, waiting(item.subject, why, known))

    async def _together(self, items: list[_Item], client: RegistryClient) -> bool:
        """Observe, plan, act and report for each, in the order of their references; tell if some are unfinished."""
        namespace, registry = items[0].subject.ref.namespace, items[0].subject.spec.registry
        bodies = self._bodies(namespace, registry)
        managed = {_subject_name(body): (body.get("status") or {}).get("version") for body in bodies}
        sources = Sources(self._context.client, client, managed)
        groups, circle = levels(_needs(bodies))
        by_name: dict[str, list[_Item]] = {}
        for item in items:
            by_name.setdefault(item.subject.name, []).append(item)
        gate = asyncio.Semaphore(_AT_ONCE)
        unfinished = False

        async def bring(item: _Item) -> bool:
            async with gate:
                return await self._bring(item, client, sources, circular=item.subject.name in circle)

        for group in (*groups, circle):
            here = [item for name in group for item in by_name.get(name, ())]
            results = await asyncio.gather(*map(bring, here), return_exceptions=True)
            for result in results:  # each has had its chance before the first failure ends the pass
                if isinstance(result, BaseException):
                    raise result
                unfinished = unfinished or result
        return unfinished

    async def _bring(self, item: _Item, client: RegistryClient, sources: Sources, *, circular: bool) -> bool:
        if item.subject.spec.schema_from is not None:
            self._follow(item.subject.ref.namespace)
        done: list[Action] = []
        failures: list[Problem] = []
        transient = False
        first: Observed | None = None
        observed = Observed(None)
        for _ in range(_ROUNDS):
            try:
                observed = await observe(self._known(item), item.subject, client, sources, circular=circular)
                first = first or observed
                actions = plan(item.subject, observed)
                if not actions:
                    break
                for action in actions:
                    await self._do(action, item, client)
                    done.append(action)
            except RegistryRefusedError as error:
                failures.append(_refused(error, item))
                transient = error.transient
                break
            if any(isinstance(action, ReleaseDeletion) for action in done) and is_leaving(item.body):
                return False
        at = observed.live.registered if observed.live is not None and observed.owner is None else None
        if at is not None:
            sources.registered(item.subject.name, at.version)
            if any(isinstance(action, RegisterSchema) for action in done):
                said = f"the schema is version {at.version} of {item.subject.name}, with id {at.id}"
                self._context.events.normal(item.body, "SchemaRegistered", said)
        unfinished = not failures and bool(plan(item.subject, observed))
        await self._report(_Outcome(item, first or observed, observed, done, failures, unfinished))
        return unfinished or transient

    def _known(self, item: _Item) -> Observed:
        body = self._context.mirror.get(item.subject.ref) or item.body
        return Observed(None, leaving=is_leaving(body), held=has_finalizer(body), owner=self._owner(item))

    async def _do(self, action: Action, item: _Item, client: RegistryClient | None) -> None:
        body = self._context.mirror.get(item.subject.ref) or item.body
        match action:
            case HoldDeletion():
                await self._context.hold(action.ref, body)
            case ReleaseDeletion():
                await self._context.release(action.ref, body)
            case _ if client is None:
                raise OperatorError(f"{action} needs a registry")
            case RegisterSchema():
                await client.register(action.subject, action.schema, normalize=action.normalize)
            case SetCompatibility():
                await client.set_compatibility(action.subject, action.level)
            case SetMode():
                await client.set_mode(action.subject, action.mode)
            case DeleteSubject():
                await client.delete(action.subject)
                said = f"the subject {action.subject} is deleted with all its versions"
                self._context.events.normal(body, "SubjectDeleted", said)
            case _:
                raise TypeError(f"no plan of a SchemaSubject has {action}")

    async def _report(self, outcome: _Outcome) -> None:
        subject = outcome.item.subject
        body = self._context.mirror.get(subject.ref)
        if body is None or (is_leaving(body) and not outcome.failures):
            return
        drifted = self._drift(outcome)
        if drifted:
            self._context.events.warning(outcome.item.body, Reason.DRIFT_CORRECTED.value, drifted)
        draft = report(
            subject,
            outcome.after,
            outcome.failures,
            body.get("status") or {},
            drifted=drifted or _known_drift(body),
            unfinished=outcome.unfinished,
        )
        await self._context.write_status(subject.ref, body, draft)

    def _drift(self, outcome: _Outcome) -> str:
        """Say what was changed outside, if the subject had been as this very spec says."""
        body = outcome.item.body
        status = body.get("status") or {}
        if status.get("observedGeneration") != body["metadata"].get("generation"):
            return ""
        if condition(body, ConditionType.READY).get("reason") != Reason.READY:
            return ""
        return drift(outcome.done, outcome.before.live, status.get("version"))

    def _owner(self, item: _Item) -> str | None:
        """Return the name of the other SchemaSubject that has this subject: the older one has it."""
        bodies = self._bodies(item.subject.ref.namespace, item.subject.spec.registry)
        rivals = [body for body in bodies if _subject_name(body) == item.subject.name]
        first = min(rivals, key=_age, default=item.body)
        return None if first["metadata"]["name"] == item.subject.ref.name else str(first["metadata"]["name"])


def _needs(bodies: Iterable[Manifest]) -> dict[str, set[str]]:
    needs: dict[str, set[str]] = {}
    for body in bodies:
        references = (body.get("spec") or {}).get("references") or ()
        needs.setdefault(_subject_name(body), set()).update(str(each.get("subject")) for each in references)
    return needs


def _subject_name(body: Manifest) -> str:
    return str((body.get("spec") or {}).get("subject") or body["metadata"]["name"])


def _age(body: Manifest) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp") or "", body["metadata"]["name"]


def _refused(error: RegistryRefusedError, item: _Item) -> Problem:
    problem = refusal(error)
    if is_leaving(item.body):
        remedy = "to let go of the subject as it is, write reclaimPolicy: Retain"
    elif error.code == OPERATION_NOT_PERMITTED and item.subject.spec.mode is not None:
        remedy = f"write another mode than {item.subject.spec.mode} until that is done"
    else:
        return problem
    return Problem(problem.reason, f"{problem.message}; {remedy}")


def _known_drift(body: Manifest) -> str:
    progress = condition(body, ConditionType.PROGRESSING)
    same = progress.get("observedGeneration") == body["metadata"].get("generation")
    if not same or progress.get("reason") != Reason.DRIFT_CORRECTED:
        return ""
    return str(progress.get("message", "")).removeprefix(DRIFTED)
