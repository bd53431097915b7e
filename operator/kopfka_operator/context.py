"""What the reconcilers of all kinds share: the API, what the watches know, events, and writing statuses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kopfka_operator.api.names import FINALIZER, PAUSED
from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.errors import ApiError
from kopfka_operator.status import Draft, StatusDraft, condition, render

if TYPE_CHECKING:
    from kopfka_operator.children.pods import Installation
    from kopfka_operator.events import EventPoster
    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest, Ref
    from kopfka_operator.mirror import Mirror

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every reconciler."""

    client: KubeClient
    mirror: Mirror
    events: EventPoster
    installation: Installation

    async def write_status(self, ref: Ref, body: Manifest, draft: StatusDraft) -> None:
        """Write a status if it says something new, and say in events how `Ready` and `Degraded` changed."""
        status = render(body, draft)
        if status == (body.get("status") or {}):
            return
        try:
            answer = await self.client.apply(ref, ref.manifest(status=status), "status")
        except ApiError as error:
            if error.status == 404:
                return  # deleted meanwhile
            raise
        self.mirror.put(ref.type, answer)
        for each in draft.conditions:
            self._announce(body, each)

    async def hold(self, ref: Ref, body: Manifest) -> None:
        """Put the finalizer on a resource."""
        finalizers = [*(body["metadata"].get("finalizers") or []), FINALIZER]
        await self._finalizers(ref, body, finalizers)

    async def release(self, ref: Ref, body: Manifest) -> None:
        """Take the finalizer off a resource; others' finalizers stay."""
        finalizers = [each for each in body["metadata"].get("finalizers") or [] if each != FINALIZER]
        await self._finalizers(ref, body, finalizers)

    async def _finalizers(self, ref: Ref, body: Manifest, finalizers: list[str]) -> None:
        metadata = {"finalizers": finalizers or None, "resourceVersion": body["metadata"]["resourceVersion"]}
        try:
            answer = await self.client.merge(ref, {"metadata": metadata})
        except ApiError as error:
            if error.status == 404:
                return
            raise
        self.mirror.put(ref.type, answer)

    def _announce(self, body: Manifest, draft: Draft) -> None:
        before = condition(body, draft.type)
        same = (
            before.get("status") == ("True" if draft.status else "False") and before.get("reason") == draft.reason.value
        )
        if same or draft.type is ConditionType.PROGRESSING:
            return
        if draft.type is ConditionType.READY and draft.status:
            self.events.normal(body, draft.reason.value, draft.message)
        elif draft.type is ConditionType.DEGRADED and draft.status:
            self.events.warning(body, draft.reason.value, draft.message)


def has_finalizer(body: Manifest) -> bool:
    """Tell whether the finalizer is on a resource."""
    return FINALIZER in (body["metadata"].get("finalizers") or [])


def is_leaving(body: Manifest) -> bool:
    """Tell whether a resource is being deleted."""
    return bool(body["metadata"].get("deletionTimestamp"))


def is_paused(body: Manifest) -> bool:
    """Tell whether the user has asked to leave a resource alone."""
    return bool((body["metadata"].get("annotations") or {}).get(PAUSED) == "true")


def paused_status() -> StatusDraft:
    """Return the status of a resource that is left alone: all else stays as it was."""
    message = f'nothing is done while the annotation {PAUSED} is "true": remove it to go on'
    return StatusDraft((Draft(ConditionType.PROGRESSING, False, Reason.PAUSED, message),), observed=False)
