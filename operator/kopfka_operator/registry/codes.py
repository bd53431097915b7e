"""Values of `error_code` in the registry's API that decide about what to do next."""

SUBJECT_NOT_FOUND = 40401
VERSION_NOT_FOUND = 40402
SCHEMA_NOT_FOUND = 40403
SUBJECT_SOFT_DELETED = 40404
OPERATION_NOT_PERMITTED = 42205
"""The mode of the subject does not allow it."""
