"""Which topic names Kafka takes, and the names of its own topics."""

from __future__ import annotations

from typing import Final

_LONGEST = 249
_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")

INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
"""Topics that belong to a coordinator; clients cannot write to them."""


def topic_name_fault(name: str) -> str | None:
    """Return what is wrong with a topic name, in Kafka's words, or None."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > _LONGEST:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length {_LONGEST}"
    if not _LEGAL.issuperset(name):
        return (
            f"Topic name is invalid: '{name}' contains one or more characters other than "
            "ASCII alphanumerics, '.', '_' and '-'"
        )
    return None


def is_topic_name(name: str) -> bool:
    """Tell whether a topic may be called so."""
    return topic_name_fault(name) is None


def colliding(name: str) -> str:
    """Return what two names have in common that would collide in metrics (Kafka refuses the second)."""
    return name.replace(".", "_")
