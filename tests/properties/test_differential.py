"""The rule's rounding over many random hours, against a second implementation.

The second one is written only here, from the expressions of EPA's checking code and in their
order of operations.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

import pytest

from services.core.accounting.stack.diluents import DILUENT_CAPS, DILUENTS
from services.core.accounting.stack.equations import EQUATIONS, equation_for
from services.core.accounting.stack.fuels import F_FACTORS

RANDOM_HOURS = 100_000
TENTH = Decimal("0.1")
FUELS = sorted(F_FACTORS)
EXACT_HALVES = [
    (Decimal("5.0"), Decimal(1_000_000)),
    (Decimal("8.0"), Decimal(625_000)),
    (Decimal("10.0"), Decimal(500_000)),
    (Decimal("12.5"), Decimal(400_000)),
]


def tenths(value: Decimal) -> Decimal:
    return value.quantize(TENTH, rounding=ROUND_HALF_UP)


def test_random_hours_are_reported_as_a_second_implementation_reports_them(
    record_property: Callable[[str, object], None],
) -> None:
    rng = random.Random(20261123)
    f_11, f_2 = EQUATIONS["F-11"].reporting, EQUATIONS["F-2"].reporting
    g_4 = {fuel: equation_for("G-4", fuel=fuel).reporting for fuel in FUELS}
    f_14a, f_14b = DILUENTS["F-14A"].reporting, DILUENTS["F-14B"].reporting
    halves = 0
    for _ in range(RANDOM_HOURS):
        co2 = Decimal(rng.randrange(-5, 201)) / 10
        o2 = Decimal(rng.randrange(0, 251)) / 10
        h2o = Decimal(rng.randrange(0, 501)) / 10
        flow = Decimal(rng.randrange(0, 120_001) * 1000)
        if rng.random() < 0.02:
            # 5.7e-7 * co2 * flow lies exactly on a half for odd multiples of these pairs.
            co2, flow = rng.choice(EXACT_HALVES)
            flow *= rng.randrange(1, 60, 2)
        heat = Decimal(rng.randrange(0, 100_001)) / 10
        fuel = rng.choice(FUELS)
        factors = F_FACTORS[fuel]
        fc, fd = Decimal(factors.fc_scf_mmbtu), Decimal(factors.fd_dscf_mmbtu)

        wet = Decimal("0.00000057") * co2 * flow
        halves += int(wet * 100) % 10 == 5 and wet * 100 == int(wet * 100)
        dry = Decimal("0.00000057") * co2 * flow * (100 - h2o) / 100
        from_dry = 100 * (fc / fd) * ((Decimal("20.9") - o2) / Decimal("20.9"))
        from_wet = (100 / Decimal("20.9")) * (fc / fd) * (Decimal("20.9") * (100 - h2o) / 100 - o2)
        cap = Decimal(rng.choice(("14.0", "19.0")))
        unit = "boiler" if cap == 14 else "turbine"
        capped = 100 * (fc / fd) * ((Decimal("20.9") - min(o2, cap)) / Decimal("20.9"))
        burned = heat * fc * 44 / (385 * 2000)

        assert f_11({"co2": co2, "flow": flow}).value == max(tenths(wet), 0), (co2, flow)
        assert f_2({"co2": co2, "flow": flow, "h2o": h2o}).value == max(tenths(dry), 0), (
            co2,
            flow,
            h2o,
        )
        assert f_14a({"o2": o2}, factors) == max(tenths(from_dry), 0), (o2, fuel)
        given_o2 = DILUENT_CAPS[unit].replaces("o2", o2)
        assert f_14a({"o2": o2 if given_o2 is None else given_o2}, factors) == tenths(capped)
        assert f_14b({"o2": o2, "h2o": h2o}, factors) == max(tenths(from_wet), 0), (o2, h2o, fuel)
        assert g_4[fuel]({"heat_input": heat}).value == tenths(burned), (heat, fuel)
    # Exact halves are where roundings part: enough of them must have been among the hours.
    assert halves > 1000
    record_property("random_hours", RANDOM_HOURS)


@pytest.mark.vector
def test_nine_hours_recomputed_by_hand() -> None:
    # CO2 %, flow scf/h, tons/h: the acceptance test of a regulator, nine hours against a sheet.
    sheet = [
        ("8.1", "41250000", "190.5"),
        ("9.4", "44000000", "235.8"),
        ("10.0", "47500000", "270.8"),
        ("10.6", "50125000", "302.9"),
        ("11.2", "53000000", "338.4"),
        ("11.9", "56875000", "385.8"),
        ("12.4", "58500000", "413.5"),
        ("12.5", "60000000", "427.5"),
        ("12.7", "61000000", "441.6"),
    ]
    for co2, flow, tons in sheet:
        reported = EQUATIONS["F-11"].reporting({"co2": Decimal(co2), "flow": Decimal(flow)})
        assert reported.value == Decimal(tons)
