from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.derived.dimensions import Measured
from services.core.accounting.derived.formula import parse
from services.core.accounting.derived.minutes import derived_input
from services.core.accounting.series import ChosenMinutes

KWH = Measured(unit="kWh", is_rate=False)
MINUTE = 60_000_000


def minutes_of(
    values: list[float],
    covered: list[int] | None = None,
    estimated: list[int] | None = None,
    *,
    is_rate: bool = False,
) -> ChosenMinutes:
    return ChosenMinutes(
        value=np.array(values),
        covered_us=np.array(covered or [MINUTE] * len(values)),
        estimated_us=np.array(estimated or [0] * len(values)),
        is_rate=is_rate,
    )


def computed(
    text: str, unit: str, channels: dict[str, Measured], series: dict[str, ChosenMinutes]
) -> ChosenMinutes:
    made = derived_input(parse(text, "m"), channels, unit)
    size = next(iter(series.values())).value.size
    return made.minutes(series, np.arange(size))


def test_a_sum_of_registers_in_the_unit_is_exact() -> None:
    found = computed(
        "t1 + t2",
        "kWh",
        {"m.t1": KWH, "m.t2": Measured(unit="MWh", is_rate=False)},
        {"m.t1": minutes_of([0.1, 0.2]), "m.t2": minutes_of([0.3, 0.0])},
    )
    assert found.value.tolist() == [0.1 + 0.3 * 1000, 0.2]
    assert found.covered_us.tolist() == [MINUTE, MINUTE]
    assert not found.is_rate


def test_it_is_known_where_all_inputs_are_and_as_good_as_the_worst() -> None:
    found = computed(
        "a - b",
        "kWh",
        {"m.a": KWH, "m.b": KWH},
        {
            "m.a": minutes_of([6.0, 6.0, 6.0], estimated=[0, MINUTE, 0]),
            "m.b": minutes_of([1.0, 1.0, 0.0], covered=[MINUTE, MINUTE // 2, 0]),
        },
    )
    # in the half minute that both are known, half of the 6 flowed
    assert found.value.tolist() == [5.0, 2.0, 0.0]
    assert found.covered_us.tolist() == [MINUTE, MINUTE // 2, 0]
    assert found.estimated_us.tolist() == [0, MINUTE // 2, 0]


def test_quantities_multiply_in_si_units() -> None:
    found = computed(
        "gas * density",
        "t",
        {
            "m.gas": Measured(unit="Nm3", is_rate=False),
            "m.density": Measured(unit="g/Nm3", is_rate=True),
        },
        {"m.gas": minutes_of([1000.0]), "m.density": minutes_of([800.0], is_rate=True)},
    )
    assert found.value.tolist() == [pytest.approx(0.8)]


def test_a_share_is_taken_as_a_fraction() -> None:
    channels = {"m.e": KWH, "m.share": Measured(unit="%", is_rate=True)}
    series = {"m.e": minutes_of([8.0]), "m.share": minutes_of([25.0], is_rate=True)}
    assert computed("e * share", "kWh", channels, series).value.tolist() == [2.0]


def test_a_quotient_of_nothing_is_unknown_not_zero() -> None:
    channels = {"m.e": KWH, "m.share": Measured(unit="1", is_rate=True)}
    series = {"m.e": minutes_of([8.0, 8.0]), "m.share": minutes_of([0.0, 2.0], is_rate=True)}
    found = computed("e / share", "kWh", channels, series)
    assert found.value.tolist() == [0.0, 4.0]
    assert found.covered_us.tolist() == [0, MINUTE]
