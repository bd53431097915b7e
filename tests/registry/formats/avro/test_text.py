"""JSON as Avro's Java library reads and writes it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kopfka_registry.errors import InvalidSchemaError
from kopfka_registry.formats.avro import text

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=VALUES)
@example(value=-0.0)
def test_what_is_written_is_read_as_the_same(value):
    for written in (text.write(value), text.write(value, ordered=True)):
        assert repr(json.loads(written)) == repr(text.read(written))
        assert text.read(written) == value


@given(value=FINITE | st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_doubles_are_written_in_full(value):
    written = text.double(value)
    assert float(written) == value
    assert math.copysign(1, float(written)) == math.copysign(1, value)
    assert "." in written
    digits, _, exponent = written.partition("E")
    assert ("E" in written) == (value != 0 and not 1e-3 <= abs(value) < 1e7)
    assert not exponent or 1 <= abs(float(digits)) < 10


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.0"),
        (-1.0, "-1.0"),
        (100.0, "100.0"),
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (1.5e300, "1.5E300"),
        (0.001, "0.001"),
        (0.00099, "9.9E-4"),
        (-123.456, "-123.456"),
        (math.nan, '"NaN"'),
        (math.inf, '"Infinity"'),
        (-math.inf, '"-Infinity"'),
    ],
)
def test_doubles(value, written):
    assert text.write(value) == written


def test_keys_are_ordered_as_java_orders_them():
    # beyond 16 bits a character is two of Java's, the first of which stands before U+FFFD
    assert text.write({"\ufffd": 1, "😀": 2, "a": 3, "B": 4}, ordered=True) == '{"B":4,"a":3,"😀":2,"\ufffd":1}'


def test_half_a_character_is_written_so_that_it_can_be_encoded():
    written = text.write(text.read('"\\ud83d"'))
    assert written == '"\\uD83D"'
    assert written.encode()


def test_comments_leave_lines_and_columns_as_they_are():
    with pytest.raises(InvalidSchemaError, match=r"line 3, column 8"):
        text.read('/* one\n two */ [ // three "\n /* */ x]')


def test_a_number_has_so_many_digits():
    assert text.read("1" * 1000) == int("1" * 1000)
    with pytest.raises(InvalidSchemaError, match="a number of 1001 characters"):
        text.read("1" * 1001)


def test_a_value_is_shown_in_one_short_line():
    assert text.shown('a\n"b"') == '"a\\n\\"b\\""'
    assert text.shown([None, True]) == "[null,true]"
    assert len(text.shown("x" * 10_000)) == len(text.shown(["x" * 10_000])) == 81
