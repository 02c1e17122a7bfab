from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.decode.text_number import number


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7.0), (7.5, 7.5), ("7.5", 7.5), (" +007.5\r\n", 7.5), ("-.5", -0.5), ("5.", 5.0),
        ("1.e3", 1000.0), ("1E-3", 0.001), ("1e+3", 1000.0), ("+1e3", 1000.0), (10**400, math.inf),
        ("1.0e999", math.inf), ("001234.567", 1234.567), ("0", 0.0), ("000", 0.0), ("-0012", -12.0),
        ("0000007", 7.0), ("6673907e-2", 66739.07),
    ],
)  # fmt: skip
def test_numbers(value: Any, found: float) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    "value",
    [
        True, None, "", " ", "nan", "inf", "1_000", "0x10", "1,5", "5 kWh", "1e", "--1", "٣",
        [], {}, b"1", "1" * 401,
    ],
)  # fmt: skip
def test_what_is_none(value: Any) -> None:
    assert number(value) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_text_is_the_same_number(value: float) -> None:
    assert number(repr(value)) == value
