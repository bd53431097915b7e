"""What the registry refuses, with the error code and the HTTP status of Confluent's REST API for each.

A class is a code; where the API has one sentence for a code, the class makes it from what was asked for.
"""

from __future__ import annotations

from typing import ClassVar

from kopfka_runtime.errors import KopfkaError


class RegistryError(KopfkaError):
    """A request cannot be answered as asked."""

    code: ClassVar[int] = 50001
    """The API's `error_code`; its first three digits are the HTTP status."""

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        code = self.code
        return code if code < 1000 else code // 100


class BadRequestError(RegistryError):
    """The request is not in the form the API has for it."""

    code = 400


class NotAuthenticatedError(RegistryError):
    """Nobody, or nobody known, asks."""

    code = 401


class NotPermittedError(RegistryError):
    """Who asks has not the right to do so."""

    code = 40301


class NotFoundError(RegistryError):
    """There is no such thing."""

    code = 404


class SubjectNotFoundError(NotFoundError):
    """There is no such subject."""

    code = 40401

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' not found.")


class VersionNotFoundError(NotFoundError):
    """The subject has no such version."""

    code = 40402

    def __init__(self, version: int | str) -> None:
        super().__init__(f"Version {version} not found.")


class SchemaNotFoundError(NotFoundError):
    """There is no schema with this id, GUID or text."""

    code = 40403

    def __init__(self, what: int | str | None = None) -> None:
        super().__init__("Schema not found" if what is None else f"Schema {what} not found")


class SubjectSoftDeletedError(NotFoundError):
    """The subject was deleted already, but not for good."""

    code = 40404

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' was soft deleted. Set permanent=true to delete permanently")


class SubjectNotSoftDeletedError(NotFoundError):
    """The subject is to be deleted for good and was not deleted before."""

    code = 40405

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' was not deleted first before being permanently deleted")


class VersionSoftDeletedError(NotFoundError):
    """The version was deleted already, but not for good."""

    code = 40406

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(
            f"Subject '{subject}' Version {version} was soft deleted. Set permanent=true to delete permanently"
        )


class VersionNotSoftDeletedError(NotFoundError):
    """The version is to be deleted for good and was not deleted before."""

    code = 40407

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(
            f"Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
        )


class CompatibilityNotConfiguredError(NotFoundError):
    """The subject has no configuration of its own."""

    code = 40408

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' does not have subject-level compatibility configured")


class ModeNotConfiguredError(NotFoundError):
    """The subject has no mode of its own."""

    code = 40409

    def __init__(self, subject: str) -> None:
        super().__init__(f"Subject '{subject}' does not have subject-level mode configured")


class IncompatibleSchemaError(RegistryError):
    """The schema and those before it do not go together at the compatibility level of its subject."""

    code = 40901


class InvalidSchemaError(RegistryError):
    """The text is no schema of its type, or a reference in it cannot be resolved."""

    code = 42201


class SchemaTooComplexError(InvalidSchemaError):
    """The schema is well-formed, but larger or deeper than the registry agrees to work on."""


class InvalidVersionError(RegistryError):
    """A version is neither a number from 1 to 2^31-1 nor `latest`."""

    code = 42202

    def __init__(self, version: object) -> None:
        super().__init__(
            f"The specified version '{version}' is not a valid version id. Allowed values are between [1, 2^31-1] "
            'and the string "latest"'
        )


class InvalidCompatibilityError(RegistryError):
    """A compatibility level is none of the seven."""

    code = 42203


class InvalidModeError(RegistryError):
    """A mode is none of the API's."""

    code = 42204


class OperationNotPermittedError(RegistryError):
    """The mode of the subject does not allow this."""

    code = 42205


class ReferenceExistsError(RegistryError):
    """The schema is referred to by another one."""

    code = 42206

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(f"One or more references exist to the schema {subject}, version {version}")


class IdDoesNotMatchError(RegistryError):
    """The schema has another id already."""

    code = 42207


class InvalidSubjectError(RegistryError):
    """The subject's name is empty, too long or not allowed."""

    code = 42208

    def __init__(self, subject: str) -> None:
        super().__init__(f"The specified subject '{subject}' is not a valid subject")


class SchemaTooLargeError(RegistryError):
    """The schema does not fit into a record of the topic."""

    code = 42209


class InvalidRuleSetError(RegistryError):
    """A rule is not one that clients can carry out."""

    code = 42210


class StoreError(RegistryError):
    """The topic could not be read or written."""

    code = 50001


class StoreTimeoutError(StoreError):
    """The topic did not answer in time; whether the change was made is not known."""

    code = 50002


class ForwardingError(RegistryError):
    """The leader did not answer a request that was passed on to it."""

    code = 50003


class UnknownLeaderError(RegistryError):
    """There is no leader now; ask again."""

    code = 50004
