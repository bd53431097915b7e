"""Reads options and what they are set to, also in the text format: `{ a: 1, [b.c] { d: "e" } }`.

What an option means is not asked here: see `options`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.errors import SchemaTooComplexError
from kopfka_registry.formats.contract import DEEPEST
from kopfka_registry.formats.protobuf.elements import Aggregate, Option
from kopfka_registry.formats.protobuf.refusal import RefusalError
from kopfka_registry.formats.protobuf.tokens import NUMBER, STRING, WORD

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.elements import Value
    from kopfka_registry.formats.protobuf.refusal import Steps
    from kopfka_registry.formats.protobuf.tokens import Tokens

_CLOSING = {"{": "}", "<": ">"}


def read_options(tokens: Tokens, steps: Steps) -> tuple[Option, ...]:
    """Read `[a = 1, (b).c = 2]` if it is there."""
    if not tokens.try_take("["):
        return ()
    options = [read_option(tokens, steps, tokens.at)]
    while tokens.try_take(","):
        options.append(read_option(tokens, steps, tokens.at))
    tokens.take("]")
    return tuple(options)


def read_option(tokens: Tokens, steps: Steps, at: int) -> Option:
    """Read `name = value`; `at` is where the statement starts."""
    steps.take()
    parts = [_name_part(tokens)]
    while tokens.try_take("."):
        parts.append(_name_part(tokens))
        if len(parts) > DEEPEST:
            raise SchemaTooComplexError(f"an option is nested deeper than {DEEPEST} levels")
    tokens.take("=")
    if tokens.kind in ("[", "<"):
        raise tokens.unexpected("a value")
    return Option(".".join(parts), _value(tokens, steps, 0), at)


def _name_part(tokens: Tokens) -> str:
    if tokens.try_take("("):
        name = tokens.path("the name of an extension")
        tokens.take(")")
        return f"({name})"
    return tokens.word("the name of an option")


def _value(tokens: Tokens, steps: Steps, depth: int) -> Value:
    kind = tokens.kind
    if kind == STRING:
        return tokens.string("a string")
    if kind in _CLOSING:
        return _aggregate(tokens, steps, depth + 1)
    if kind == "[":
        return _list(tokens, steps, depth + 1)
    sign = "-" if tokens.try_take("-") else ""
    if tokens.kind not in (WORD, NUMBER):
        raise tokens.unexpected("a value")
    text = tokens.text
    if sign and tokens.kind == WORD and text not in ("inf", "nan", "infinity"):
        raise RefusalError("after - only a number, inf or nan can stand", tokens.at)
    tokens.advance()
    return sign + text


def _aggregate(tokens: Tokens, steps: Steps, depth: int) -> Aggregate:
    if depth > DEEPEST:
        raise SchemaTooComplexError(f"an option is nested deeper than {DEEPEST} levels")
    closing = _CLOSING[tokens.kind]
    tokens.advance()
    entries: list[tuple[str, Value]] = []
    while not tokens.try_take(closing):
        steps.take()
        key = _extension(tokens) if tokens.kind == "[" else tokens.word("a field or the end of a message")
        if not tokens.try_take(":") and tokens.kind not in _CLOSING and tokens.kind != "[":
            raise tokens.unexpected('":"')
        entries.append((key, _value(tokens, steps, depth)))
        if tokens.kind in (",", ";"):
            tokens.advance()
    return Aggregate(tuple(entries))


def _extension(tokens: Tokens) -> str:
    tokens.advance()
    name = tokens.path("the name of an extension")
    if tokens.try_take("/"):
        name += "/" + tokens.path("the name of a message")
    tokens.take("]")
    return f"[{name}]"


def _list(tokens: Tokens, steps: Steps, depth: int) -> tuple[Value, ...]:
    tokens.advance()
    items: list[Value] = []
    while not tokens.try_take("]"):
        steps.take()
        if tokens.kind == "[":
            raise tokens.unexpected("a value")
        items.append(_value(tokens, steps, depth))
        if tokens.kind == "]":
            continue
        tokens.take(",")
        if tokens.kind == "]":
            raise tokens.unexpected("a value")
    return tuple(items)
