"""Compatibility levels, modes and the other settings of a subject, of a context, or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.errors import (
    CompatibilityNotConfiguredError,
    InvalidCompatibilityError,
    ModeNotConfiguredError,
    OperationNotPermittedError,
)
from kopfka_registry.models import Config
from kopfka_registry.names import Subject
from kopfka_registry.service.compatibility import Level
from kopfka_registry.service.modes import Mode
from kopfka_registry.service.rules import check_rules
from kopfka_registry.store.records import ConfigKey, Entry, ModeKey

if TYPE_CHECKING:
    from kopfka_registry.service.modes import Modes
    from kopfka_registry.service.registering import Lead
    from kopfka_registry.store.state import State

_POLICIES = ("STRICT", "LENIENT")


async def put_config(state: State, modes: Modes, lead: Lead, subject: str | None, update: Config) -> int:
    """Set what `update` sets, and keep what it does not; return the offset.

    Raises:
        RegistryError: it is malformed, or the subject is read-only.
    """
    if update.compatibility_level is not None:
        update = update.model_copy(update={"compatibility_level": Level.named(update.compatibility_level).value})
    if update.compatibility_policy is not None:
        policy = update.compatibility_policy.upper()
        if policy not in _POLICIES:
            raise InvalidCompatibilityError(
                f"Invalid compatibility policy '{update.compatibility_policy}'. Valid values are {', '.join(_POLICIES)}"
            )
        update = update.model_copy(update={"compatibility_policy": policy})
    check_rules(update.default_rule_set)
    check_rules(update.override_rule_set)
    modes.check_change(subject)
    merged = update.over(state.config(subject) or Config())
    return await lead.write([Entry(ConfigKey(subject), merged)])


async def delete_config(state: State, modes: Modes, lead: Lead, subject: str | None) -> tuple[Config, int | None]:
    """Forget what is set; return it, and the offset (None where nothing was set for all).

    Raises:
        CompatibilityNotConfiguredError: nothing is set for the subject.
        OperationNotPermittedError: the subject is read-only.
    """
    found = state.config(subject)
    if found is None:
        if subject is not None:
            raise CompatibilityNotConfiguredError(subject)
        return Config(), None
    modes.check_change(subject)
    return found, await lead.write([Entry(ConfigKey(subject))])


async def put_mode(state: State, lead: Lead, subject: str | None, mode: Mode, *, force: bool, mutable: bool) -> int:
    """Set a mode; return the offset.

    Raises:
        OperationNotPermittedError: there are schemas already that ids from elsewhere might contradict, or modes may
            not be changed here.
    """
    if not mutable:
        raise OperationNotPermittedError("Mode changes are not allowed: mode.mutability is false")
    if (
        mode is Mode.IMPORT
        and not force
        and state.mode(subject) != Mode.IMPORT.value
        and _holds_schemas(state, subject)
    ):
        what = "subjects" if subject is None else f"schemas under {subject}"
        raise OperationNotPermittedError(f"Cannot import since found existing {what}: delete them, or pass force=true")
    return await lead.write([Entry(ModeKey(subject), mode.value)])


async def delete_mode(state: State, lead: Lead, subject: str | None, *, recursive: bool) -> tuple[str, int | None]:
    """Forget the mode of a subject (with `recursive`, of all subjects of a context); return it, and the offset.

    Raises:
        ModeNotConfiguredError: none is set.
    """
    found = state.mode(subject)
    if found is None and not recursive:
        if subject is None:
            return Mode.READWRITE.value, None
        raise ModeNotConfiguredError(subject)
    entries = [Entry(ModeKey(subject))] if found is not None else []
    if recursive:
        prefix = subject or ""
        entries += [Entry(ModeKey(each)) for each in state.subjects(prefix) if state.mode(each) and each != subject]
    return found or Mode.READWRITE.value, (await lead.write(entries) if entries else None)


def _holds_schemas(state: State, subject: str | None) -> bool:
    if subject is None:
        return any(Subject.parse(each).context == "." and state.versions(each) for each in state.subjects())
    parsed = Subject.parse(subject)
    if not parsed.name:
        return any(state.versions(each) for each in state.subjects(parsed.prefix))
    return bool(state.versions(subject))
