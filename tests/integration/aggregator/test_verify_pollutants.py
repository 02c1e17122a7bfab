"""Means of pollutants against what their readings give, by the command an auditor runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.aggregator.plant import Plant, Reading
from tests.integration.aggregator.test_verify import Tonne, kinds, tonne, verified
from tests.integration.api import test_pollutants as stacks

__all__ = ["tonne"]


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, stacks.FILE)
    stacks.run(plant)
    yield plant
    plant.close()


def test_a_mean_that_was_tampered_with_or_deleted_is_named(plant: Plant, tonne: Tonne) -> None:
    assert verified(tonne)["differs"] == []
    plant.connection.execute(
        "UPDATE pollutant_mean SET mean_mg_m3 = 100 WHERE pollutant = 'nox' AND starts = %s",
        (stacks.START,),
    )
    plant.connection.execute(
        "DELETE FROM pollutant_mean WHERE pollutant = 'so2' AND starts = %s",
        (stacks.START + timedelta(minutes=90),),
    )
    named = verified(tonne)["differs"]
    assert kinds(named) == {("stack", "pollutant")}
    changed, deleted = named
    assert (changed["hour"], deleted["hour"]) == ("2026-10-05T04:00Z", "2026-10-05T05:00Z")
    assert changed["detail"] == (
        "the mean of nox from 04:00Z on has 100 mg/Nm3 and 20.5254 kg (two-thirds) and by readings"
        " has 246.304 mg/Nm3 and 20.5254 kg (two-thirds)"
    )
    assert deleted["detail"] == (
        "the mean of so2 from 05:30Z on is not there and by readings has 40 mg/Nm3 and 2 kg"
        " (two-thirds)"
    )


def test_a_mean_whose_late_readings_wait_is_not_blamed(plant: Plant, tonne: Tonne) -> None:
    # between the minutes that are there
    late = [
        Reading("cems.nox", reading.ts + timedelta(seconds=30), 300.0)
        for reading in stacks.readings(stacks.START)
        if reading.channel == "cems.nox"
    ]
    plant.store(late)
    assert verified(tonne)["differs"] == []
