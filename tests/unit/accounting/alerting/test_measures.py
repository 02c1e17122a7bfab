"""Each measure: how its values follow from what was read, and that it stands in one place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError

from services.core.accounting.alerting.measures import MEASURES
from services.core.accounting.alerting.measures.channels import ChannelMeasure, WatchedGauge
from services.core.accounting.alerting.measures.devices import ArrivalMeasure, RefusalMeasure
from services.core.accounting.alerting.measures.emissions import EmissionMeasure, Totals
from services.core.accounting.alerting.measures.pollutants import PollutantMeasure
from services.core.accounting.alerting.measures.products import ProductMeasure
from services.core.accounting.alerting.measures.source_groups import SourceGroups, SourceThreshold
from services.core.accounting.alerting.measures.values import Booleans, Floats, Integers, Values
from services.core.accounting.pollutants.compliance import LimitYear, Means
from services.core.accounting.pollutants.limits import Condition, Limit
from services.core.facility.thresholds import Threshold

ROOT = Path(__file__).parents[4]

#: Where thresholds are stated, planned, evaluated, stored and shown.
#: One table translates whatever a mail may say.
WORDS_OF_MAILS = ROOT / "services/notify/wording.py"

ROOMS = (
    "services/core/accounting/alerting",
    "services/core/facility/thresholds.py",
    "services/core/facility/threshold_checks.py",
    "services/core/store/alerts",
    "services/core/store/registry/watch_plan.py",
    "services/core/store/registry/apply_thresholds.py",
    "services/aggregator/alerts",
    "services/notify",
    "services/api/models/alerts.py",
    "services/api/routes/alerts.py",
    "services/api/routes/thresholds.py",
    "services/api/dashboard/alerts.js",
    "services/api/dashboard/limits.js",
)


class Series:
    """Two sources in two minutes; the second one is unknown in the second minute, or awaited."""

    def __init__(self, *, is_awaited: bool = False) -> None:
        self.rate_kg_h: Floats = np.array([[60.0, 120.0], [600.0, np.nan]])
        self.rate_minute: Integers = np.array([[7, 8], [6, 3]])
        self.newest_rate_kg_h = self.rate_kg_h
        self.rate_unknown: Booleans = np.isnan(self.rate_kg_h)
        self.unknown: Booleans = self.rate_unknown & (not is_awaited)

    def totals(self, window: str, *, back: int = 0) -> Totals:
        """Return totals that grow by the rate; those of 24h cover half a day."""
        kg = np.array([[10.0, 12.0], [100.0, 110.0]])
        covered_min = 720.0 if window == "24h" else 30.0 - back
        return Totals(
            kg=kg,
            covered_ms=np.full(kg.shape, covered_min * 60_000),
            known_ms=np.full(kg.shape, covered_min * 60_000),
            minutes=np.array([60, 60]),
        )

    def minutes_left(self, window: str) -> Integers:
        """Return the minutes left, fewer of an hour than of a month."""
        return np.array([10, 9]) if window == "hour" else np.array([1000, 999])


def emissions(
    name: str,
    window: str = "",
    *,
    budget: float | None = None,
    projected: bool = False,
    is_awaited: bool = False,
) -> Values:
    """Values of a threshold on the first source, on the second, and on both."""
    measure = MEASURES[name]
    assert isinstance(measure, EmissionMeasure)
    found = Values.unknown(3, 2)
    thresholds = [
        SourceThreshold(row=row, sources=sources, is_projected=projected, budget_kg=budget)
        for row, sources in enumerate(([0], [1], [0, 1]))
    ]
    groups = SourceGroups(thresholds, window=window, retired=np.zeros(2, dtype=bool))
    measure.fill(found, groups, Series(is_awaited=is_awaited))
    return found


def test_a_rate_is_the_sum_of_what_is_known_and_says_what_is_not() -> None:
    found = emissions("rate")
    assert np.array_equal(found.value, [[60, 120], [600, np.nan], [660, 120]], equal_nan=True)
    assert found.incomplete.tolist() == [[False, False], [False, True], [False, True]]
    # of several the oldest that counts; what is unknown is in no sum
    assert found.known_at.tolist() == [[7, 8], [6, 3], [6, 8]]
    assert not found.awaited.any()
    # data may still come
    assert emissions("rate", is_awaited=True).awaited.tolist() == found.incomplete.tolist()


def test_a_total_of_an_hour_is_projected_at_the_present_rate() -> None:
    found = emissions("total", "hour", projected=True)
    assert found.value.tolist() == [[10, 12], [100, 110], [110, 122]]
    assert found.rise[0].tolist() == [1, 2]
    assert found.ends[0].tolist() == [10 + 10 * 1, 12 + 9 * 2]


def test_a_rolling_total_has_no_end_to_be_projected_to() -> None:
    assert np.isnan(emissions("total", "24h", projected=True).ends).all()


def test_a_budget_is_a_share_and_projected_at_the_rate_of_the_last_day() -> None:
    found = emissions("budget", "month", budget=200.0, projected=True)
    assert found.value[2].tolist() == [0.55, 0.61]
    kg_a_minute = 110 / 720
    assert found.ends[2, 0] == pytest.approx((110 + 1000 * kg_a_minute) / 200)
    assert isinstance(MEASURES["budget"], EmissionMeasure)
    assert set(MEASURES["budget"].windows_read("month")) == {"month", "24h"}


def test_coverage_is_the_mean_of_the_sources_when_their_readings_have_come() -> None:
    assert emissions("coverage", "1h").value == pytest.approx(28 / 60)


def gauge(*, minutes: int = 1, above: bool = True) -> WatchedGauge:
    """Readings of 1, 5 and 9 in the 100th minute, 20 s apart, held for a minute."""
    start = 100 * 60_000_000
    return WatchedGauge(
        ts_us=start + np.array([0, 20, 40]) * 1_000_000,
        value=np.array([1.0, 5.0, 9.0]),
        max_gap_us=60_000_000,
        first=100,
        last=102,
        window_minutes=minutes,
        above=above,
    )


@pytest.mark.parametrize(("above", "expected"), [(True, [9, 9]), (False, [1, 9])])
def test_a_value_is_the_farthest_one_towards_the_limit(
    above: bool,
    expected: list[float],
) -> None:
    measure = MEASURES["value"]
    assert isinstance(measure, ChannelMeasure)
    values = measure.values(gauge(above=above))
    assert values[:2].tolist() == expected
    assert np.isnan(values[2])


def test_an_average_weighs_by_time_and_leaves_gaps_out() -> None:
    measure = MEASURES["average"]
    assert isinstance(measure, ChannelMeasure)
    values = measure.values(gauge(minutes=measure.window_minutes("2m")))
    # a minute of 5 on average, then 40 s of 9
    assert values.tolist() == pytest.approx([5, 6.6, 9])


@pytest.mark.vector
def test_a_validated_average_is_the_measured_one_less_its_confidence_interval() -> None:
    """NOx under Directive 2010/75/EU: 20 % of the limit, here of 30, off the mean; not below 0."""
    stated = Threshold.model_validate(
        {
            "id": "nox",
            "channel": "cems.nox",
            "measure": "average",
            "window": "2m",
            "above": 30,
            "confidence_interval": 20,
        }
    )
    measure = stated.definition
    assert isinstance(measure, ChannelMeasure)
    values = measure.values(replace(gauge(minutes=2), deduction=stated.deduction))
    assert stated.deduction == pytest.approx(6)
    # 5, 6.6 and 9 were measured
    assert values.tolist() == pytest.approx([0, 0.6, 3])
    unknown = MEASURES["value"]
    assert isinstance(unknown, ChannelMeasure)
    assert np.isnan(unknown.values(replace(gauge(), deduction=6.0))[2])


@pytest.mark.parametrize(
    "stated",
    [
        {"source": "kiln", "measure": "rate", "above": 30},
        {"channel": "cems.nox", "measure": "value", "below": 30},
        {"channel": "cems.nox", "measure": "value", "above": 0},
    ],
)
def test_a_confidence_interval_is_a_share_of_an_upper_limit_of_a_channel(
    stated: dict[str, object],
) -> None:
    with pytest.raises(ValidationError, match="it needs channel and above"):
        Threshold.model_validate({"id": "nox", "confidence_interval": 20, **stated})


def test_silence_counts_seconds_from_the_newest_reading() -> None:
    measure = MEASURES["silence"]
    assert isinstance(measure, ArrivalMeasure)
    assert measure.values(np.array([5, 6, 7]), np.array([5, 5, 7])).tolist() == [0, 60, 0]


def test_quarantine_counts_what_came_in_the_window() -> None:
    measure = MEASURES["quarantine"]
    assert isinstance(measure, RefusalMeasure)
    sums = np.cumsum([0, 2, 0, 3, 1])
    assert measure.values(sums, np.array([2, 3, 4]), 2).tolist() == [2, 3, 4]


def test_an_allowance_is_that_of_the_limit_of_which_most_is_used() -> None:
    measure = MEASURES["allowance"]
    assert isinstance(measure, PollutantMeasure)
    # the first hour of 2026 is 150 mg/Nm3; 263 hours of a year are 3.0 %, 87 are 1 %
    means = Means(
        starts=np.array([29_453_760]),
        mean=np.array([150.0]),
        operated=np.array([True]),
        minutes=60,
    )
    years = [
        LimitYear(
            Limit(
                name="share",
                rule="stated",
                citation="permit",
                value=Decimal(100),
                conditions=(
                    Condition(means="interval", at_most=Decimal(100), percent=Decimal(percent)),
                ),
            ),
            means,
            2026,
            ZoneInfo("UTC"),
        )
        for percent in (97, 99)
    ]
    minutes = np.array([29_453_819, 29_453_820])
    assert measure.values(years, minutes).tolist() == pytest.approx([0, 1 / 87])
    assert np.isnan(measure.values([], minutes)).all()


def test_an_intensity_is_unknown_where_nothing_was_made() -> None:
    measure = MEASURES["intensity"]
    assert isinstance(measure, ProductMeasure)
    kg, amount = np.array([230.0, 90.0, np.nan, 5.0]), np.array([4.0, 0.0, 1.0, np.nan])
    assert measure.values(kg, amount).tolist() == pytest.approx([57.5, *[np.nan] * 3], nan_ok=True)


def test_each_measure_is_of_a_kind_that_the_aggregator_reads() -> None:
    kinds = (
        EmissionMeasure,
        ChannelMeasure,
        ArrivalMeasure,
        RefusalMeasure,
        PollutantMeasure,
        ProductMeasure,
    )
    assert all(isinstance(measure, kinds) for measure in MEASURES.values())


def test_each_measure_has_its_row_in_the_table_of_the_documentation() -> None:
    page = (ROOT / "deploy/docs/howto/thresholds.md").read_text()
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert {name for name in MEASURES if f"`{name}`" not in rows} == set()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_named_in_one_module(name: str) -> None:
    """Adding a measure touches its class, its word in mails, a test and the documentation."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if name in names_in(path, columns=name == "value") and path != WORDS_OF_MAILS
    ]
    assert len(found) == 1, found
    assert found[0].startswith("services/core/accounting/alerting/measures/")


def modules() -> Iterator[Path]:
    for room in ROOMS:
        path = ROOT / room
        listed = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        # what is published to Home Assistant has the words of that
        yield from (module for module in listed if module.parent.name != "homeassistant")


@cache
def names_in(path: Path, *, columns: bool) -> set[str]:
    """Texts of a module; with ``columns`` without those that name a column of an alert."""
    if path.suffix == ".js":
        return set(re.findall(r"[\"'`]([a-z]+)[\"'`]", path.read_text()))
    tree = ast.parse(path.read_text())
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "examples":
            left_out |= {id(each) for each in ast.walk(node.value)}
        if columns and isinstance(node, ast.Dict | ast.Subscript | ast.Tuple):
            left_out |= {id(each) for each in ast.walk(node) if isinstance(each, ast.Constant)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in left_out
    }
