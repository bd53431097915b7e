"""Kubernetes' own CEL types: quantities, URLs, IP addresses and CIDR blocks."""

from __future__ import annotations

import ipaddress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from kopfka_local.api import quantity
from kopfka_local.api.cel.values import CelError, bounded

if TYPE_CHECKING:
    from collections.abc import Callable


class Quantity:
    """An amount such as `10Gi`."""

    __slots__ = ("amount",)
    cel_type = "kubernetes.Quantity"

    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)


class Url:
    """An absolute URL or path."""

    __slots__ = ("parts", "text")
    cel_type = "kubernetes.URL"

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = urlsplit(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def _parsed(text: Any) -> Quantity:
    if not isinstance(text, str):
        raise TypeError
    return Quantity(quantity.parse(text))


def _is(parse: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def test(text: Any) -> bool:
        if not isinstance(text, str):
            raise TypeError
        try:
            parse(text)
        except (ValueError, CelError):
            return False
        return True

    return test


def _url(text: Any) -> Url:
    if not isinstance(text, str):
        raise TypeError
    url = Url(text)
    if not (url.parts.scheme and url.parts.netloc) and not text.startswith("/"):
        raise CelError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return url


def _address(text: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if not isinstance(text, str):
        raise TypeError
    if "%" in text or text.lower().startswith("::ffff:"):
        raise CelError(f"IP Address {text!r} is not plain")
    return ipaddress.ip_address(text)


def _block(text: Any) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if not isinstance(text, str) or "/" not in text:
        raise ValueError(f"invalid CIDR address: {text}")
    return ipaddress.ip_interface(text)


def _amount(value: Any) -> Decimal:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else Decimal(value.amount)


def _sign(value: Quantity) -> int:
    return (value.amount > 0) - (value.amount < 0)


def _is_integer(value: Quantity) -> bool:
    return value.amount == value.amount.to_integral_value() and abs(value.amount) < 2**63


def _as_integer(value: Quantity) -> int:
    if not _is_integer(value):
        raise CelError("cannot convert value to integer")
    return bounded(int(value.amount), unsigned=False)


def _compare(left: Quantity, right: Quantity) -> int:
    return (left.amount > right.amount) - (left.amount < right.amount)


def _contains_block(outer: Any, inner: Any) -> bool:
    block = _block(inner) if isinstance(inner, str) else inner
    return block.version == outer.version and bool(block.network.subnet_of(outer.network))


def _contains_address(outer: Any, inner: Any) -> bool:
    return (_address(inner) if isinstance(inner, str) else inner) in outer.network


def _query(url: Url) -> dict[str, list[str]]:
    return parse_qs(url.parts.query, keep_blank_values=True)


FREE: dict[str, Callable[..., Any]] = {
    "quantity": _parsed,
    "isQuantity": _is(_parsed),
    "url": _url,
    "isURL": _is(_url),
    "ip": _address,
    "isIP": _is(_address),
    "cidr": _block,
    "isCIDR": _is(_block),
}

METHODS: dict[str, Callable[..., Any]] = {
    "sign": _sign,
    "isInteger": _is_integer,
    "asInteger": _as_integer,
    "asApproximateFloat": lambda value: float(value.amount),
    "compareTo": _compare,
    "isGreaterThan": lambda left, right: left.amount > right.amount,
    "isLessThan": lambda left, right: left.amount < right.amount,
    "add": lambda left, right: Quantity(left.amount + _amount(right)),
    "sub": lambda left, right: Quantity(left.amount - _amount(right)),
    "getScheme": lambda url: url.parts.scheme,
    "getHost": lambda url: url.parts.netloc.rpartition("@")[2],
    "getHostname": lambda url: url.parts.hostname or "",
    "getPort": lambda url: str(url.parts.port or ""),
    "getEscapedPath": lambda url: url.parts.path,
    "getQuery": _query,
    "family": lambda address: address.version,
    "isUnspecified": lambda address: address.is_unspecified,
    "isLoopback": lambda address: address.is_loopback,
    "isLinkLocalUnicast": lambda address: address.is_link_local,
    "isLinkLocalMulticast": lambda address: address.is_multicast and str(address).startswith(("224.0.0.", "ff02:")),
    "isGlobalUnicast": lambda address: (
        not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)
    ),
    "containsIP": _contains_address,
    "containsCIDR": _contains_block,
    "prefixLength": lambda block: block.network.prefixlen,
    "masked": lambda block: ipaddress.ip_interface(block.network),
    "ip": lambda block: block.ip,
}

NAMESPACES: dict[tuple[str, str], Callable[..., Any]] = {
    ("ip", "isCanonical"): lambda text: str(_address(text)) == text,
}
