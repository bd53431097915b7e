"""One step of a schema's evolution, with data: what the registry says of it, and what happens to the data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from confluent_kafka.schema_registry import SchemaRegistryError

from interop.registry.stack import read, schema_id, written

if TYPE_CHECKING:
    from confluent_kafka import Message

    from interop.registry.languages import Language
    from interop.registry.stack import Stack

LOST: Final = "lost"
"""In place of data: they cannot be read."""


@dataclass(frozen=True)
class Step:
    """An old and a new schema, data written with each, and what comes of them on the other side."""

    title: str
    old: Any
    new: Any
    old_data: Any
    new_data: Any
    new_reads: Any
    """What new code makes of the old data."""
    old_reads: Any
    """What old code makes of the new data."""
    rule: Any = None
    """The rule of the registry's table that this is about, where a table has one for what is allowed too."""
    backward: bool | None = None
    """The registry's verdict; where it is not given, whether the old data can be read."""
    forward: bool | None = None
    because: str = ""
    """Why a verdict is another than what happens to these data."""

    @property
    def verdicts(self) -> dict[str, bool]:
        """Return the verdict of each level."""
        backward = self.new_reads != LOST if self.backward is None else self.backward
        forward = self.old_reads != LOST if self.forward is None else self.forward
        both = backward and forward
        return {
            "BACKWARD": backward, "BACKWARD_TRANSITIVE": backward, "FORWARD": forward, "FORWARD_TRANSITIVE": forward,
            "FULL": both, "FULL_TRANSITIVE": both, "NONE": True,
        }  # fmt: skip

    def __str__(self) -> str:
        return self.title


def proven(stack: Stack, language: Language, name: str, step: Step) -> set[str]:
    """Go the step with serialisers, and check each verdict and all data; return the rules that verdicts named."""
    client, subject = stack.client(), f"{name}-value"
    write_old, write_new = (language.writes(client, each) for each in (step.old, step.new))
    old_value = written(write_old, name, step.old_data)
    candidate = _registered_of(stack, language, f"{name}-probe", step)
    told: set[str] = set()
    for level, verdict in step.verdicts.items():
        client.set_compatibility(subject, level)
        assert client.test_compatibility(subject, candidate) == verdict, level
        if not verdict:
            told |= _refusal(client, subject, candidate)
    assert client.get_versions(subject) == [1]
    client.set_compatibility(subject, "NONE")
    new_value = written(write_new, name, step.new_data)
    old_message, new_message = stack.travelled(old_value, new_value)
    assert client.get_latest_version(subject).schema_id == schema_id(new_message.value())

    old_code, new_code = (language.reads(stack.client(), each) for each in (step.old, step.new))
    assert outcome(old_code, name, old_message) == step.old_data
    assert outcome(new_code, name, new_message) == step.new_data
    assert outcome(new_code, name, old_message) == step.new_reads
    assert outcome(old_code, name, new_message) == step.old_reads
    as_data_say = (step.new_reads != LOST, step.old_reads != LOST)
    differs = (step.verdicts["BACKWARD"], step.verdicts["FORWARD"]) != as_data_say
    assert differs == bool(step.because), "a verdict that data do not bear out must be explained, and no other"
    return told


def _registered_of(stack: Stack, language: Language, topic: str, step: Step) -> Any:
    """Return the new schema as the serialiser registers it, from a subject of its own."""
    client = stack.client()
    written(language.writes(client, step.new), topic, step.new_data)
    return client.get_latest_version(f"{topic}-value").schema


def _refusal(client: Any, subject: str, candidate: Any) -> set[str]:
    with pytest.raises(SchemaRegistryError) as caught:
        client.register_schema(subject, candidate)
    assert (caught.value.http_status_code, caught.value.error_code) == (409, 40901)
    return set(re.findall(r"errorType:['\"](\w+)['\"]", caught.value.error_message))


def outcome(deserialize: Any, topic: str, message: Message) -> Any:
    """Return what a deserialiser makes of a record, or `LOST`."""
    try:
        return read(deserialize, topic, message)
    except Exception:  # of many kinds, by language
        return LOST
