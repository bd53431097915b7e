"""Subscriptions to clients' metrics (KIP-714) as configs: `metrics`, `interval.ms`, `match`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.config.definitions import definitions
from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS: Final = "metrics"
INTERVAL: Final = "interval.ms"
MATCH: Final = "match"
SELECTORS: Final = frozenset(
    {
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    }
)
"""What of a client `match` may look at."""

_SHORTEST_MS, _LONGEST_MS = 100, 3_600_000


def check_subscription(name: str, settings: Mapping[str, str]) -> None:
    """Check a subscription as Kafka does.

    Raises:
        ApiError: its name is empty, a config unknown, malformed or out of bounds.
    """
    if not name:
        raise ApiError(ErrorCode.invalid_request, "Subscription name can't be empty")
    known = definitions().client_metrics
    for key in settings:
        if key not in known:
            raise ApiError(ErrorCode.invalid_request, f"Unknown client metrics configuration: {key}")
    try:
        values = {key: known[key].parse(text) for key, text in settings.items()}
        patterns(settings.get(MATCH, ""))
    except SettingsError as error:
        raise ApiError(ErrorCode.invalid_config, str(error)) from None
    interval = values.get(INTERVAL, _SHORTEST_MS)
    if not _SHORTEST_MS <= interval <= _LONGEST_MS:
        raise ApiError(
            ErrorCode.invalid_request,
            f"Invalid value {interval} for {INTERVAL}, interval must be between {_SHORTEST_MS} and {_LONGEST_MS} "
            "(1 hour)",
        )


def patterns(text: str) -> dict[str, re.Pattern[str]]:
    """Return what a value of `match` says: a regular expression a selector, to be matched as a whole.

    Raises:
        SettingsError: it says something else.
    """
    found = {}
    for entry in definitions().client_metrics[MATCH].parse(text):
        selector, equals, expression = entry.partition("=")
        try:
            if selector.strip() not in SELECTORS or not equals or "=" in expression:
                raise ValueError
            found[selector.strip()] = re.compile(expression.strip())
        except (ValueError, re.error):
            raise SettingsError(f"Illegal client matching pattern: {entry}") from None
    return found
