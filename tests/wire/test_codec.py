"""Codecs: what kio writes, the readers read back, in every version; what no one wrote is refused and nothing worse."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.serial import entity_reader, entity_writer

from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec, read_request_header
from kopfka_wire.errors import MalformedMessageError, UnsupportedVersionError
from kopfka_wire.reading import reader
from support.messages import TEXT, entities

FIRST_IN_KIO = {ApiKey.PRODUCE: 3}
VERSIONS = [
    (key, version)
    for key, (low, high) in KAFKA_VERSIONS.items()
    for version in range(max(low, FIRST_IN_KIO.get(key, 0)), high + 1)
]
any_version = st.sampled_from(VERSIONS)


@st.composite
def messages(draw):
    """Return a message class and an instance of it."""
    form = codec(*draw(any_version))
    entity = draw(st.sampled_from([form.request, form.response]))
    return entity, draw(entities(entity))


def written(entity, value):
    out = io.BytesIO()
    entity_writer(entity)(out, value)
    return out.getvalue()


@pytest.mark.parametrize(("key", "version"), VERSIONS, ids=lambda value: getattr(value, "name", value))
def test_every_version_there_is_can_be_loaded(key, version):
    form = codec(key, version)
    assert form.request.__version__ == form.response.__version__ == version
    # ApiVersions answers without tagged fields in the header in every version, or clients could not read any (KIP-511)
    assert form.flexible_response == (form.response.__flexible__ and key is not ApiKey.API_VERSIONS)


@pytest.mark.parametrize(
    ("key", "version", "raw"),
    [
        (ApiKey.DELETE_TOPICS, 5, b"\0" + bytes(4) + b"\0"),  # an array
        (ApiKey.DELETE_TOPICS, 5, b"\2\0" + bytes(4) + b"\0"),  # a text in an array
        (ApiKey.DELETE_TOPICS, 3, b"\xff\xff\xff\xff" + bytes(4)),
        (ApiKey.HEARTBEAT, 3, b"\xff\xff" + bytes(4) + b"\0\1m" + b"\xff\xff"),  # a text
    ],
)
def test_null_is_refused_where_it_means_nothing(key, version, raw):
    with pytest.raises(MalformedMessageError, match="null"):
        codec(key, version).read_request(raw, 0)


@given(messages(), st.binary(max_size=3), st.binary(max_size=3))
@settings(max_examples=250, deadline=None)
def test_what_kio_writes_is_read_as_kio_reads_it(message, before, after):
    entity, value = message
    raw = written(entity, value)
    found, end = reader(entity)(memoryview(before + raw + after), len(before))
    assert end == len(before) + len(raw)
    assert found == entity_reader(entity)(raw, 0)[0] == value


@given(messages(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_message_cut_short_is_refused(message, data):
    entity, value = message
    raw = written(entity, value)
    if not raw:
        return
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    with pytest.raises(MalformedMessageError):
        reader(entity)(cut, 0)


@given(any_version, st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_bytes_no_one_wrote_are_read_or_refused_and_nothing_worse(which, raw):
    form = codec(*which)
    for entity in (form.request, form.response):
        with contextlib.suppress(MalformedMessageError):
            _, end = reader(entity)(memoryview(raw), 0)
            assert end <= len(raw)


@pytest.mark.parametrize("length", [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xfe", b"\x00\x00\x01\x00"])
def test_an_announced_length_reserves_nothing(length):
    """kio's own reader ends the process over the first of these."""
    with pytest.raises(MalformedMessageError, match="announced"):
        codec(ApiKey.METADATA, 0).read_request(length + bytes(20), 0)


def test_an_endless_varint_is_refused():
    with pytest.raises(MalformedMessageError):
        codec(ApiKey.METADATA, 12).read_request(b"\xff" * 20, 0)


def test_text_that_is_not_utf_8_is_refused():
    with pytest.raises(MalformedMessageError):
        codec(ApiKey.METADATA, 0).read_request(b"\0\0\0\1\0\2\xc3\x28", 0)


@given(any_version, st.integers(-(2**31), 2**31 - 1), TEXT | st.none(), st.data())
@settings(max_examples=120, deadline=None)
def test_a_request_comes_back_whole(which, correlation_id, client_id, data):
    form = codec(*which)
    request = data.draw(entities(form.request))
    raw = form.write_request(request, correlation_id, client_id)
    header = read_request_header(raw)
    assert (header.api_key, header.api_version, header.correlation_id, header.client_id) == (
        *which,
        correlation_id,
        client_id,
    )
    assert form.read_request(raw, form.skip_header_tags(raw, header.end)) == request


@given(any_version, st.integers(-(2**31), 2**31 - 1), st.data())
@settings(max_examples=120, deadline=None)
def test_a_response_comes_back_whole(which, correlation_id, data):
    form = codec(*which)
    response = data.draw(entities(form.response))
    raw = form.response_header(correlation_id) + form.write_response(response)
    assert form.read_response(raw) == (correlation_id, response)


@given(st.binary(max_size=40))
def test_any_header_is_read_or_refused(raw):
    try:
        header = read_request_header(raw)
    except MalformedMessageError:
        return
    assert header.end <= len(raw)


def test_tags_of_a_header_are_passed_over():
    form = codec(ApiKey.METADATA, 12)
    raw = form.write_request(
        form.make_request(topics=None, allow_auto_topic_creation=False, include_topic_authorized_operations=True),
        1,
        "c",
    )
    end = read_request_header(raw).end
    tagged = raw[:end] + b"\x02\x05\x01x\x07\x00" + raw[end + 1 :]
    assert form.read_request(tagged, form.skip_header_tags(tagged, end)).include_topic_authorized_operations
    for cut in (b"\x02", b"\x01\x05\x09x", b"\xff\xff\xff\xff\xff\xff"):
        with pytest.raises(MalformedMessageError):
            form.skip_header_tags(raw[:end] + cut, end)


def test_make_drops_what_a_version_does_not_have():
    fields = {"error_code": 0, "name": "t", "topic_id": None, "is_internal": False, "partitions": ()}
    old, new = (codec(ApiKey.METADATA, version).make("MetadataResponseTopic", **fields) for version in (1, 13))
    assert not hasattr(old, "topic_id")
    assert hasattr(new, "topic_id")


@pytest.mark.parametrize(("key", "version"), [(3, 99), (3, -1), (999, 0), (-1, 0)])
def test_what_there_is_not_is_refused(key, version):
    with pytest.raises(UnsupportedVersionError):
        codec(key, version)
