"""The table of error codes: complete, and its exceptions are what callers tell apart."""

from __future__ import annotations

import pytest
from kio.schema.errors import ErrorCode

from kopfka_wire.error_codes import (
    _TABLE,
    AuthorizationError,
    BrokerError,
    CoordinatorError,
    FencedError,
    SaslError,
    StaleMetadataError,
    UnknownTopicError,
    broker_error,
    check,
)
from kopfka_wire.errors import AuthenticationError, ClientError


def test_every_code_is_in_the_table():
    assert set(_TABLE) == set(ErrorCode)
    for code in ErrorCode:
        error = broker_error(code, "doing it")
        assert (error.code, error.retriable) == (code, code.retriable)
        assert str(error).startswith("doing it: ")
        assert str(error).endswith(f"({code.name.upper()})")
        assert isinstance(error, ClientError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ErrorCode.invalid_producer_epoch, FencedError),
        (ErrorCode.producer_fenced, FencedError),
        (ErrorCode.not_leader_or_follower, StaleMetadataError),
        (ErrorCode.unknown_topic_id, UnknownTopicError),
        (ErrorCode.not_coordinator, CoordinatorError),
        (ErrorCode.topic_authorization_failed, AuthorizationError),
        (ErrorCode.sasl_authentication_failed, SaslError),
        (ErrorCode.sasl_authentication_failed, AuthenticationError),
    ],
)
def test_exceptions(code, kind):
    with pytest.raises(kind):
        check(code)


def test_the_words_of_the_broker_come_first():
    assert str(broker_error(ErrorCode.invalid_config, "creating", "no such config")) == (
        "creating: no such config (INVALID_CONFIG)"
    )
    check(ErrorCode.none)
    assert BrokerError(ErrorCode.invalid_config, "x", retriable=True).retriable
