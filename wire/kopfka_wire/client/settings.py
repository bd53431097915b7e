"""A client's settings, read from Kafka's own client config names; also librdkafka's where those are what users have.

Names that Kafka's clients know and this one has no use for are accepted, unknown ones are refused. Durations become
seconds here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a connection to a cluster takes; every duration in seconds."""

    bootstrap: tuple[tuple[str, int], ...]
    """`bootstrap.servers`: hosts and ports, as written (not yet resolved)."""
    client_id: str = "kopfka"


def client_settings(config: Mapping[str, str], *, client_id: str = "kopfka") -> ClientSettings:
    """Read settings by Kafka's names; `client_id` stands where `client.id` is not set.

    Raises:
        SettingsError: a name is unknown, or a value malformed, missing or contradicting another; it names the setting.
    """
    raise NotImplementedError
