"""Ports, quantities, state folders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_local.commands.state import State, StateError
from kopfka_local.ports import choose_port
from kopfka_local.quantities import parse_quantity
from kopfka_runtime.errors import AddressInUseError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10Gi", 10 * 2**30),
        ("500m", "0.5"),
        ("1e3", 1000),
        ("1.5M", 1_500_000),
        ("0", 0),
        ("-1k", -1000),
        (".5", "0.5"),
        ("7", 7),
    ],
)
def test_quantities(text: str, amount: int | str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1GiB", "Gi", "1e", "--1"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", "k", "M", "Ki", "Mi", "m"]))
def test_numbers_with_units_are_quantities(number: int, unit: str) -> None:
    assert (parse_quantity(f"{number}{unit}") > parse_quantity("0")) is (number > 0)


@given(st.text(max_size=8).filter(lambda text: not any(char.isdigit() for char in text)))
def test_what_has_no_digit_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


def test_the_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "port"
    taken: set[int] = set()

    def bind(_host: str, port: int) -> int:
        return int(port in taken)

    first = choose_port(file, None, bind)
    assert choose_port(file, None, bind) == first
    taken.add(first)
    second = choose_port(file, None, bind)
    assert second != first
    with pytest.raises(AddressInUseError, match=f"port {first} .* --port"):
        choose_port(file, first, bind)
    taken.clear()
    assert choose_port(file, None, bind) == second
    assert choose_port(file, first, bind) == first


def test_a_state_is_held_by_one(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    assert state.owner() is None
    with state.held():
        assert state.folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(StateError, match="already runs over"), State(state.folder).held():
            raise AssertionError
    assert state.owner() is None
    with state.held():
        pass
    state.purge()
    assert not state.folder.exists()


def test_what_is_not_a_state_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StateError, match="holds something else"), State(tmp_path).held():
        raise AssertionError
    with pytest.raises(StateError, match="nothing was removed"):
        State(tmp_path).purge()
    assert (tmp_path / "thesis.tex").exists()
    with pytest.raises(StateError, match="cannot keep state"), State(tmp_path / "thesis.tex" / "x").held():
        raise AssertionError
