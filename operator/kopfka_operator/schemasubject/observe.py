"""What a registry has of a subject now, and what it says of the schema that is wanted there. Changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import Reason
from kopfka_operator.errors import RegistryRefusedError
from kopfka_operator.schemasubject.plan import Live, Observed, Subject, settings_agree
from kopfka_operator.schemasubject.sources import LackingError
from kopfka_operator.status import Problem

if TYPE_CHECKING:
    from kopfka_operator.registry.client import RegistryClient
    from kopfka_operator.registry.model import Schema
    from kopfka_operator.schemasubject.sources import Sources


async def observe(
    known: Observed, subject: Subject, client: RegistryClient, sources: Sources, *, circular: bool
) -> Observed:
    """Return what is there, beside what is `known` of the resource itself.

    `circular` says that the subject cannot be registered, since what it refers to refers to it.
    """
    if known.owner is not None:
        return known
    versions, level, mode = await asyncio.gather(
        client.versions(subject.name), client.compatibility(subject.name), client.mode(subject.name)
    )
    observed = replace(known, live=Live(versions, level, mode))
    if known.leaving:
        return observed
    if circular:
        circle = f"{subject.name} is in a circle of references, or refers to one: no schema of it can be the first"
        return replace(observed, lacks=Problem(Reason.INVALID_SPEC, circle))
    try:
        schema = await sources.schema(subject)
    except LackingError as error:
        return replace(observed, lacks=error.problem)
    return replace(observed, live=await _tried(subject, schema, Live(versions, level, mode), client), schema=schema)


async def _tried(subject: Subject, schema: Schema, live: Live, client: RegistryClient) -> Live:
    """Look where a schema is in its subject; if it is not, have the registry say whether it could be."""
    normalize = subject.spec.normalize
    try:
        registered = await client.lookup(subject.name, schema, normalize=normalize)
        if registered is not None:
            return replace(live, registered=registered)
        if not settings_agree(subject, live):
            return live  # the dry run would go by a compatibility that is about to change
        return replace(live, verdict=await client.check(subject.name, schema, normalize=normalize))
    except RegistryRefusedError as error:
        if error.status != 422:
            raise
        return replace(live, invalid=str(error))
