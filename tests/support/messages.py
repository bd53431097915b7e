"""Strategies of Kafka messages, for the tests of codecs."""

from __future__ import annotations

import dataclasses
import types
import typing
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_INTEGERS = {
    "int8": (8, True), "int16": (16, True), "int32": (32, True), "int64": (64, True),
    "uint8": (8, False), "uint16": (16, False), "uint32": (32, False), "uint64": (64, False),
}  # fmt: skip


def entities(entity):
    """Return a strategy of instances of one of kio's entity classes, with any value in any field."""
    return st.builds(entity, **{field.name: _field(field) for field in dataclasses.fields(entity)})


def _field(field):
    kind, optional = _without_none(field.type)
    name = field.metadata.get("kafka_type")
    if typing.get_origin(kind) is tuple:
        element, _ = _without_none(typing.get_args(kind)[0])
        # kio cannot write null inside an array of uuids
        each = entities(element) if name is None else _primitive(name, element)
        value = st.lists(each, max_size=3).map(tuple)
    else:
        value = entities(kind) if name is None else _primitive(name, kind)
    # a tag's absence is its null
    return value | st.none() if optional and "tag" not in field.metadata else value


def _without_none(kind):
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(each for each in typing.get_args(kind) if each is not type(None)), True
    return kind, False


def _primitive(name, kind):
    if name in _INTEGERS:
        bits, signed = _INTEGERS[name]
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)
    return {
        "float64": st.floats(allow_nan=False),
        "bool": st.booleans(),
        "string": TEXT,
        "bytes": st.binary(max_size=8),
        "records": st.binary(max_size=200),
        "uuid": st.uuids().filter(lambda value: value != uuid.UUID(int=0)),
        "error_code": st.sampled_from(list(ErrorCode)),
        "timedelta_i32": st.integers(-(2**31), 2**31 - 1).map(lambda value: timedelta(milliseconds=value)),
        "timedelta_i64": st.integers(-(2**40), 2**40).map(lambda value: timedelta(milliseconds=value)),
        "datetime_i64": st.integers(0, 2**41).map(
            lambda value: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
        ),
    }[name]
