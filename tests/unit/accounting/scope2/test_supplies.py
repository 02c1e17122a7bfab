"""What contracts of a file supply by the hour: months of any zone, and amounts below zero."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.core.facility.assemble_electricity import Hours, supplies
from services.core.facility.model import Electricity
from services.core.timeline.instants import HOUR_US, to_us


def hours_of(zone: str, first: str, count: int, **amounts: list[float]) -> Hours:
    begin_us = to_us(datetime.fromisoformat(first).replace(tzinfo=UTC))
    return Hours(
        hour_us=begin_us + HOUR_US * np.arange(count),
        load_kwh=np.full(count, 10.0),
        zone=ZoneInfo(zone),
        today=date(2026, 12, 24),
        factors={},
        amounts={f"pv.{name}": np.array(values) for name, values in amounts.items()},
    )


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Vienna", "2026-10-31T23:00"),
        # the month begins half an hour before its first hour
        ("Asia/Kolkata", "2026-10-31T19:00"),
        ("Asia/Kathmandu", "2026-10-31T19:00"),
    ],
)
def test_a_certificate_of_a_month_counts_in_it_wherever_hours_begin(zone: str, first: str) -> None:
    electricity = Electricity.model_validate(
        {
            "match": "monthly",
            "contracts": [{"id": "wind", "technology": "wind"}],
            "certificates": [
                {"id": f"C-{month}", "contract": "wind", "month": f"2026-{month}", "mwh": mwh,
                 "retired": "2026-12-01"}
                for month, mwh in (("10", 7), ("11", 0.5))
            ],
        }
    )  # fmt: skip
    hours = hours_of(zone, first, 24)
    (wind,), _ = supplies(electricity, hours)
    assert wind.period_kwh is not None
    assert wind.period_kwh.tolist() == [500]


def test_what_a_plant_draws_is_no_supply_of_less_than_nothing() -> None:
    electricity = Electricity.model_validate(
        {
            "contracts": [{"id": "pv", "technology": "solar", "channel": "pv.out"}],
            "storage": [
                {"id": "b", "charge": "pv.in", "discharge": "pv.back", "efficiency": 50,
                 "contract": "pv", "from": "2026-01-01"}
            ],
        }
    )  # fmt: skip
    hours = hours_of(
        "UTC", "2026-11-01T00:00", 3, out=[-1.0, 8, 0], **{"in": [-3.0, 4, 0], "back": [0.0, 0, 9]}
    )
    (pv,), uses = supplies(electricity, hours)
    # 4 of 8 kWh are stored, and half of them come back
    assert pv.kwh.tolist() == [0, 4, 2]
    assert uses["b"].charged_kwh.tolist() == [0, 4, 0]
