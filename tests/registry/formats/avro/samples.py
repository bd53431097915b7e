"""Random Avro schemas, what they become over time, and data of them as bytes: for tests against other software."""

from __future__ import annotations

import copy
import json
import struct
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
LOGICAL: Final = (
    {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "string", "logicalType": "uuid"},
    {"type": "string", "logicalType": "date"},
)
SPACES: Final = (None, "a", "a.b")
_MOST_FIELDS: Final = 4


seeds: Final = st.integers(0, 2**64 - 1)
"""What to make a `Random` of: evenly spread choices find more than those a shrinking search would make."""


def made(random: Random) -> Any:
    """Return a valid schema, as JSON."""
    return _Maker(random).schema()


def pair(random: Random) -> tuple[Any, Any]:
    """Return a schema and what it became; the second may be no valid schema."""
    old = made(random)
    new = copy.deepcopy(old)
    for _ in range(random.randint(1, 4)):
        new = evolved(new, random)
    return old, new


class _Maker:
    """Makes one schema."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names: dict[str, Any] = {}
        """Types that may be named, by full name."""
        self._open: set[str] = set()

    def schema(self) -> Any:
        return self._record(None, 3) if self._random.random() < 0.7 else self._type(None, 3)

    def _type(self, space: str | None, levels: int, *, union: bool = True) -> Any:
        pick = self._random.random()
        if self._names and pick < 0.15:
            return self._reference(space)
        if levels == 0 or pick < 0.45:
            return self._random.choice([*PRIMITIVES, *LOGICAL])
        makers: list[Callable[[], Any]] = [
            lambda: self._record(space, levels - 1),
            lambda: self._enum(space),
            lambda: self._fixed(space),
            lambda: {"type": "array", "items": self._type(space, levels - 1)},
            lambda: {"type": "map", "values": self._type(space, levels - 1)},
        ]
        if union:
            makers += [lambda: self._union(space, levels - 1)] * 2
        return self._random.choice(makers)()

    def _reference(self, space: str | None) -> str:
        full = self._random.choice(sorted(self._names))
        own, _, simple = full.rpartition(".")
        # the null namespace cannot be named from another one
        if not own and space is not None:
            return "string"
        return simple if own == (space or "") and self._random.random() < 0.7 else full

    def _named(self, kind: str, space: str | None) -> tuple[dict[str, Any], str | None]:
        simple = f"{kind[0].upper()}{len(self._names) + len(self._open)}"
        made: dict[str, Any] = {"type": kind, "name": simple}
        if self._random.random() < 0.4:
            own = self._random.choice(SPACES)
            if own is None or self._random.random() < 0.5:
                made["namespace"] = own or ""
            else:
                made["name"] = f"{own}.{simple}"
            space = own
        if self._random.random() < 0.2:
            made["doc"] = self._random.choice(["", "what it is", 'with "quotes" and\nlines'])
        if self._random.random() < 0.2:
            made["aliases"] = self._random.sample(["Old", "Older", "b.Old", "a.R1"], self._random.randint(0, 3))
        if self._random.random() < 0.2:
            made["owner"] = self._random.choice(["us", 1, 1.5, None, [True], {"z": 1, "a": {"y": 2, "b": 3}}])
        return made, space

    def _full(self, made: dict[str, Any], space: str | None) -> str:
        simple = made["name"].rpartition(".")[2]
        return f"{space}.{simple}" if space else simple

    def _record(self, space: str | None, levels: int) -> Any:
        made, space = self._named("record", space)
        full = self._full(made, space)
        self._open.add(full)
        made["fields"] = [self._field(i, space, levels) for i in range(self._random.randint(0, _MOST_FIELDS))]
        self._open.discard(full)
        self._names[full] = made
        if self._random.random() < 0.3:
            # within itself, where it may end
            made["fields"].append({"name": "next", "type": ["null", full], "default": None})
        return made

    def _field(self, i: int, space: str | None, levels: int) -> Any:
        field: dict[str, Any] = {"name": f"f{i}", "type": self._type(space, levels)}
        if self._random.random() < 0.5:
            default = self._default(field["type"], space)
            if default is not _NONE:
                field["default"] = default
        if self._random.random() < 0.2:
            field["aliases"] = [self._random.choice(["f9", "g1", "g2"])]
        if self._random.random() < 0.2:
            field["order"] = self._random.choice(["ascending", "descending", "IGNORE"])
        if self._random.random() < 0.2:
            field["doc"] = "a field"
        if self._random.random() < 0.2:
            field["confluent:tags"] = ["PII"]
        return field

    def _enum(self, space: str | None) -> Any:
        made, space = self._named("enum", space)
        made["symbols"] = self._random.sample(["A", "B", "C", "D"], self._random.randint(1, 4))
        if self._random.random() < 0.4:
            made["default"] = self._random.choice(made["symbols"])
        self._names[self._full(made, space)] = made
        return made

    def _fixed(self, space: str | None) -> Any:
        made, space = self._named("fixed", space)
        made["size"] = self._random.choice([0, 1, 4, 12, 16])
        if self._random.random() < 0.3:
            made |= {"logicalType": "decimal", "precision": 3}
        self._names[self._full(made, space)] = made
        return made

    def _union(self, space: str | None, levels: int) -> Any:
        branches: list[Any] = []
        seen: set[str] = set()
        for _ in range(self._random.randint(1, 4)):
            before = dict(self._names)
            branch = self._type(space, levels, union=False)
            key = _key(branch, space)
            if key in seen:
                # what was defined in it is not
                self._names = before
            else:
                seen.add(key)
                branches.append(branch)
        return branches

    def _default(self, of: Any, space: str | None) -> Any:
        match of:
            case list():
                return self._default(of[0], space) if of else _NONE
            case str() if of in PRIMITIVES:
                return self._random.choice(_DEFAULTS[of])
            case str():
                full = of if "." in of or not space else f"{space}.{of}"
                return self._default(self._names[full], None) if full in self._names else _NONE
        match of["type"]:
            case "array":
                return []
            case "map":
                return {}
            case "enum":
                return of["symbols"][0]
            case "fixed":
                return "\x01" * of["size"]
            case "record":
                return {} if all("default" in field for field in of["fields"]) else _NONE
            case kind:
                return self._default(kind, space)


_NONE: Final = object()
_DEFAULTS: Final[dict[str, list[Any]]] = {
    "null": [None],
    "boolean": [True, False],
    "int": [0, -1, 2**31 - 1],
    "long": [0, 2**40],
    "float": [0, 1.5, 0.1],
    "double": [1, -2.25, 1e10, 1.5e-7],
    "bytes": ["", "\x00ÿ"],
    "string": ["", "ä\u2028\x1f/\\"],
}


def _key(of: Any, space: str | None) -> str:
    """Return what tells a branch of a union from others."""
    if isinstance(of, str):
        return of if of in PRIMITIVES or "." in of or not space else f"{space}.{of}"
    if "name" not in of:
        return str(of["type"])
    name, own = of["name"], of.get("namespace", space)
    return name if "." in name or not own else f"{own}.{name}"


def evolved(schema: Any, random: Random) -> Any:
    """Return a schema after one change to it or in it; the change may make it invalid. The given one is used up."""
    holder = {"type": schema}
    all_places = list(places(holder, "type"))
    named = [(owner, key) for owner, key in all_places if "name" in owner[key] and isinstance(owner[key], dict)]
    owner, key = random.choice(named if named and random.random() < 0.7 else all_places)
    owner[key] = _changed(owner[key], random)
    return holder["type"]


def fields(schema: Any) -> list[dict[str, Any]]:
    """Return all fields in a schema."""
    found = [owner[key] for owner, key in places({"type": schema}, "type")]
    return [field for each in found if isinstance(each, dict) for field in each.get("fields", ())]


def places(owner: Any, key: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where types stand in the one at `owner[key]`: an object or list, and the key or index."""
    yield owner, key
    of = owner[key]
    if isinstance(of, list):
        for i in range(len(of)):
            yield from places(of, i)
    elif isinstance(of, dict):
        for part in ("items", "values"):
            if part in of:
                yield from places(of, part)
        for field in of.get("fields", ()):
            yield from places(field, "type")


def _changed(of: Any, random: Random) -> Any:
    if isinstance(of, list):
        return _changed_union(of, random)
    if isinstance(of, str) or "name" not in of:
        return _changed_plain(of, random)
    made: list[Callable[[dict[str, Any], Random], None]] = [_renamed]
    match of["type"]:
        case "enum":
            made += [_changed_symbols] * 3
        case "fixed":
            made += [lambda o, r: o.update(size=r.choice([1, 4, 8]))]
        case "record":
            made += [_added_field, _removed_field, _renamed_field, _changed_default, _shuffled]
    if random.random() < 0.1:
        return _changed_plain(of, random)
    random.choice(made)(of, random)
    return of


def _changed_plain(of: Any, random: Random) -> Any:
    pick = random.random()
    if pick < 0.4 and isinstance(of, str):
        return random.choice(PRIMITIVES)
    if pick < 0.7:
        return ["null", of]
    if pick < 0.8:
        return {"type": "array", "items": of}
    return random.choice([*PRIMITIVES, *LOGICAL])


def _changed_union(of: list[Any], random: Random) -> Any:
    pick = random.random()
    if pick < 0.3 and of:
        return random.choice(of)
    if pick < 0.6 and len(of) > 1:
        del of[random.randrange(len(of))]
    elif pick < 0.8:
        of.insert(random.randint(0, len(of)), random.choice(PRIMITIVES))
    else:
        random.shuffle(of)
    return of


def _renamed(of: dict[str, Any], random: Random) -> None:
    if random.random() < 0.5:
        if "." not in of["name"]:
            of["namespace"] = random.choice(["a", "c"])
        return
    old = of["name"]
    of["name"] = random.choice(["New", "Newer"])
    if random.random() < 0.6:
        of["aliases"] = [old]


def _changed_symbols(of: dict[str, Any], random: Random) -> None:
    of["symbols"] = random.sample(["A", "B", "C", "D", "E"], random.randint(1, 5))
    of.pop("default", None)
    if random.random() < 0.5:
        of["default"] = random.choice(of["symbols"])


def _added_field(of: dict[str, Any], random: Random) -> None:
    kind = random.choice(PRIMITIVES)
    field: dict[str, Any] = {"name": f"n{len(of['fields'])}", "type": kind}
    if random.random() < 0.6:
        field["default"] = random.choice(_DEFAULTS[kind])
    of["fields"].insert(random.randint(0, len(of["fields"])), field)


def _removed_field(of: dict[str, Any], random: Random) -> None:
    if of["fields"]:
        del of["fields"][random.randrange(len(of["fields"]))]


def _renamed_field(of: dict[str, Any], random: Random) -> None:
    if of["fields"]:
        field = random.choice(of["fields"])
        old, field["name"] = field["name"], random.choice(["g1", "g2", "f9"])
        if random.random() < 0.7:
            field["aliases"] = [old]


def _changed_default(of: dict[str, Any], random: Random) -> None:
    if of["fields"]:
        field = random.choice(of["fields"])
        if "default" in field:
            del field["default"]
        elif isinstance(field["type"], str) and field["type"] in PRIMITIVES:
            field["default"] = _DEFAULTS[field["type"]][0]


def _shuffled(of: dict[str, Any], random: Random) -> None:
    random.shuffle(of["fields"])


def text(schema: Any) -> str:
    """Return a schema as text."""
    return json.dumps(schema)


def datum(of: Any, named: dict[str, Any], random: Random, levels: int = 6) -> bytes:
    """Return random data of a schema, in Avro's binary encoding; `of` with full names, as fastavro parses it."""
    match of:
        case list():
            # recursion ends where there is a way out
            index = of.index("null") if levels <= 0 and "null" in of else random.randrange(len(of))
            return _long(index) + datum(of[index], named, random, levels - 1)
        case str() if of not in PRIMITIVES:
            return datum(named[of], named, random, levels)
        case dict():
            return _complex(of, named, random, levels)
    return _SCALARS[of](random)


def _complex(of: dict[str, Any], named: dict[str, Any], random: Random, levels: int) -> bytes:
    match of["type"]:
        case "record" | "error":
            return b"".join(datum(field["type"], named, random, levels - 1) for field in of["fields"])
        case "enum":
            return _long(random.randrange(len(of["symbols"])))
        case "fixed":
            return random.randbytes(of["size"])
        case "array" | "map":
            count = random.randint(0, 2) if levels > 0 else 0
            key = _string("k") if of["type"] == "map" else b""
            inner = of["items"] if of["type"] == "array" else of["values"]
            items = b"".join(key + datum(inner, named, random, levels - 1) for _ in range(count))
            return (_long(count) + items if count else b"") + _long(0)
        case kind:
            return datum(kind, named, random, levels)


def _long(value: int) -> bytes:
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _string(value: str) -> bytes:
    return _long(len(value.encode())) + value.encode()


_SCALARS: Final[dict[str, Callable[[Random], bytes]]] = {
    "null": lambda _: b"",
    "boolean": lambda random: bytes([random.randrange(2)]),
    "int": lambda random: _long(random.randint(-(2**31), 2**31 - 1)),
    "long": lambda random: _long(random.randint(-(2**63), 2**63 - 1)),
    "float": lambda random: struct.pack("<f", random.choice([0.0, 1.5, -2.0])),
    "double": lambda random: struct.pack("<d", random.choice([0.0, 1.5, -2.0])),
    # text too, since bytes are read as strings
    "bytes": lambda random: _string(random.choice(["", "abc", "ä"])),
    "string": lambda random: _string(random.choice(["", "abc", "ä"])),
}
