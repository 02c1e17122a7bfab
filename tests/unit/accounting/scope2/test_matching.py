"""Matching a load with contracts, against figures that others published or worked by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.core.accounting.scope2.certified import certified
from services.core.accounting.scope2.matching import Load, MatchedHours, Supply, match
from services.core.accounting.scope2.periods import DatedPolicy, MatchCalendar
from services.core.accounting.scope2.policies import POLICIES
from services.core.accounting.scope2.storage import carry
from services.core.timeline.instants import HOUR_US, to_us

# MWh as kWh, t/MWh as kg/kWh
LOAD = np.array([10.0, 12, 8, 15, 20, 5]) * 1000
CONTRACTED = np.array([0.0, 20, 20, 10, 5, 0]) * 1000
RESIDUAL = np.array([0.55, 0.45, 0.40, 0.50, 0.65, 0.70])
GRID = np.array([0.5, 0.3, 0.2, 0.4, 0.6, 0.7])
HOURS = np.arange(6)
ONE_YEAR = np.zeros(6, dtype=np.int64)
NOTHING = np.zeros(6)


def matched(period: np.ndarray, *supplies: Supply) -> MatchedHours:
    load = Load(kwh=LOAD, market_kg=LOAD * RESIDUAL)
    return match(load, supplies or [Supply(kwh=CONTRACTED, factor=NOTHING)], period)


@pytest.mark.vector
def test_hours_are_matched_one_by_one_and_the_rest_has_the_residual_mix() -> None:
    hourly = matched(HOURS)
    assert hourly.used_kwh[0].tolist() == [0, 12_000, 8_000, 10_000, 5_000, 0]
    assert hourly.used_kwh.sum() == 35_000
    assert hourly.used_kwh.sum() / LOAD.sum() == 0.5
    assert hourly.market_kg.sum() == pytest.approx(21_250, abs=1e-9)
    assert (hourly.hourly_rest_kwh > 0).sum() == 4
    assert (LOAD * GRID).sum() == pytest.approx(31_700, abs=1e-9)


@pytest.mark.vector
def test_a_year_that_is_matched_as_a_whole_claims_more() -> None:
    annual = matched(ONE_YEAR)
    assert annual.used_kwh.sum() / LOAD.sum() == pytest.approx(55 / 70, abs=1e-12)
    assert round(annual.used_kwh.sum() / LOAD.sum(), 3) == 0.786
    assert annual.market_kg.sum() == pytest.approx(8_125, abs=1e-9)
    # beside it, what the hours themselves say
    assert annual.hourly_rest_kwh.sum() == 35_000


def test_without_contracts_the_market_based_total_is_the_residual_mix_to_the_bit() -> None:
    load = Load(kwh=LOAD / 3, market_kg=LOAD * RESIDUAL / 7)
    assert match(load, [], HOURS).market_kg.tolist() == load.market_kg.tolist()


def test_an_hour_that_is_wholly_supplied_leaves_exactly_nothing() -> None:
    parts = [Supply(kwh=LOAD / 3, factor=NOTHING), Supply(kwh=LOAD, factor=NOTHING + 0.2)]
    both = matched(HOURS, *parts)
    assert not both.rest_kwh.any()
    # the first contract supplies first
    assert both.used_kwh[0].tolist() == (LOAD / 3).tolist()
    assert both.market_kg == pytest.approx(LOAD * 2 / 3 * 0.2)
    assert both.carbon_free_kwh.tolist() == (LOAD / 3).tolist()


@pytest.mark.parametrize("shares", [(30, 70), (10, 20, 70), (33.3, 66.7)])
def test_shares_that_come_to_the_whole_leave_no_hour_unmatched(shares: tuple[float, ...]) -> None:
    load = np.random.default_rng(17).uniform(1, 1000, 5000)
    parts = [Supply(kwh=load * (share / 100), factor=np.zeros(load.size)) for share in shares]
    whole = match(Load(kwh=load, market_kg=load / 2), parts, np.arange(load.size))
    assert not whole.hourly_rest_kwh.any()
    assert not whole.market_kg.any()


def test_what_is_contracted_for_a_period_without_an_hour_counts_in_that_period_only() -> None:
    supply = Supply(kwh=NOTHING, factor=NOTHING, period_kwh=np.array([15_000.0, 99_000]))
    halves = matched(np.array([0, 0, 0, 1, 1, 1]), supply)
    assert halves.used_kwh[0, :3].sum() == pytest.approx(15_000)
    assert halves.used_kwh[0, 3:].sum() == pytest.approx(40_000)
    # 15 of 30 and 99 of 40 MWh, by the load of the hours
    assert halves.contracted_kwh[0, :3] == pytest.approx(LOAD[:3] / 2)
    assert halves.contracted_kwh[0, 3:] == pytest.approx(LOAD[3:] * 99 / 40)
    idle = match(Load(kwh=NOTHING, market_kg=NOTHING), [supply], np.array([0, 0, 0, 1, 1, 1]))
    assert idle.contracted_kwh[0].tolist() == [5_000] * 3 + [33_000] * 3
    assert halves.hourly_rest_kwh.tolist() == LOAD.tolist()
    mean = RESIDUAL[:3].mean()
    assert halves.market_kg.sum() == pytest.approx(15_000 * mean)


def test_no_load_uses_nothing() -> None:
    nothing = match(
        Load(kwh=NOTHING, market_kg=NOTHING), [Supply(kwh=CONTRACTED, factor=NOTHING)], HOURS
    )
    assert not nothing.used_kwh.any()
    assert not nothing.market_kg.any()
    empty = np.zeros(0)
    assert match(Load(kwh=empty, market_kg=empty), [], empty.astype(np.int64)).market_kg.size == 0


def test_certificates_of_hours_and_of_months_limit_a_supply() -> None:
    kwh = np.array([10.0, 20, 30, 40])
    month = np.array([0, 0, 1, 1])
    limited = certified(kwh, np.array([0.0, 5, 99, 0]), month, np.array([10.0, 1000]))
    # 10 kWh of 25 that the first month has beside the certificate of its second hour
    assert limited == pytest.approx([4, 5 + 6, 30, 40])


@pytest.mark.vector
def test_what_a_battery_gives_back_has_the_mass_of_its_charging() -> None:
    charged = np.zeros(24)
    charged[5:11] = np.array([0, 200, 1000, 2000, 1100, 700]) * 1000.0
    factor = np.zeros(24)
    factor[6:11] = [0.15, 0.25, 0.20, 0.10, 0.30]
    discharged = np.zeros(24)
    discharged[14:19] = np.array([1000, 200, 1700, 800, 550]) * 1000.0
    hours = carry(charged, (charged * factor)[np.newaxis], discharged, efficiency=0.85)
    assert (charged * factor).sum() == pytest.approx(1_000_000, abs=1e-6)
    assert charged.sum() == 5_000_000
    assert hours.stored_kwh[10] == pytest.approx(4_250_000, abs=1e-6)
    assert hours.known_kwh.sum() == pytest.approx(4_250_000, abs=1e-6)
    assert hours.kg.sum() == pytest.approx(1_000_000, abs=1e-6)
    assert hours.stored_kg[0, -1] == pytest.approx(0, abs=1e-6)
    # each kWh has the mean of the charging, with its losses
    assert hours.kg[0, 15] == pytest.approx(200_000 * 1_000 / 4_250)


def test_more_than_was_charged_is_of_unknown_origin() -> None:
    hours = carry(np.array([10.0, 0]), np.array([[4.0, 0]]), np.array([0.0, 9]), efficiency=0.8)
    assert hours.known_kwh.tolist() == [0, 8]
    assert hours.kg[0].tolist() == [0, 4]
    assert hours.stored_kwh.tolist() == [8, 0]


VIENNA = ZoneInfo("Europe/Vienna")


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_periods_are_local_and_end_with_their_policy() -> None:
    calendar = MatchCalendar(
        [
            DatedPolicy(policy=POLICIES["annual"]),
            DatedPolicy(policy=POLICIES["monthly"], first=date(2026, 7, 15)),
            DatedPolicy(policy=POLICIES["hourly"], first=date(2027, 1, 1)),
        ],
        VIENNA,
    )
    hour_us = np.arange(us("2026-06-30T00:00"), us("2027-01-02T00:00"), HOUR_US)
    period = calendar.period_of(hour_us)
    names = [calendar.policies[index].name for index in calendar.policy_of(hour_us)]

    def at(text: str) -> tuple[str, int]:
        index = (us(text) - int(hour_us[0])) // HOUR_US
        return names[index], int(period[index])

    assert at("2026-06-30T00:00") == at("2026-07-14T21:00")
    assert at("2026-07-14T22:00")[0] == "monthly"
    assert at("2026-07-14T22:00") == at("2026-07-31T21:00") != at("2026-07-31T22:00")
    assert at("2026-12-31T23:00")[0] == "hourly"
    assert at("2026-12-31T23:00") != at("2027-01-01T00:00")
    assert sorted(set(period.tolist())) == list(range(int(period.max()) + 1))
    assert calendar.whole(us("2026-03-01T00:00"), us("2026-08-02T00:00")) == (
        us("2025-12-31T23:00"),
        us("2026-08-31T22:00"),
    )
    assert calendar.whole(us("2027-03-01T00:30"), us("2027-03-01T00:40")) == (
        us("2027-03-01T00:00"),
        us("2027-03-01T01:00"),
    )
    assert calendar.period_of(hour_us[:0]).size == 0


def test_a_policy_that_is_published_says_when_and_by_whom() -> None:
    for policy in POLICIES.values():
        assert (policy.source is None) == (policy.published is None)
    assert POLICIES["ghgp-2025-draft"].is_draft
    assert POLICIES["ghgp-2025-draft"].same_zone
