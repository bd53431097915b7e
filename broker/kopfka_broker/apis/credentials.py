"""DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554). Validation and words are Kafka's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import may, require
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.security.authorizer import Operation
from kopfka_broker.storage import StorageError
from kopfka_wire.codec import codec
from kopfka_wire.sasl.scram import SCRAM_MECHANISMS, ScramMechanism, credential_of_salted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_wire.sasl.scram import ScramCredential

_MECHANISMS = {1: SCRAM_MECHANISMS["SCRAM-SHA-256"], 2: SCRAM_MECHANISMS["SCRAM-SHA-512"]}
"""By the numbers of Kafka's ScramMechanism."""
_NUMBERS = {mechanism.name: number for number, mechanism in _MECHANISMS.items()}
_LONGEST_USER = 32_767
"""Bytes: what the API's results, and Kafka's records of them, can hold."""


Plan = TypeVar("Plan")


class CredentialApis:
    """Handlers over one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def describe(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeUserScramCredentials: which users have which mechanisms, and never a secret."""
        form = codec(context.api_key, context.api_version)
        asked = [each.name for each in request.users or ()]
        if not may(self._cluster, context, Operation.DESCRIBE):
            code = ErrorCode.cluster_authorization_failed
            refused = form.make(
                "DescribeUserScramCredentialsResult", user="", error_code=code, error_message=None, credential_infos=()
            )
            return form.make(error_code=code, error_message=None, results=(refused,) * len(asked))
        credentials = self._cluster.credentials
        results = []
        for user in dict.fromkeys(asked or credentials.users()):
            code, message = ErrorCode.none, ""
            found = credentials.of_user(user)
            if asked.count(user) > 1:
                code, found = ErrorCode.duplicate_resource, {}
                message = f"Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
            elif not found:
                code = ErrorCode.resource_not_found
                message = f"Attempt to describe a user credential that does not exist: {user}"
            infos = tuple(
                form.make("CredentialInfo", mechanism=_NUMBERS[mechanism], iterations=credential.iterations)
                for mechanism, credential in found.items()
            )
            results.append(
                form.make(
                    "DescribeUserScramCredentialsResult",
                    user=user,
                    error_code=code,
                    error_message=message,
                    credential_infos=infos,
                )
            )
        return form.make(error_code=ErrorCode.none, error_message="", results=tuple(results))

    async def alter(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterUserScramCredentials: one change a user, each user on its own."""
        form = codec(context.api_key, context.api_version)
        outcome: dict[str, ApiError | None] = {}
        try:
            require(self._cluster, context, Operation.ALTER)
            removed: dict[str, str] = {}
            upserted: dict[str, tuple[str, ScramCredential]] = {}
            for each in request.deletions:
                _plan(outcome, each, removed, self._deletion)
            for each in request.upsertions:
                _plan(outcome, each, upserted, _upsertion)
            good = {user for user, error in outcome.items() if error is None}
            try:
                self._cluster.credentials.change(
                    {(user, mechanism): made for user, (mechanism, made) in upserted.items() if user in good},
                    [(user, mechanism) for user, mechanism in removed.items() if user in good],
                )
            except StorageError as error:
                raise ApiError(ErrorCode.unknown_server_error, str(error)) from error
        except ApiError as error:
            outcome = {each.name: error for each in (*request.deletions, *request.upsertions)}
        return form.make(
            results=tuple(
                form.make(
                    "AlterUserScramCredentialsResult",
                    user=user,
                    error_code=error.code if error else ErrorCode.none,
                    error_message=error.message if error else None,
                )
                for user, error in outcome.items()
            )
        )

    def _deletion(self, deletion: Any) -> str:
        mechanism = _checked(deletion)
        if self._cluster.credentials.get(mechanism.name, deletion.name) is None:
            raise ApiError(ErrorCode.resource_not_found, "Attempt to delete a user credential that does not exist")
        return mechanism.name


def _plan(
    outcome: dict[str, ApiError | None], change: Any, plans: dict[str, Plan], check: Callable[[Any], Plan]
) -> None:
    """Plan a change of a user that has none planned yet; a second one spoils the first, an error stays."""
    user = change.name
    if user in outcome:
        outcome[user] = outcome[user] or ApiError(
            ErrorCode.duplicate_resource, "A user credential cannot be altered twice in the same request"
        )
        return
    try:
        plans[user] = check(change)
        outcome[user] = None
    except ApiError as error:
        outcome[user] = error


def _upsertion(upsertion: Any) -> tuple[str, ScramCredential]:
    mechanism = _checked(upsertion)
    if upsertion.iterations < mechanism.least_iterations:
        raise ApiError(ErrorCode.unacceptable_credential, "Too few iterations")
    if upsertion.iterations > mechanism.most_iterations:
        raise ApiError(ErrorCode.unacceptable_credential, "Too many iterations")
    if not upsertion.salted_password:
        raise ApiError(ErrorCode.unknown_server_error)  # as Kafka, whose HMAC takes no empty key
    return mechanism.name, credential_of_salted(
        mechanism, upsertion.salted_password, upsertion.salt, upsertion.iterations
    )


def _checked(change: Any) -> ScramMechanism:
    if not change.name:
        raise ApiError(ErrorCode.unacceptable_credential, "Username must not be empty")
    if len(change.name.encode()) > _LONGEST_USER:
        raise ApiError(ErrorCode.unacceptable_credential, "Username is too long")
    mechanism = _MECHANISMS.get(change.mechanism)
    if mechanism is None:
        raise ApiError(ErrorCode.unsupported_sasl_mechanism, "Unknown SCRAM mechanism")
    return mechanism
