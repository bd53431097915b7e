"""URIs as JSON Schema joins them (RFC 3986, section 5.2), of every scheme and of none. Only text is looked at."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

LONGEST: Final = 8192
"""Characters of a URI that is worked on."""

# RFC 3986, appendix B
_PARTS: Final = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


class _Uri(NamedTuple):
    scheme: str | None
    authority: str | None
    path: str
    query: str | None

    def text(self) -> str:
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        authority = "" if self.authority is None else f"//{self.authority}"
        query = "" if self.query is None else f"?{self.query}"
        return f"{scheme}{authority}{self.path}{query}"


def split(reference: str) -> tuple[str, str]:
    """Return a reference without its fragment, and the fragment, percent-decoded."""
    uri, _, fragment = reference.partition("#")
    return uri, unquote(fragment)


def join(base: str, reference: str) -> str:
    """Return what a reference means at a base, without its fragment; the base may be empty or relative."""
    there = _parse(reference)
    if there.scheme is not None:
        return there._replace(path=_straight(there.path)).text()
    here = _parse(base)
    if there.authority is not None:
        return there._replace(scheme=here.scheme, path=_straight(there.path)).text()
    if not there.path:
        return here._replace(query=there.query if there.query is not None else here.query).text()
    if there.path.startswith("/"):
        path = there.path
    elif here.authority is not None and not here.path:
        path = f"/{there.path}"
    else:
        path = here.path[: here.path.rfind("/") + 1] + there.path
    return here._replace(path=_straight(path), query=there.query).text()


def pointer(fragment: str) -> list[str]:
    """Return the steps of a JSON pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in fragment.split("/")[1:]]


def _parse(text: str) -> _Uri:
    found = _PARTS.fullmatch(text)
    if found is None:  # the expression matches every text
        raise AssertionError(text)
    scheme, authority, path, query, _ = found.groups()
    return _Uri(scheme, authority, path, query)


def _straight(path: str) -> str:
    if "." not in path:
        return path
    steps: list[str] = []
    parts = path.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "." or (part == ".." and not steps):
            if last:
                steps.append("")
        elif part == "..":
            if steps != [""]:
                steps.pop()
            if last:
                steps.append("")
        else:
            steps.append(part)
    return "/".join(steps)
