from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from services.core.accounting.pollutants.compliance import LimitYear, Means
from services.core.accounting.pollutants.limits import (
    LIMIT_RULES,
    Condition,
    DayRule,
    Limit,
    Stated,
)

_ZONE = ZoneInfo("Europe/Zurich")
#: minute in which 2026 begins in Zurich
_YEAR = int(datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp()) // 60
_END = int(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()) // 60


def limit(rule: str, value: str = "100", *, deduction: str = "0", **columns: str) -> Limit:
    by_name = LIMIT_RULES[rule]
    stated = Stated(value=Decimal(value), **{k: Decimal(v) for k, v in columns.items()})
    return Limit(
        name=rule,
        rule=rule,
        citation=by_name.citation,
        value=stated.value,
        conditions=by_name.conditions(stated),
        alternatives=by_name.alternatives(stated),
        days=by_name.days,
        deduction=Decimal(deduction),
    )


def year(
    of: Limit,
    values: list[float] | NDArray[np.float64],
    *,
    minutes: int = 60,
    first: int = _YEAR,
    operated: NDArray[np.bool_] | None = None,
) -> LimitYear:
    mean = np.asarray(values, dtype=np.float64)
    return LimitYear(
        of,
        Means(
            starts=first + minutes * np.arange(mean.size),
            mean=mean,
            operated=np.ones(mean.size, dtype=bool) if operated is None else operated,
            minutes=minutes,
        ),
        2026,
        _ZONE,
    )


def hours(count: int, high: int, value: float = 120.000001) -> NDArray[np.float64]:
    """So many hours of 50 mg/Nm3, of which the first few are high."""
    means = np.full(count, 50.0)
    means[:high] = value
    return means


@pytest.mark.vector
@pytest.mark.parametrize(
    ("count", "high", "allowed", "verdict"),
    [
        # exactly 97 % do not exceed 1.2 times the limit
        (100, 3, 3, "kept"),
        (100, 4, 3, "at-risk"),
        # 97 % of 8760 are 8497.2: 262 may exceed it, 263 are too many
        (8760, 262, 262, "kept"),
        (8760, 263, 262, "broken"),
        (33, 0, 0, "kept"),
        (33, 1, 0, "at-risk"),
        (34, 1, 1, "kept"),
    ],
)
def test_97_percent_of_the_hours(count: int, high: int, allowed: int, verdict: str) -> None:
    until = min(_END, _YEAR + 60 * count)
    share = year(limit("lrv"), hours(count, high)).compliance(until).conditions[1]
    assert (share.count, share.exceeded, share.allowed) == (count, high, allowed)
    assert share.verdict == verdict


@pytest.mark.vector
def test_what_lies_on_a_limit_does_not_exceed_it() -> None:
    # 1.2 x 100 in every hour, 2 x 100 in one of them; a mean of a day of exactly 100
    day = [80.0] * 12 + [120.0] * 12
    standing = year(limit("lrv"), day).compliance(_END)
    assert [tally.exceeded for tally in standing.conditions] == [0, 0, 0]
    assert [tally.highest for tally in standing.conditions] == [100, 120, 120]
    assert standing.verdict == "kept"
    twice = year(limit("lrv"), [*day[:-1], 200.0]).compliance(_END)
    assert [tally.exceeded for tally in twice.conditions] == [1, 1, 0]
    above = year(limit("lrv"), [200.000001]).compliance(_YEAR + 60)
    assert above.conditions[2].verdict == above.verdict == "broken"
    # 1.1 has no binary fraction
    lcp = year(limit("ied_lcp"), [110.0] * 24).compliance(_END)
    assert lcp.conditions[1].exceeded == 0


@pytest.mark.vector
def test_the_confidence_interval_is_taken_off_down_to_zero() -> None:
    standing = year(limit("lrv", deduction="20"), [10.0] * 12 + [230.0] * 12).compliance(_END)
    day, share, twice = standing.conditions
    # twelve times 0 and twelve times 210
    assert (day.highest, day.exceeded) == (105, 1)
    assert (share.exceeded, twice.exceeded, twice.highest) == (12, 12, 210)


def test_a_day_counts_once_it_is_over() -> None:
    of_year = year(limit("lrv"), [150.0] * 30)
    assert of_year.compliance(_YEAR + 24 * 60 - 1).conditions[0].count == 0
    over = of_year.compliance(_YEAR + 24 * 60).conditions[0]
    assert (over.count, over.exceeded, over.newest) == (1, 1, (_YEAR,))


def test_days_and_months_are_those_of_the_facility() -> None:
    # the day on which clocks go forward has 23 hours
    first = int(datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()) // 60
    of_year = year(limit("lrv"), [150.0] * 23 + [50.0] * 24, first=first)
    assert [c.highest for c in of_year.compliance(_END).conditions] == [150, 150, 150]
    assert of_year.compliance(_END).conditions[0].count == 2
    # January, and one hour of February by Zurich's clock
    means = np.full(31 * 24 + 1, 90.0)
    means[-1] = 400.0
    lcp = year(limit("ied_lcp"), means).compliance(_END)
    assert (lcp.conditions[0].count, lcp.conditions[0].exceeded) == (2, 1)


@pytest.mark.vector
def test_large_combustion_plants() -> None:
    # 20 hours of a year may exceed twice the limit in 400 hours of operation: 5 %
    means = np.full(480, np.nan)
    means[:400] = 90.0
    means[:20] = 200.1
    operated = np.arange(480) < 400
    standing = year(limit("ied_lcp"), means, operated=operated).compliance(_END)
    month, day, share = standing.conditions
    assert (share.count, share.exceeded, share.allowed) == (400, 20, 20)
    assert (month.count, month.highest) == (1, round((20 * 200.1 + 380 * 90) / 400, 6))
    # the first day has 20 hours of 200.1 and four of 90
    assert (day.count, day.exceeded) == (17, 1)
    assert standing.verdict == "broken"


@pytest.mark.vector
@pytest.mark.parametrize(("invalid", "discarded"), [(3, 0), (4, 1)])
def test_a_day_with_more_than_three_invalid_hours_does_not_count(
    invalid: int, discarded: int
) -> None:
    means = np.full(24, 90.0)
    means[:invalid] = np.nan
    standing = year(limit("ied_lcp"), means).compliance(_END)
    assert standing.discarded_days == discarded
    assert standing.conditions[1].count == 1 - discarded
    # hours of standstill are none that lack
    still = np.arange(24) >= invalid
    assert year(limit("ied_lcp"), means, operated=still).compliance(_END).discarded_days == 0


@pytest.mark.vector
@pytest.mark.parametrize(("invalid", "discarded"), [(5, 0), (6, 1)])
def test_waste_no_more_than_five_half_hours_of_a_day_are_discarded(
    invalid: int, discarded: int
) -> None:
    means = np.full(48, 90.0)
    means[:invalid] = np.nan
    waste = limit("ied_waste", "200", half_hourly_a="400", half_hourly_b="200")
    assert year(waste, means, minutes=30).compliance(_END).discarded_days == discarded


@pytest.mark.vector
@pytest.mark.parametrize(
    ("high", "value", "a", "b", "verdict"),
    [
        # none above column A: enough, however many are above column B
        (10, 399.0, "kept", "broken", "kept"),
        # some above column A, and 3 % of three days' 144 half-hours above column B: 4.32
        (4, 401.0, "broken", "kept", "kept"),
        (5, 401.0, "broken", "broken", "broken"),
    ],
)
def test_waste_half_hours_by_either_column(
    high: int, value: float, a: str, b: str, verdict: str
) -> None:
    waste = limit("ied_waste", "200", half_hourly_a="400", half_hourly_b="200")
    means = np.full(144, 50.0)
    means[:high] = value
    # the last days of the year: nothing can mend it any more
    standing = year(waste, means, minutes=30, first=_END - 144 * 30).compliance(_END)
    assert [tally.verdict for tally in standing.alternatives] == [a, b]
    assert standing.conditions[0].verdict == "kept"
    assert standing.verdict == verdict


def test_waste_carbon_monoxide() -> None:
    co = limit("ied_waste_co", "50", half_hourly_a="100")
    day, half_hour = co.conditions
    assert (day.means, day.percent) == ("day", Decimal(97))
    assert (half_hour.means, half_hour.percent) == ("interval", Decimal(100))
    assert (day.at_most, half_hour.at_most) == (Decimal(50), Decimal(100))


@pytest.mark.vector
def test_the_share_of_the_allowance_that_is_used() -> None:
    means = np.full(300, 50.0)
    means[:262:2] = 120.000001
    at = _YEAR + 60 * np.array([0, 1, 131, 300])
    # 262 of the year's hours may exceed it
    used = year(limit("lrv"), means).used(at)
    assert used == pytest.approx([0, 1 / 262, 66 / 262, 131 / 262])
    # where none may, one that does is too much
    assert year(limit("lrv"), [201.0]).used(np.array([_YEAR + 59, _YEAR + 60])).tolist() == [0, 2]


def test_the_share_that_is_used_is_that_of_the_better_alternative() -> None:
    waste = limit("ied_waste", "200", half_hourly_a="400", half_hourly_b="200")
    means = np.full(48, 150.0)
    means[0] = 401.0
    used = year(waste, means, minutes=30).used(np.array([_YEAR + 30]))
    # 3 % of 17 520 half-hours are 525
    assert used == pytest.approx([1 / 525])


def test_a_limit_counts_as_long_as_it_is_in_force() -> None:
    dated = Limit(
        name="permit",
        rule="stated",
        citation="permit",
        value=Decimal(100),
        conditions=(Condition(means="interval", at_most=Decimal(100)),),
        days=DayRule(),
        valid_from=date(2026, 7, 1),
        valid_to=date(2026, 7, 2),
    )
    first = int(datetime(2026, 6, 30, tzinfo=UTC).timestamp()) // 60
    of_year = year(dated, [101.0] * 72, first=first)
    assert of_year.in_force == (first + 22 * 60, first + 46 * 60)
    assert of_year.compliance(_END).conditions[0].count == 24
    assert LimitYear(dated, of_year_means(), 2027, _ZONE).in_force is None


def of_year_means() -> Means:
    none = np.zeros(0)
    return Means(
        starts=none.astype(np.int64), mean=none, operated=none.astype(np.bool_), minutes=60
    )


def test_without_a_mean_nothing_is_known() -> None:
    standing = LimitYear(limit("lrv"), of_year_means(), 2026, _ZONE).compliance(_END)
    assert standing.verdict == "unknown"
    assert {tally.highest for tally in standing.conditions} == {None}


def test_each_day_of_a_year_of_half_hours_counts() -> None:
    waste = limit("ied_waste", "200", half_hourly_a="400", half_hourly_b="200")
    of_year = year(waste, np.full(17_520, 150.0), minutes=30)
    assert of_year.compliance(_END).conditions[0].count == 365
