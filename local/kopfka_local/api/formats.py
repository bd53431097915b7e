"""String formats of OpenAPI schemas that Kubernetes checks; unknown formats are not checked, as there."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*|0")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_HOST = re.compile(r"(?i)(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*|/\S*")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


def is_valid(format_: str, value: str) -> bool:
    """Tell whether a text has a format."""
    check = _FORMATS.get(format_)
    return check is None or check(value)


def _date_time(value: str) -> bool:
    return bool(_TIME.fullmatch(value)) and _parses(
        lambda: datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    )


def _bytes(value: str) -> bool:
    return _parses(lambda: base64.b64decode(value, validate=True))


def _ip(version: int) -> Callable[[str], bool]:
    return lambda value: _parses(lambda: (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(value))


def _parses(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (ValueError, binascii.Error):
        return False
    return True


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": lambda value: len(value) == 10 and _parses(lambda: date.fromisoformat(value)),
    "duration": lambda value: bool(_DURATION.fullmatch(value)),
    "byte": _bytes,
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "cidr": lambda value: "/" in value and _parses(lambda: ipaddress.ip_network(value, strict=False)),
    "uuid": lambda value: bool(_UUID.fullmatch(value)),
    "hostname": lambda value: bool(_HOST.fullmatch(value)),
    "email": lambda value: bool(_EMAIL.fullmatch(value)),
    "uri": lambda value: bool(_URI.fullmatch(value)),
}
