from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.derived.dimensions import Measured, check
from services.core.accounting.derived.formula import (
    DEEPEST,
    LONGEST,
    MAX_PARTS,
    FormulaError,
    parse,
    references,
    text_of,
)
from services.core.accounting.derived.minutes import derived_input

KWH = Measured(unit="kWh", is_rate=False)
KW = Measured(unit="kW", is_rate=True)
CHANNELS = {
    "m.t1": KWH,
    "m.t2": Measured(unit="MWh", is_rate=False),
    "m.power": KW,
    "m.gas": Measured(unit="Nm3", is_rate=False),
    "m.raw-gas": Measured(unit="m3", is_rate=False),
    "m.density": Measured(unit="kg/Nm3", is_rate=True),
    "m.share": Measured(unit="%", is_rate=True),
    "m.air": Measured(unit="degC", is_rate=True),
}


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("t1 + t2", "m.t1 + m.t2"),
        ("t1+t2", "m.t1 + m.t2"),
        ("main.import - hall-2.import", "main.import - hall-2.import"),
        ("a - (b - c) - d", "m.a - (m.b - m.c) - m.d"),
        ("(a - b) - c", "m.a - m.b - m.c"),
        ("a / (b * c)", "m.a / (m.b * m.c)"),
        ("(a + b) * 40", "(m.a + m.b) * 40"),
        ("max(a - b, 0)", "max(m.a - m.b, 0)"),
        ("min(a, b, other.c)", "min(m.a, m.b, other.c)"),
        ("-a * 1.5e-3", "-1 * m.a * 0.0015"),
        ("a - -2", "m.a - -2"),
    ],
)
def test_a_formula_is_written_out_by_full_names(text: str, means: str) -> None:
    formula = parse(text, "m")
    assert text_of(formula) == means
    assert parse(means, "another") == formula


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends where a channel or a number is expected"),
        ("a +", "ends where"),
        ("a b", "'b' stands where"),
        ("(a", "its end stands where ')' is expected"),
        ("max a", "'a' stands where"),
        ("a ** 2", "'*' is neither a channel"),
        ("__import__('os')", "'_' has no meaning"),
        ("a.b.c", "'a.b.c' is neither a channel"),
        ("A + b", "'A' is neither a channel"),
        ("a; b", "';' has no meaning"),
        ("a + 1e15", "is not a number that any plant on earth needs"),
        ("a + 1e99", "is not a number that any plant on earth needs"),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), "nested deeper"),
        ("-" * (DEEPEST + 1) + "a", "nested deeper"),
        ("+".join(["a"] * (MAX_PARTS // 2 + 2)), f"more than {MAX_PARTS} parts"),
        ("a" * (LONGEST + 1), f"more than {LONGEST} characters"),
    ],
)
def test_what_is_no_formula_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(says)):
        parse(text, "m")


@given(st.text(alphabet="ab1.+-*/(),% minax", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        formula = parse(text, "m")
    except FormulaError:
        return
    assert parse(text_of(formula), "m") == formula


def test_channels_are_named_once_in_their_order() -> None:
    assert references(parse("b - a + b * 2", "m")) == ("m.b", "m.a")


@pytest.mark.parametrize(
    ("text", "unit", "is_rate"),
    [
        ("t1 + t2", "kWh", False),
        ("max(t1 - t2, 0)", "MJ", False),
        ("t1 * share", "kWh", False),
        ("t1 / 2 + 3 * t2", "kWh", False),
        ("power * 0.5", "W", True),
        ("gas * density", "kg", False),
        ("t1 / power", "kWh", None),
        ("gas + raw-gas", "Nm3", None),
        ("gas", "m3", None),
        ("t1 + power", "kWh", None),
        ("t1 + 5", "kWh", None),
        ("t1 * t2", "kWh", None),
        ("power / t1", "kW", None),
        ("t1", "kg", None),
        ("air * 2", "degC", None),
        ("raw-gas * density", "kg", None),
        ("t1 + t2", "kWhh", None),
    ],
)
def test_units_are_checked(text: str, unit: str, is_rate: bool | None) -> None:
    formula = parse(text, "m")
    if is_rate is not None:
        assert check(formula, CHANNELS, unit).is_rate is is_rate
        return
    with pytest.raises(FormulaError):
        check(formula, CHANNELS, unit)


SHARES = {f"m.{name}": Measured(unit="%", is_rate=True) for name in ("co2", "h2o", "o2")}


@pytest.mark.vector
@pytest.mark.parametrize(
    ("text", "shown", "expected"),
    [
        # wet to dry: 10 / (1 - 0.2)
        ("co2 / (1 - h2o)", {"co2": 10.0, "h2o": 20.0}, 12.5),
        ("co2 / (100% - h2o)", {"co2": 10.0, "h2o": 20.0}, 12.5),
        # to 3 % reference oxygen: 10 x 17.9 / 15.9
        ("co2 * (20.9% - 3%) / (20.9% - o2)", {"co2": 10.0, "o2": 5.0}, 11.257861635220126),
        # from oxygen: 11.8 / 20.9 x (20.9 - 5)
        ("11.8% * (20.9% - o2) / 20.9%", {"o2": 5.0}, 8.977033492822966),
        # a drift that was found
        ("co2 - 0.3%", {"co2": 10.0}, 9.7),
        ("max(co2, 0)", {"co2": -0.25}, 0.0),
        ("co2 * h2o", {"co2": 10.0, "h2o": 20.0}, 2.0),
    ],
)
def test_a_share_is_the_number_that_it_is(
    text: str, shown: dict[str, float], expected: float
) -> None:
    formula = parse(text_of(parse(text, "m")), "m")
    made = derived_input(formula, SHARES, "%")
    found = made.value({f"m.{name}": value for name, value in shown.items()})
    assert float(found) == pytest.approx(expected, rel=1e-14)


def test_a_mean_of_shares_is_not_rounded_on_the_way() -> None:
    made = derived_input(parse("(co2 + h2o + o2) / 3 * 2", "m"), SHARES, "%")
    values = {"m.co2": 12.35, "m.h2o": 0.1, "m.o2": 0.2}
    assert float(made.value(values)) == (12.35 + 0.1 + 0.2) / 3 * 2


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("co2 / (100 - h2o)", "100"),
        ("co2 - 0.5", "0.5"),
        ("min(co2, 30 / 2)", "15"),
        ("co2 / (1 - h2o) - 0.5", "0.5"),
        ("20.9 - 2 * o2", "20.9"),
    ],
)
def test_a_plain_number_beside_a_share_is_refused(text: str, number: str) -> None:
    with pytest.raises(FormulaError) as caught:
        check(parse(text, "m"), SHARES, "%")
    assert f"puts {number} beside a share in %" in str(caught.value)
    assert f"write {number}% if percent are meant" in str(caught.value)


def test_what_does_not_fit_is_said_in_words() -> None:
    with pytest.raises(FormulaError) as caught:
        check(parse("t1 + power", "m"), CHANNELS, "kWh")
    assert str(caught.value) == (
        "'m.t1 + m.power' puts energy of a minute beside power, which cannot be added or compared"
    )
    with pytest.raises(FormulaError) as caught:
        check(parse("t1", "m"), CHANNELS, "kg")
    assert str(caught.value) == "it comes to energy of a minute, and kg is mass"
