"""DescribeClientQuotas and AlterClientQuotas (KIP-546). Validation and words are Kafka's."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import MESSAGES, may
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.authorizer import Operation
from kopfka_broker.security.quotas import CLIENT_ID, DEFAULT, ENTITY_TYPES, IP, USER, QuotaKey
from kopfka_broker.storage import StorageError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_broker.security.quotas import Entity
    from kopfka_wire.codec import Codec

_EXACT, _DEFAULT, _ANY = range(3)
_OF_CLIENTS = {
    QuotaKey.PRODUCER_BYTE_RATE: "LONG",
    QuotaKey.CONSUMER_BYTE_RATE: "LONG",
    QuotaKey.REQUEST_PERCENTAGE: "DOUBLE",
    QuotaKey.CONTROLLER_MUTATION_RATE: "DOUBLE",
}
_OF_ADDRESSES = {QuotaKey.CONNECTION_CREATION_RATE: "INT"}
_LARGEST = {"LONG": 2**63 - 1, "INT": 2**31 - 1}


class QuotaApis:
    """Handlers over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    # -- DescribeClientQuotas -----------------------------------------------------------------------------------------

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeClientQuotas."""
        form = codec(context.api_key, context.api_version)
        if not may(self._cluster, context, Operation.DESCRIBE_CONFIGS):
            return form.make(error_code=ErrorCode.cluster_authorization_failed, error_message=None, entries=None)
        try:
            matchers = _matchers(request.components)
        except ApiError as error:
            return form.make(error_code=error.code, error_message=error.message, entries=None)
        entries = []
        for entity, values in self._cluster.quotas.quotas.items():
            names = dict(entity)
            if request.strict and names.keys() != matchers.keys():
                continue
            if all(kind in names and matches(names[kind]) for kind, matches in matchers.items()):
                entries.append(
                    form.make(
                        "EntryData",
                        entity=_entity(form, names),
                        values=tuple(form.make("ValueData", key=key, value=value) for key, value in values.items()),
                    )
                )
        return form.make(error_code=ErrorCode.none, error_message="", entries=tuple(entries))

    # -- AlterClientQuotas --------------------------------------------------------------------------------------------

    async def alter(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterClientQuotas: each entity on its own, all of its changes or none."""
        form = codec(context.api_key, context.api_version)
        outcome: dict[Entity, ApiError | None] = {}
        order: dict[Entity, dict[str, str]] = {}
        if not may(self._cluster, context, Operation.ALTER_CONFIGS):
            code = ErrorCode.cluster_authorization_failed
            for each in request.entries:
                entity, names = _named(each)
                order[entity], outcome[entity] = names, ApiError(code, MESSAGES[code])
            return _altered(form, order, outcome)
        changes: list[tuple[Entity, Any]] = []
        for each in request.entries:
            entity, names = _named(each)
            keys = [op.key for op in each.ops]
            if entity in outcome or len(set(keys)) < len(keys):
                # of two changes Kafka makes the first, and says that it ignores the second
                outcome[entity] = ApiError(
                    ErrorCode.invalid_request, f"Ignoring duplicate entity ClientQuotaEntity(entries={_shown(names)})"
                )
                order.setdefault(entity, names)
                continue
            order[entity], outcome[entity] = names, None
            try:
                await _check(names, each.ops)
                changes.append((entity, each.ops))
            except ApiError as error:
                outcome[entity] = error
        if changes and not request.validate_only:
            try:
                self._change(changes)
            except StorageError as error:
                outcome |= {entity: ApiError(ErrorCode.unknown_server_error, str(error)) for entity, _ in changes}
        return _altered(form, order, outcome)

    def _change(self, changes: list[tuple[Entity, Any]]) -> None:
        quotas = dict(self._cluster.quotas.quotas)
        for entity, ops in changes:
            values = dict(quotas.get(entity, {}))
            for op in ops:
                if op.remove:
                    values.pop(op.key, None)
                else:
                    values[op.key] = op.value
            quotas[entity] = values
        self._cluster.quotas.change(quotas)


def _matchers(components: Any) -> dict[str, Callable[[str], bool]]:
    """Return what the name of each type must be like.

    Raises:
        ApiError: the filter makes no sense.
    """
    matchers: dict[str, Callable[[str], bool]] = {}
    for each in components:
        kind, match = each.entity_type, each.match
        if not kind:
            raise ApiError(ErrorCode.invalid_request, "Invalid empty entity type.")
        if kind in matchers:
            raise ApiError(ErrorCode.invalid_request, f"Entity type {kind} cannot appear more than once in the filter.")
        if kind not in ENTITY_TYPES:
            raise ApiError(ErrorCode.unsupported_version, f"Unsupported entity type {kind}")
        if each.match_type == _EXACT:
            if match is None:
                raise ApiError(
                    ErrorCode.invalid_request, "Request specified MATCH_TYPE_EXACT, but set match string to null."
                )
            matchers[kind] = lambda name, match=match: bool(name) and name == match  # type: ignore[misc]
            continue
        if each.match_type not in (_DEFAULT, _ANY):
            raise ApiError(ErrorCode.invalid_request, f"Unknown match type {each.match_type}")
        if match is not None:
            which = "DEFAULT" if each.match_type == _DEFAULT else "SPECIFIED"
            raise ApiError(
                ErrorCode.invalid_request,
                f"Request specified MATCH_TYPE_{which}, but also specified a match string.",
            )
        matchers[kind] = (lambda name: name == DEFAULT) if each.match_type == _DEFAULT else (lambda _: True)
    if IP in matchers and len(matchers) > 1:
        raise ApiError(
            ErrorCode.invalid_request,
            "Invalid entity filter component combination. IP filter component should not be used with user or "
            "clientId filter component.",
        )
    return matchers


def _named(entry: Any) -> tuple[Entity, dict[str, str]]:
    """Return whom an entry is for; of two names of one type the last counts, as in the map Kafka makes of them.

    An empty name is told apart from null by a name nobody can have, until it is refused.
    """
    names = {
        part.entity_type: DEFAULT if part.entity_name is None else part.entity_name or _EMPTY for part in entry.entity
    }
    return frozenset(names.items()), names


_EMPTY = "\0"


async def _check(names: dict[str, str], ops: Any) -> None:
    """Check a change of one entity.

    Raises:
        ApiError: it cannot be made.
    """
    if not names:
        raise ApiError(ErrorCode.invalid_request, "Invalid empty client quota entity")
    for kind, name in names.items():
        if kind not in ENTITY_TYPES:
            raise ApiError(ErrorCode.invalid_request, f"Unhandled client quota entity type: {kind}")
        if name == _EMPTY:
            raise ApiError(ErrorCode.invalid_request, f"Empty {kind} not supported")
    if IP in names:
        if USER in names or CLIENT_ID in names:
            raise ApiError(
                ErrorCode.invalid_request,
                "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
            )
        if names[IP] != DEFAULT and not await _resolves(names[IP]):
            raise ApiError(ErrorCode.invalid_request, f"{names[IP]} is not a valid IP or resolvable host.")
    kinds: dict[QuotaKey, str] = _OF_ADDRESSES if IP in names else _OF_CLIENTS
    for op in ops:
        if not op.remove:
            _check_value(kinds, op.key, op.value)


def _check_value(kinds: dict[QuotaKey, str], key: str, value: float) -> None:
    kind = next((kind for known, kind in kinds.items() if known == key), None)
    if kind is None:
        raise ApiError(ErrorCode.invalid_request, f"Invalid configuration key {key}")
    if value <= 0:
        raise ApiError(ErrorCode.invalid_request, f"Quota {key} must be greater than 0")
    if kind == "DOUBLE" or math.isnan(value):
        return
    if value > _LARGEST[kind]:
        article = "an" if kind == "INT" else "a"
        raise ApiError(ErrorCode.invalid_request, f"Proposed value for {key} is too large for {article} {kind}.")
    if value != int(value):
        raise ApiError(ErrorCode.invalid_request, f"{key} cannot be a fractional value.")


async def _resolves(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        try:
            await asyncio.get_running_loop().getaddrinfo(name, None)
        except (socket.gaierror, UnicodeError):
            return False
    return True


def _shown(names: dict[str, str]) -> str:
    return "{" + ", ".join(f"{kind}={name or 'null'}" for kind, name in names.items()) + "}"


def _entity(form: Codec, names: dict[str, str]) -> tuple[Any, ...]:
    return tuple(
        form.make("EntityData", entity_type=kind, entity_name="" if name == _EMPTY else name or None)
        for kind, name in names.items()
    )


def _altered(form: Codec, order: dict[Entity, dict[str, str]], outcome: dict[Entity, ApiError | None]) -> Any:
    return form.make(
        entries=tuple(
            form.make(
                "EntryData",
                error_code=error.code if error else ErrorCode.none,
                error_message=error.message if error else None,
                entity=_entity(form, order[entity]),
            )
            for entity, error in outcome.items()
        )
    )
