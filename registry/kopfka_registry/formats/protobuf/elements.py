"""The parts of a `.proto` file as it was written: names not resolved, options not interpreted, comments dropped.

Only data. Declarations stand in the order of the text; `at` is where in it, counted in characters, and -1 in what was
read from a descriptor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_NUMBER: Final = 536_870_911
"""The largest field number, which `max` means in a message."""
LARGEST_VALUE: Final = 2**31 - 1
"""The largest number of an enum, which `max` means in an enum."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A message in the text format: `{ a: 1, [b.c]: "d" }`. A key may occur more than once."""

    entries: tuple[tuple[str, Value], ...]


Value: TypeAlias = "str | bytes | Aggregate | tuple[Value, ...]"
"""What an option is set to: a word or number as written, the content of a string, a message, a list."""


@dataclass(frozen=True, slots=True)
class Option:
    """`name = value`; the name as written, without blanks: `(confluent.field_meta).tags`."""

    name: str
    value: Value
    at: int = -1


@dataclass(frozen=True, slots=True)
class Import:
    """A file this one needs; `kind` is empty, `public`, `weak` or `option`."""

    path: str
    kind: str = ""
    at: int = -1


Range: TypeAlias = tuple[int] | tuple[int, int]
"""One number, or the first and the last of several."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Numbers or names nothing may have; `bare` where the names are written without quotes, as editions want it."""

    ranges: tuple[Range, ...] = ()
    names: tuple[str, ...] = ()
    bare: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class Extensions:
    """Field numbers left to extensions."""

    ranges: tuple[Range, ...]
    options: tuple[Option, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class Field:
    """A field, also of a oneof or an extension.

    `type` is as written; `map<string, Foo>` for a map. `options` has the pseudo options `default` and `json_name` too.
    """

    label: str
    """Empty, `optional`, `required` or `repeated`."""
    type: str
    name: str
    number: int
    options: tuple[Option, ...] = ()
    group: Message | None = None
    """The message a group declares; `type` is then its name."""
    at: int = -1

    @property
    def map(self) -> tuple[str, str] | None:
        """Types of key and value, as written, where the field is a map."""
        if not self.type.startswith("map<"):
            return None
        key, _, value = self.type[4:-1].partition(", ")
        return key, value

    def option(self, name: str) -> Option | None:
        """Return the last option with this name."""
        return next((option for option in reversed(self.options) if option.name == name), None)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Fields of which at most one is set."""

    name: str
    body: tuple[Field | Option, ...]
    at: int = -1

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its fields."""
        return tuple(item for item in self.body if isinstance(item, Field))

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options."""
        return tuple(item for item in self.body if isinstance(item, Option))


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A name and its number."""

    name: str
    number: int
    options: tuple[Option, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum; `visibility` is empty, `export` or `local`."""

    name: str
    body: tuple[EnumValue | Option | Reserved, ...]
    visibility: str = ""
    at: int = -1

    @property
    def values(self) -> tuple[EnumValue, ...]:
        """Its values."""
        return tuple(item for item in self.body if isinstance(item, EnumValue))

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options."""
        return tuple(item for item in self.body if isinstance(item, Option))

    @property
    def reserved(self) -> tuple[Reserved, ...]:
        """What its values may not be."""
        return tuple(item for item in self.body if isinstance(item, Reserved))


@dataclass(frozen=True, slots=True)
class Extend:
    """Fields added to a message declared elsewhere, whose name is as written."""

    name: str
    fields: tuple[Field, ...]
    at: int = -1


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `visibility` is empty, `export` or `local`."""

    name: str
    body: tuple[Declaration, ...]
    visibility: str = ""
    at: int = -1

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its own fields, without those of its oneofs."""
        return tuple(item for item in self.body if isinstance(item, Field))

    @property
    def oneofs(self) -> tuple[OneOf, ...]:
        """Its oneofs, as far as they are written."""
        return tuple(item for item in self.body if isinstance(item, OneOf))

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages declared in it, without those of groups."""
        return tuple(item for item in self.body if isinstance(item, Message))

    @property
    def enums(self) -> tuple[Enum, ...]:
        """The enums declared in it."""
        return tuple(item for item in self.body if isinstance(item, Enum))

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options."""
        return tuple(item for item in self.body if isinstance(item, Option))

    @property
    def reserved(self) -> tuple[Reserved, ...]:
        """What its fields may not be."""
        return tuple(item for item in self.body if isinstance(item, Reserved))

    @property
    def extensions(self) -> tuple[Extensions, ...]:
        """The numbers it leaves to extensions."""
        return tuple(item for item in self.body if isinstance(item, Extensions))

    @property
    def extends(self) -> tuple[Extend, ...]:
        """The extensions declared in it."""
        return tuple(item for item in self.body if isinstance(item, Extend))

    @property
    def is_map_entry(self) -> bool:
        """Whether it stands for the entries of a map, as in texts made of descriptors: key, value and the option."""
        return len(self.body) == 3 and any(
            isinstance(item, Option) and item.name == "map_entry" and item.value == "true" for item in self.body
        )

    def all_fields(self) -> Iterator[tuple[Field, OneOf | None]]:
        """Yield every field in the order of the text, with the oneof it is in."""
        for item in self.body:
            if isinstance(item, Field):
                yield item, None
            elif isinstance(item, OneOf):
                for field in item.body:
                    if isinstance(field, Field):
                        yield field, item


@dataclass(frozen=True, slots=True)
class Rpc:
    """A method of a service; the types as written."""

    name: str
    request: str
    response: str
    client_streams: bool = False
    server_streams: bool = False
    options: tuple[Option, ...] = ()
    at: int = -1


@dataclass(frozen=True, slots=True)
class Service:
    """A service."""

    name: str
    body: tuple[Rpc | Option, ...]
    at: int = -1

    @property
    def rpcs(self) -> tuple[Rpc, ...]:
        """Its methods."""
        return tuple(item for item in self.body if isinstance(item, Rpc))

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options."""
        return tuple(item for item in self.body if isinstance(item, Option))


Declaration: TypeAlias = Field | OneOf | Message | Enum | Extend | Extensions | Reserved | Option
TopLevel: TypeAlias = Message | Enum | Extend | Service | Option


@dataclass(frozen=True, slots=True)
class File:
    """A whole file. `syntax` is empty where none is written, `proto2`, `proto3`, or the edition, as `2023`."""

    syntax: str
    package: str
    imports: tuple[Import, ...]
    body: tuple[TopLevel, ...]
    at: int = -1
    """Where the package is declared."""

    @property
    def is_edition(self) -> bool:
        """Whether it has an edition in the place of a syntax."""
        return self.syntax not in ("", "proto2", "proto3")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages at the top."""
        return tuple(item for item in self.body if isinstance(item, Message))

    @property
    def enums(self) -> tuple[Enum, ...]:
        """The enums at the top."""
        return tuple(item for item in self.body if isinstance(item, Enum))

    @property
    def extends(self) -> tuple[Extend, ...]:
        """The extensions at the top."""
        return tuple(item for item in self.body if isinstance(item, Extend))

    @property
    def services(self) -> tuple[Service, ...]:
        """The services."""
        return tuple(item for item in self.body if isinstance(item, Service))

    @property
    def options(self) -> tuple[Option, ...]:
        """The options of the file."""
        return tuple(item for item in self.body if isinstance(item, Option))
