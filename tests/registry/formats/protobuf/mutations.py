"""Changes a `.proto` text a little: a word for another of it, a number, a statement left out or written twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[0-9][\w.]*|\s+|.', re.DOTALL)
_NUMBERS = ("0", "1", "2", "3", "7", "0x10", "017", "100", "19000", "536870911", "536870912", "2147483647")
_WORDS = ("message", "enum", "optional", "repeated", "required", "oneof", "map", "reserved", "extensions", "max",
          "group", "int32", "string", "bool", "float", "bytes", "option", "deprecated", "true", "default", "json_name",
          "packed", "stream", "features", "IMPLICIT", "EXPLICIT", "CLOSED", "DELIMITED", "export",
          "local")  # fmt: skip


def mutated(text: str, chance: random.Random) -> str:
    """Return the text with one or two changes."""
    tokens = _TOKEN.findall(text)
    for _ in range(chance.choice((1, 1, 2))):
        places = [place for place, token in enumerate(tokens) if not token.isspace()]
        place = chance.choice(places)
        ends = [end for end in places if tokens[end] in (";", "}")]
        if chance.random() < 0.6 or len(ends) < 3:
            tokens[place] = _other(tokens, places, tokens[place], chance)
            continue
        number = chance.randrange(len(ends) - 1)
        statement = tokens[ends[number] + 1 : ends[number + 1] + 1]
        if statement.count("{") != statement.count("}"):
            continue
        if chance.random() < 0.4:
            del tokens[ends[number] + 1 : ends[number + 1] + 1]
        else:
            end = chance.choice(ends)
            tokens[end + 1 : end + 1] = statement
    return "".join(tokens)


def _other(tokens: list[str], places: list[int], token: str, chance: random.Random) -> str:
    if token[0].isdigit():
        return chance.choice(_NUMBERS)
    if token[0].isalpha():
        words = [tokens[place] for place in places if tokens[place][0].isalpha()]
        return chance.choice([*words, *_WORDS] if chance.random() < 0.3 else words)
    return chance.choice(";{}[]=,.") if chance.random() < 0.3 else token
