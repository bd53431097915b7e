"""What the record of a schema is called, for strategies whose subjects are made of it: as Confluent's serialisers say.

Avro: the full name of a record, enum or fixed. JSON Schema: the title. Protobuf: the full name of the message that a
record's indexes lead to; indexes count messages as they stand in the text, so entries of maps and groups, which have no
`message` there, have none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kopfka_broker.schemas.identity import DEEPEST, message_indexes

if TYPE_CHECKING:
    from collections.abc import Iterator

_AVRO_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_AVRO_OTHERS: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string", "array", "map", "union"}
)
_PROTO: Final = re.compile(
    r"""
    //[^\n]* | /\*.*?(?:\*/|\Z)                                 # comments
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?               # strings
    | (?P<word> [A-Za-z_.][\w.]* ) | (?P<mark> [{};] ) | [^\s]
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Message:
    """A Protobuf message, or the file: its full name and the messages in it."""

    name: str
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Definition:
    """As much of a schema as tells its record's name."""

    name: str | None
    """None where it has none, and of Protobuf."""
    file: Message | None = None
    """Of Protobuf."""

    def record_name(self, data: bytes, at: int) -> str | None:
        """Return the name of the record whose data, or header, goes on at `at` behind the schema's id."""
        if self.file is None:
            return self.name
        indexes = message_indexes(data, at)
        if indexes is None:
            return None
        message = self.file
        for index in indexes:
            if index >= len(message.messages):
                return None
            message = message.messages[index]
        return message.name


def definition(kind: str, text: str) -> Definition:
    """Read a schema, of which the registry has checked that it is one."""
    if kind == "PROTOBUF":
        return Definition(None, proto_file(text))
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return Definition(None)
    if kind == "JSON":
        title = content.get("title") if isinstance(content, dict) else None
        return Definition(title if isinstance(title, str) else None)
    return Definition(avro_name(content) if kind == "AVRO" else None)


def avro_name(content: Any) -> str | None:
    """Return the full name of an Avro schema, None where it has none."""
    while isinstance(content, dict) and isinstance(content.get("type"), dict):
        content = content["type"]
    if isinstance(content, str):  # a type of another subject that this schema refers to
        return None if content in _AVRO_OTHERS else content
    if not isinstance(content, dict) or content.get("type") not in _AVRO_NAMED:
        return None
    name, space = content.get("name"), content.get("namespace")
    if not isinstance(name, str) or not name:
        return None
    return name if "." in name or not isinstance(space, str) or not space else f"{space}.{name}"


def proto_file(text: str) -> Message:
    """Return the messages of a `.proto` file; of other text, those it happens to have."""
    package = ""
    tops: list[Message] = []
    open_blocks: list[Message | None] = []  # None: a block that is no message's
    statement: list[str] = []
    for token in _tokens(text):
        if token == "}":
            if open_blocks:
                open_blocks.pop()
            statement.clear()
        elif token == ";":
            if len(statement) > 1 and statement[0] == "package" and not open_blocks:
                package = statement[1]
            statement.clear()
        elif token == "{":
            inside = open_blocks[-1] if open_blocks else None
            message = None
            somewhere = not open_blocks or (inside is not None and len(open_blocks) < DEEPEST)
            if len(statement) > 1 and statement[0] == "message" and somewhere:
                prefix = inside.name if inside is not None else package
                message = Message(f"{prefix}.{statement[1]}" if prefix else statement[1])
                (tops if inside is None else inside.messages).append(message)
            open_blocks.append(message)
            statement.clear()
        elif len(statement) < 2:  # more of it tells nothing
            statement.append(token)
    return Message(package, tops)


def _tokens(text: str) -> Iterator[str]:
    for found in _PROTO.finditer(text):
        if found.lastgroup is not None:
            yield found[0]
