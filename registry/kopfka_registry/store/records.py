"""Records of `_schemas`, key and value, as Confluent's registry writes and reads them.

Keys are written byte for byte as Confluent's, as compaction goes by their bytes. Values may hold fields not known here;
they are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
from pydantic import ValidationError

from kopfka_registry.models import Config, Metadata, Model, Reference, RuleSet
from kopfka_registry.names import SchemaId, Version
from kopfka_registry.store.content import AVRO, Content, Registered
from kopfka_runtime.errors import KopfkaError

TENANT: Final = "default"
M = TypeVar("M", bound=Model)


class UnknownRecordError(KopfkaError):
    """A record of the topic is none of the registry's."""


@dataclass(frozen=True, slots=True)
class SchemaKey:
    """Key of a version of a subject; its value is a `Registered`, None for one deleted for good."""

    subject: str
    version: Version

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="SCHEMA", subject=self.subject, version=self.version, magic=1)


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """Key of the settings of a subject, or of all where None; its value is a `Config`."""

    subject: str | None

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="CONFIG", subject=self.subject, magic=0)


@dataclass(frozen=True, slots=True)
class ModeKey:
    """Key of the mode of a subject, or of all where None; its value is the mode's name."""

    subject: str | None

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="MODE", subject=self.subject, magic=0)


@dataclass(frozen=True, slots=True)
class DeleteSubjectKey:
    """Key of a subject's deletion; its value is the last version that is deleted."""

    subject: str

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="DELETE_SUBJECT", subject=self.subject, magic=0)


@dataclass(frozen=True, slots=True)
class ClearSubjectKey:
    """Key of the removal of all that is known of a subject."""

    subject: str

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="CLEAR_SUBJECT", subject=self.subject, magic=0)


@dataclass(frozen=True, slots=True)
class ContextKey:
    """Key of a context."""

    context: str

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="CONTEXT", tenant=TENANT, context=self.context, magic=0)


@dataclass(frozen=True, slots=True)
class NoopKey:
    """Key of a record that only marks a place: who reads it has read all before it.

    Its value, which Confluent's registry does not look at, is the highest id given in each context, so that an id that
    was deleted for good is not given again once compaction has removed its last trace.
    """

    def encode(self) -> bytes:
        """Return the record's key."""
        return _key(keytype="NOOP", magic=0)


Key = SchemaKey | ConfigKey | ModeKey | DeleteSubjectKey | ClearSubjectKey | ContextKey | NoopKey
LastIds = dict[str, int]
Value = Registered | Config | LastIds | str | Version | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: a key, and its value or None for a tombstone."""

    key: Key
    value: Value = None


def encode(entry: Entry) -> tuple[bytes, bytes | None]:
    """Return the key and the value of a record."""
    key, value = entry.key, entry.value
    said: dict[str, Any] | None
    match key, value:
        case SchemaKey(), Registered():
            said = _schema_value(value)
        case ConfigKey(), Config():
            said = {"subject": key.subject, **value.plain()}
        case ModeKey(), str():
            said = {"subject": key.subject, "mode": value}
        case DeleteSubjectKey(), int():
            said = {"subject": key.subject, "version": value}
        case ClearSubjectKey(), _:
            said = {"subject": key.subject}
        case ContextKey(), _:
            said = {"tenant": TENANT, "context": key.context}
        case NoopKey(), dict():
            said = {"lastIds": value}
        case _:
            said = None
    return key.encode(), None if said is None else orjson.dumps(said)


def decode(key: bytes | None, value: bytes | None) -> Entry:
    """Read a record.

    Raises:
        UnknownRecordError: it is none of the registry's.
    """
    try:
        said = orjson.loads(key or b"")
        keytype = said["keytype"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise UnknownRecordError(f"its key is no key of a schema registry: {_shown(key)}") from None
    try:
        read = _READERS[keytype]
    except (KeyError, TypeError):
        raise UnknownRecordError(f"its key is of the unknown type {keytype!r}") from None
    try:
        loaded = None if value is None else orjson.loads(value)
        return read(said, loaded if isinstance(loaded, dict | None) else {})
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError, ValidationError) as error:
        raise UnknownRecordError(f"a record of type {keytype} cannot be read: {_reason(error)}") from None


def _schema_value(schema: Registered) -> dict[str, Any]:
    content = schema.content
    said: dict[str, Any] = {
        "subject": schema.subject,
        "version": schema.version,
        "id": schema.id,
        "guid": content.guid,
    }
    if content.type != AVRO:
        said["schemaType"] = content.type
    if content.references:
        said["references"] = [each.plain() for each in content.references]
    if content.metadata:
        said["metadata"] = content.metadata.plain()
    if content.rule_set:
        said["ruleSet"] = content.rule_set.plain()
    return {**said, "schema": content.text, "deleted": schema.deleted}


def _read_schema(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    subject, version = _text(key["subject"]), Version(_number(key["version"]))
    if value is None:
        return Entry(SchemaKey(subject, version))
    content = Content(
        value.get("schemaType") or AVRO,
        _text(value["schema"]),
        tuple(Reference.model_validate(each) for each in value.get("references") or ()),
        _part(Metadata, value.get("metadata")),
        _part(RuleSet, value.get("ruleSet")),
    )
    registered = Registered(subject, version, SchemaId(_number(value["id"])), content, bool(value.get("deleted")))
    return Entry(SchemaKey(subject, version), registered)


def _read_config(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    return Entry(ConfigKey(_scope(key)), None if value is None else Config.model_validate(value))


def _read_mode(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    return Entry(ModeKey(_scope(key)), None if value is None else _text(value["mode"]))


def _read_delete_subject(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    version = None if value is None else Version(_number(value["version"]))
    return Entry(DeleteSubjectKey(_text(key["subject"])), version)


def _read_clear_subject(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    return Entry(ClearSubjectKey(_text(key["subject"])), None if value is None else "")


def _read_context(key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    return Entry(ContextKey(_text(key["context"])), None if value is None else "")


def _read_noop(_key: dict[str, Any], value: dict[str, Any] | None) -> Entry:
    return Entry(NoopKey(), {_text(name): _number(last) for name, last in (value or {}).get("lastIds", {}).items()})


_READERS: Final = {
    "SCHEMA": _read_schema,
    "CONFIG": _read_config,
    "MODE": _read_mode,
    "DELETE_SUBJECT": _read_delete_subject,
    "CLEAR_SUBJECT": _read_clear_subject,
    "CONTEXT": _read_context,
    "NOOP": _read_noop,
}


def _key(**fields: object) -> bytes:
    return orjson.dumps(fields)


def _part(kind: type[M], value: object) -> M | None:
    return kind.model_validate(value) if value else None


def _scope(key: dict[str, Any]) -> str | None:
    subject = key.get("subject")
    return None if subject is None else _text(subject)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no number")
    return value


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]


def _shown(key: bytes | None) -> str:
    return "it has none" if key is None else repr(key[:80])
