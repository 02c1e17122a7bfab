from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from services.core.accounting.pollutants.means import (
    ChannelHour,
    FlowRule,
    PollutantMean,
    PollutantRule,
    means_of_hour,
)
from services.core.accounting.pollutants.standardisation import (
    CONCENTRATION,
    OXYGEN,
    Standardisation,
)
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.measured import FLOW, MOISTURE, StackInputs
from services.core.accounting.stack.recording import ChannelPoints
from services.core.accounting.stack.validity import VALIDITY
from services.core.accounting.units import conversion
from services.core.timeline.instants import MINUTE_US

_HOUR = 500_000
_PERCENT = conversion("%", "%")


def rule(
    *,
    minutes: int = 60,
    validity: str = "en17255",
    basis: Basis = Basis.DRY,
    flow_basis: Basis | None = Basis.DRY,
) -> PollutantRule:
    flow = None
    if flow_basis is not None:
        to_dry = flow_basis is Basis.WET and basis is Basis.DRY
        flow = FlowRule(
            inputs=StackInputs(
                conversions={FLOW: conversion("Nm3/h", "Nm3/h"), MOISTURE: _PERCENT},
                dry_flow=to_dry,
            ),
            basis=Basis.DRY if to_dry else flow_basis,
        )
    return PollutantRule(
        name="nox",
        minutes=minutes,  # type: ignore[arg-type]
        validity=VALIDITY[validity],
        standardisation=Standardisation(
            to_mg=conversion("mg/Nm3", "mg/Nm3"),
            basis=basis,
            reference_oxygen=3.0,
            conversions={OXYGEN: _PERCENT, MOISTURE: _PERCENT},
        ),
        roles={},
        flow=flow,
    )


def channel(
    value: float | NDArray[np.float64], *, minutes: int | slice = 60, excused: bool = False
) -> ChannelHour:
    """A channel that was read at the beginning of each of the minutes."""
    read = np.zeros(60, dtype=bool)
    read[: minutes if isinstance(minutes, int) else None] = isinstance(minutes, int)
    if isinstance(minutes, slice):
        read[minutes] = True
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), (60,))
    return ChannelHour(
        value=np.where(read, values, np.nan),
        covered_us=np.where(read, MINUTE_US, 0),
        points=ChannelPoints(
            role="x", points_us=np.flatnonzero(read) * MINUTE_US, every_us=MINUTE_US
        ),
        excused=excused,
    )


def formed(
    of: PollutantRule,
    channels: Mapping[str, ChannelHour],
    operating: NDArray[np.bool_] | None = None,
) -> list[PollutantMean]:
    runs = np.ones(60, dtype=bool) if operating is None else operating
    return list(means_of_hour(of, _HOUR, channels, runs))


@pytest.mark.vector
def test_an_hour_has_its_mean_at_reference_oxygen_and_its_mass_without() -> None:
    (mean,) = formed(
        rule(), {CONCENTRATION: channel(150), OXYGEN: channel(6), FLOW: channel(100_000)}
    )
    assert (mean.valid, mean.verdict, mean.reason) == (
        True,
        "two-thirds",
        "60 of 60 possible data points, one every 60 s",
    )
    assert mean.inputs == {CONCENTRATION: 150.0, OXYGEN: 6.0, FLOW: 100_000.0}
    assert (mean.dry_mg_m3, mean.factor, mean.mean_mg_m3) == (150.0, 1.2, 180.0)
    # 150 mg/Nm3 of 100 000 Nm3 are 15 kg: what a limit refers to has no part in it
    assert mean.mass_ug == 15_000_000_000
    assert (mean.first_minute, mean.minutes) == (_HOUR * 60, 60)
    assert (mean.covered_ms, mean.operating_ms) == (3_600_000, 3_600_000)


def test_half_hours_are_formed_apart() -> None:
    step = np.where(np.arange(60) < 30, 100.0, 200.0)
    first, second = formed(
        rule(minutes=30), {CONCENTRATION: channel(step), OXYGEN: channel(3), FLOW: channel(1000)}
    )
    assert (first.mean_mg_m3, second.mean_mg_m3) == (100.0, 200.0)
    assert (first.mass_ug, second.mass_ug) == (50_000_000, 100_000_000)
    assert second.first_minute == first.first_minute + 30
    assert second.reason == "30 of 30 possible data points, one every 60 s"


def test_the_means_are_converted_not_the_readings() -> None:
    # 13. BImSchV section 19(1): the mean is formed, then brought to the reference oxygen
    half = np.arange(60) < 30
    (mean,) = formed(
        rule(),
        {
            CONCENTRATION: channel(np.where(half, 100.0, 200.0)),
            OXYGEN: channel(np.where(half, 3.0, 9.0)),
            FLOW: channel(1000),
        },
    )
    assert mean.mean_mg_m3 == 150 * 18 / 15
    assert mean.mean_mg_m3 != (100 * 18 / 18 + 200 * 18 / 12) / 2


def test_what_is_not_valid_has_no_mean_and_no_mass() -> None:
    (few,) = formed(
        rule(),
        {CONCENTRATION: channel(150, minutes=39), OXYGEN: channel(6), FLOW: channel(1000)},
    )
    assert (few.valid, few.verdict) == (False, "below-two-thirds")
    assert few.reason == "39 of 60 possible data points, one every 60 s"
    assert (few.mean_mg_m3, few.mass_ug) == (None, None)
    # what was measured is told all the same
    assert few.inputs == {CONCENTRATION: 150.0, OXYGEN: 6.0}
    (enough,) = formed(
        rule(),
        {CONCENTRATION: channel(150, minutes=40), OXYGEN: channel(6), FLOW: channel(1000)},
    )
    assert enough.valid
    (no_oxygen,) = formed(
        rule(),
        {CONCENTRATION: channel(150), OXYGEN: channel(6, minutes=20), FLOW: channel(1000)},
    )
    assert no_oxygen.reason.startswith("oxygen: 20 of 60 possible")


def test_the_halves_of_an_hour_are_validated_apart() -> None:
    first, second = formed(
        rule(minutes=30, validity="part75"),
        {CONCENTRATION: channel(90, minutes=45), OXYGEN: channel(3), FLOW: channel(1000)},
    )
    assert (first.valid, second.valid) == (True, False)
    assert second.reason == "no data point in quadrant 4"
    # under no rule a reading of the other half is none of this one
    first, second = formed(
        rule(minutes=30, validity="none"),
        {CONCENTRATION: channel(90, minutes=30), OXYGEN: channel(3), FLOW: channel(1000)},
    )
    assert (first.valid, second.verdict) == (True, "no-data")


def test_start_up_and_standstill_do_not_count() -> None:
    runs = np.arange(60) >= 15
    high = np.where(np.arange(60) < 15, 900.0, 100.0)
    channels = {CONCENTRATION: channel(high), OXYGEN: channel(3), FLOW: channel(1000)}
    (mean,) = formed(rule(), channels, runs)
    assert (mean.mean_mg_m3, mean.operating_ms) == (100.0, 2_700_000)
    # 100 mg/Nm3 x 1000 Nm3/h x 0.75 h
    assert mean.mass_ug == 75_000_000
    (still,) = formed(rule(), channels, np.zeros(60, dtype=bool))
    assert (still.valid, still.verdict, still.mean_mg_m3) == (False, "not-operating", None)
    assert still.mass_ug == 0


def test_air_has_no_mean_and_its_reason() -> None:
    (mean,) = formed(
        rule(), {CONCENTRATION: channel(1), OXYGEN: channel(20.95), FLOW: channel(1000)}
    )
    assert (mean.valid, mean.verdict, mean.mean_mg_m3) == (False, "air", None)
    assert "with 20.95 % O2 the gas is air" in mean.reason


def test_without_a_valid_flow_there_is_a_mean_and_no_mass() -> None:
    channels = {CONCENTRATION: channel(100), OXYGEN: channel(3)}
    (unmeasured,) = formed(rule(flow_basis=None), channels)
    assert (unmeasured.mean_mg_m3, unmeasured.mass_ug) == (100.0, None)
    assert unmeasured.mass_reason == "the source measures no flow"
    (lost,) = formed(rule(), {**channels, FLOW: channel(1000, minutes=3)})
    assert (lost.valid, lost.mass_ug) == (True, None)
    assert lost.mass_reason == "flow: 3 of 60 possible data points, one every 60 s"
    # a formula that divides by zero all the time
    (endless,) = formed(rule(validity="none"), {**channels, FLOW: channel(np.inf)})
    assert (endless.mean_mg_m3, endless.mass_ug) == (100.0, None)
    assert endless.mass_reason == "flow: it is known in no minute of operation"
    assert FLOW not in endless.inputs


@pytest.mark.vector
@pytest.mark.parametrize(
    ("basis", "flow_basis", "mass_kg"),
    [
        # 90 mg/Nm3 of 1000 Nm3/h, 10 % water: both wet, or both dry
        (Basis.WET, Basis.WET, 0.090),
        (Basis.DRY, Basis.DRY, 0.090),
        # 1000 wet are 900 dry; 90 in wet gas are 100 in dry
        (Basis.DRY, Basis.WET, 0.081),
        (Basis.WET, Basis.DRY, 0.100),
    ],
)
def test_concentration_and_flow_are_multiplied_in_one_state(
    basis: Basis, flow_basis: Basis, mass_kg: float
) -> None:
    (mean,) = formed(
        rule(basis=basis, flow_basis=flow_basis),
        {
            CONCENTRATION: channel(90),
            OXYGEN: channel(3),
            MOISTURE: channel(10),
            FLOW: channel(1000),
        },
    )
    assert mean.mass_ug is not None
    assert mean.mass_ug / 1e9 == pytest.approx(mass_kg, rel=1e-9)


def test_a_mean_that_is_the_limit_does_not_exceed_it_by_binary_fractions() -> None:
    # 0.1 + 0.2 in a hundred pieces
    noise = np.where(np.arange(60) % 2 == 0, 100.1, 139.9)
    (mean,) = formed(
        rule(), {CONCENTRATION: channel(noise), OXYGEN: channel(3), FLOW: channel(1000)}
    )
    assert mean.mean_mg_m3 == 120.0
