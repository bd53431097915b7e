"""DescribeAcls, CreateAcls and DeleteAcls over the cluster's authorizer. Validation and words are Kafka's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import require
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.acls import Acl, AclFilter, PatternType, Permission
from kopfka_broker.security.authorizer import CLUSTER_NAME, Operation, ResourceType
from kopfka_broker.security.standard_authorizer import StandardAuthorizer
from kopfka_broker.storage import StorageError
from kopfka_wire.codec import codec
from kopfka_wire.errors import MalformedMessageError

if TYPE_CHECKING:
    import enum

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext

Number = TypeVar("Number", bound="enum.IntEnum")


class AclApis:
    """Handlers over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def describe_acls(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeAcls."""
        form = codec(context.api_key, context.api_version)
        wanted = _filter(request)
        try:
            require(self._cluster, context, Operation.DESCRIBE)
            authorizer = self._authorizer("No Authorizer is configured on the broker")
        except ApiError as error:
            return form.make(error_code=error.code, error_message=error.message, resources=())
        patterns: dict[tuple[ResourceType, str, PatternType], list[Acl]] = {}
        for acl in authorizer.acls.matching(wanted):
            patterns.setdefault((acl.resource_type, acl.name, acl.pattern_type), []).append(acl)
        resources = tuple(
            form.make(
                "DescribeAclsResource",
                resource_type=resource_type,
                resource_name=name,
                pattern_type=pattern_type,
                acls=tuple(
                    form.make(
                        "AclDescription",
                        principal=acl.principal,
                        host=acl.host,
                        operation=acl.operation,
                        permission_type=acl.permission,
                    )
                    for acl in acls
                ),
            )
            for (resource_type, name, pattern_type), acls in patterns.items()
        )
        return form.make(error_code=ErrorCode.none, error_message="", resources=resources)

    async def create_acls(self, request: Any, context: RequestContext) -> Any:
        """Answer CreateAcls: each on its own, all that are valid kept at once."""
        form = codec(context.api_key, context.api_version)
        bindings = [_binding(each) for each in request.creations]
        errors: dict[int, ApiError] = {}
        valid: list[Acl] = []
        try:
            require(self._cluster, context, Operation.ALTER)
            authorizer = self._authorizer("No Authorizer is configured.")
            for place, acl in enumerate(bindings):
                _check_no_filter(acl)
                try:
                    _check_new(acl)
                    valid.append(acl)
                except ApiError as error:
                    errors[place] = error
            try:
                authorizer.add(valid)
            except StorageError as error:
                raise ApiError(ErrorCode.unknown_server_error, str(error)) from error
        except ApiError as error:
            errors = dict.fromkeys(range(len(bindings)), error)
        return form.make(
            results=tuple(
                form.make("AclCreationResult", **_told(errors.get(place), otherwise=""))
                for place in range(len(bindings))
            )
        )

    async def delete_acls(self, request: Any, context: RequestContext) -> Any:
        """Answer DeleteAcls: whatever a filter means is gone when this answers."""
        form = codec(context.api_key, context.api_version)
        filters = [_filter(each) for each in request.filters]
        errors = [_filter_fault(each) for each in filters]
        found: list[list[Acl]] = [[] for _ in filters]
        try:
            require(self._cluster, context, Operation.ALTER)
            authorizer = self._authorizer("No Authorizer is configured.")
            meant = [
                [] if error else authorizer.acls.matching(each) for each, error in zip(filters, errors, strict=True)
            ]
            try:
                authorizer.remove(acl for acls in meant for acl in acls)
            except StorageError as error:
                raise ApiError(ErrorCode.unknown_server_error, str(error)) from error
            found = meant
        except ApiError as error:
            errors = [error] * len(filters)
        return form.make(
            filter_results=tuple(
                form.make(
                    "DeleteAclsFilterResult",
                    **_told(error),
                    matching_acls=tuple(
                        form.make(
                            "DeleteAclsMatchingAcl",
                            **_told(None),
                            resource_type=acl.resource_type,
                            resource_name=acl.name,
                            pattern_type=acl.pattern_type,
                            principal=acl.principal,
                            host=acl.host,
                            operation=acl.operation,
                            permission_type=acl.permission,
                        )
                        for acl in acls
                    ),
                )
                for acls, error in zip(found, errors, strict=True)
            )
        )

    def _authorizer(self, otherwise: str) -> StandardAuthorizer:
        authorizer = self._cluster.authorizer
        if not isinstance(authorizer, StandardAuthorizer):
            raise ApiError(ErrorCode.security_disabled, otherwise)
        return authorizer


def _told(error: ApiError | None, otherwise: str | None = None) -> dict[str, Any]:
    if error is None:
        return {"error_code": ErrorCode.none, "error_message": otherwise}
    return {"error_code": error.code, "error_message": error.message}


def _number(kind: type[Number], value: int) -> Number:
    """Return a number's meaning, or that it has none.

    Raises:
        MalformedMessageError: it says itself that it has none; Kafka takes such a request for no request at all.
    """
    if value == 0:
        raise MalformedMessageError(f"a request about ACLs has an unknown {kind.__name__}")
    try:
        return kind(value)
    except ValueError:
        return kind(0)


def _filter(request: Any) -> AclFilter:
    return AclFilter(
        _number(ResourceType, request.resource_type_filter),
        request.resource_name_filter,
        _number(PatternType, request.pattern_type_filter),
        request.principal_filter,
        request.host_filter,
        _number(Operation, request.operation),
        _number(Permission, request.permission_type),
    )


def _filter_fault(wanted: AclFilter) -> ApiError | None:
    if not (wanted.resource_type and wanted.pattern_type):
        return ApiError(ErrorCode.invalid_request, "Unknown patternFilter.")
    if not (wanted.operation and wanted.permission):
        return ApiError(ErrorCode.invalid_request, "Unknown entryFilter.")
    return None


def _binding(creation: Any) -> Acl:
    return Acl(
        _number(ResourceType, creation.resource_type),
        creation.resource_name,
        _number(PatternType, creation.resource_pattern_type),
        creation.principal,
        creation.host,
        _number(Operation, creation.operation),
        _number(Permission, creation.permission_type),
    )


def _check_no_filter(acl: Acl) -> None:
    """Check that this is an ACL and not a filter, for which Kafka refuses the whole request.

    Raises:
        ApiError: it has ANY or MATCH in it.
    """
    if (
        acl.resource_type is ResourceType.ANY
        or acl.pattern_type in (PatternType.ANY, PatternType.MATCH)
        or acl.operation is Operation.ANY
        or acl.permission is Permission.ANY
    ):
        raise ApiError(ErrorCode.unknown_server_error)


def _check_new(acl: Acl) -> None:
    """Check an ACL on its own.

    Raises:
        ApiError: it cannot be created, and why.
    """
    if acl.resource_type is ResourceType.CLUSTER and acl.name != CLUSTER_NAME:
        raise ApiError(ErrorCode.invalid_request, f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}")
    if not acl.name:
        raise ApiError(ErrorCode.invalid_request, "Invalid empty resource name")
    for what, value in (
        ("resourceType", acl.resource_type),
        ("patternType", acl.pattern_type),
        ("operation", acl.operation),
        ("permissionType", acl.permission),
    ):
        if not value:
            raise ApiError(ErrorCode.invalid_request, f"Invalid {what} UNKNOWN")
    if ":" not in acl.principal:
        raise ApiError(
            ErrorCode.invalid_request,
            f"Could not parse principal from `{acl.principal}` (no colon is present separating the principal type "
            "from the principal name)",
        )
