"""Registering a schema: what it is, whether it may follow those before it, which id and version it gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from kopfka_registry.errors import (
    IdDoesNotMatchError,
    IncompatibleSchemaError,
    InvalidSchemaError,
    InvalidVersionError,
    OperationNotPermittedError,
)
from kopfka_registry.models import merge_metadata, merge_rule_sets
from kopfka_registry.names import DEFAULT_CONTEXT, SchemaId, Version, checked_subject, context_of
from kopfka_registry.service.compatibility import Former, Level, check
from kopfka_registry.service.rules import check_rules
from kopfka_registry.store.content import AVRO, Content, Registered
from kopfka_registry.store.records import ContextKey, Entry, SchemaKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_registry.formats.contract import ParsedSchema
    from kopfka_registry.models import Config, Metadata, Reference, RuleSet
    from kopfka_registry.service.modes import Modes
    from kopfka_registry.service.parsing import Parser
    from kopfka_registry.store.state import State


class Lead(Protocol):
    """The right to write."""

    def id_for(self, context: str, fingerprint: bytes) -> SchemaId:
        """Return the id of a content, a new one where it has none."""

    async def write(self, entries: Sequence[Entry]) -> int:
        """Write records, all or none, and wait until the state has them; return the offset of the last."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schema as a client sends it."""

    text: str = ""
    type: str | None = None
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    version: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """What registering works on."""

    state: State
    parser: Parser
    modes: Modes
    default_level: Level


async def canonical(
    holder: Holder, subject: str, wanted: Wanted, config: Config, *, normalize: bool
) -> tuple[Content, ParsedSchema]:
    """Return what is wanted as it would be kept under `subject`, and parsed.

    Raises:
        InvalidSchemaError: it is no schema.
    """
    if not wanted.text.strip():
        raise InvalidSchemaError("Empty schema")
    context = context_of(subject)
    references = holder.parser.pinned(context, wanted.references)
    content = Content((wanted.type or AVRO).upper(), wanted.text, references, wanted.metadata, wanted.rule_set)
    parsed = await holder.parser.parse(context, content)
    if normalize or config.normalize:
        parsed = parsed.normalized()
        references = tuple(sorted(references, key=lambda each: (each.name, each.subject, each.version)))
    return replace(content, text=parsed.canonical, references=references), parsed


def found_under(state: State, subject: str, content: Content, *, deleted: bool = False) -> Registered | None:
    """Return the latest version of a subject that is this content, whatever version its metadata names."""
    for each in reversed(state.versions(subject, deleted=deleted)):
        if _same(each.content, content):
            return each
    return None


def with_settings(config: Config, wanted: Wanted, former: Registered | None) -> Wanted:
    """Return what is wanted with the metadata and the rules that its subject's settings add.

    What a schema does not say itself it has from the version before it, then the defaults, and over all the overrides.
    """
    metadata = wanted.metadata or (former.content.metadata if former else None)
    rules = wanted.rule_set or (former.content.rule_set if former else None)
    return replace(
        wanted,
        metadata=merge_metadata(merge_metadata(config.default_metadata, metadata), config.override_metadata),
        rule_set=merge_rule_sets(merge_rule_sets(config.default_rule_set, rules), config.override_rule_set),
    )


async def register(
    holder: Holder, lead: Lead, written_subject: str, wanted: Wanted, *, normalize: bool
) -> tuple[Registered, int | None]:
    """Register a schema; return it, and the offset of its record where it is new.

    Raises:
        RegistryError: it may not be registered; nothing was written.
    """
    state, subject = holder.state, checked_subject(written_subject)
    context = context_of(subject)
    importing = holder.modes.check_register(subject, with_id=wanted.id is not None)
    config = state.config_in_scope(subject)
    former = state.latest(subject)
    if not wanted.text.strip() and former is not None:
        kept = former.content
        wanted = replace(wanted, text=kept.text, type=kept.type, references=kept.references)
    wanted = with_settings(config, wanted, former)
    check_rules(wanted.rule_set)
    content, parsed = await canonical(holder, subject, wanted, config, normalize=normalize)
    if (normalize or config.normalize) and not importing:
        parsed.check_defaults()

    there = found_under(state, subject, content)
    if there is not None and (wanted.id is None or wanted.id == there.id):
        return there, None
    if there is not None:
        raise IdDoesNotMatchError(f"Schema already registered with id {there.id} instead of input id {wanted.id}")
    version = _next_version(state, subject, wanted, importing=importing)
    if (wanted.version is not None and wanted.version != 0) or (content.metadata and content.metadata.version):
        content = _with_version(content, version)
    if not importing:
        said = await differences(holder, subject, content, parsed, config)
        if said:
            raise IncompatibleSchemaError(
                f'Schema being registered is incompatible with an earlier schema for subject "{subject}", details: '
                f"[{', '.join(said)}]"
            )
    fingerprint = content.fingerprint()
    if wanted.id is not None:
        known = state.known(context, wanted.id)
        if known is not None and known.content != content:
            raise OperationNotPermittedError(
                f"Overwrite new schema with id {wanted.id} in context {context} is not permitted."
            )
        schema_id = SchemaId(wanted.id)
    else:
        schema_id = lead.id_for(context, fingerprint)
    registered = Registered(subject, version, schema_id, content)
    entries = [Entry(SchemaKey(subject, version), registered)]
    if context != DEFAULT_CONTEXT and context not in state.contexts():
        entries.insert(0, Entry(ContextKey(context), ""))
    # the same schema, deleted before: only the new version stands for it from now on
    entries += [
        Entry(SchemaKey(subject, each.version))
        for each in state.versions(subject, deleted=True)
        if each.deleted and each.version != version and _same(each.content, content)
    ]
    return registered, await lead.write(entries)


async def differences(
    holder: Holder,
    subject: str,
    content: Content,
    parsed: ParsedSchema,
    config: Config,
    *,
    versions: Sequence[Registered] | None = None,
) -> list[str]:
    """Return why a schema may not follow the versions of a subject (or those given), as verbose answers say it."""
    level = Level.named(config.compatibility_level) if config.compatibility_level else holder.default_level
    former = holder.state.versions(subject) if versions is None else list(versions)
    group = config.compatibility_group
    if group is not None:
        former = [each for each in former if _group(each.content.metadata, group) == _group(content.metadata, group)]
    if level is Level.NONE or not former:
        return []
    counted = former if level.transitive else former[-1:]
    context = context_of(subject)
    old = [await _former(holder, context, each) for each in counted]
    said = check(level, content.type, parsed, old)
    validate = "true" if config.validate_fields else "false"
    return [*said, f"{{validateFields: '{validate}', compatibility: '{level.value}'}}"] if said else []


async def _former(holder: Holder, context: str, registered: Registered) -> Former:
    try:
        parsed = await holder.parser.parse(context, registered.content)
    except InvalidSchemaError as error:  # another registry, or a former release, took what this one does not read
        raise type(error)(f"version {registered.version} of {registered.subject} cannot be compared: {error}") from None
    return Former(registered.version, registered.content.type, parsed)


def _next_version(state: State, subject: str, wanted: Wanted, *, importing: bool) -> Version:
    following = Version(state.last_version(subject) + 1)
    if wanted.version is None or wanted.version in (-1, 0):
        return following
    if wanted.version < 1:
        raise InvalidVersionError(wanted.version)
    if importing:
        if state.version(subject, wanted.version) is not None:
            raise OperationNotPermittedError(
                f"Overwrite version {wanted.version} of subject {subject} with another schema is not permitted."
            )
        return Version(wanted.version)
    if wanted.version != following:
        raise InvalidSchemaError(
            f"Version is not one more than previous version: {wanted.version} was given, {following} is next"
        )
    return following


def _with_version(content: Content, version: Version) -> Content:
    from kopfka_registry.models import Metadata  # noqa: PLC0415

    return replace(content, metadata=(content.metadata or Metadata()).with_version(version))


def _same(one: Content, other: Content) -> bool:
    if (one.type, one.text, one.references, one.rule_set) != (other.type, other.text, other.references, other.rule_set):
        return False
    return one.metadata == other.metadata or _bare(one.metadata) == _bare(other.metadata)


def _bare(metadata: Metadata | None) -> Metadata | None:
    return metadata.without_version() if metadata else None


def _group(metadata: Metadata | None, name: str) -> str | None:
    return (metadata.properties or {}).get(name) if metadata else None
