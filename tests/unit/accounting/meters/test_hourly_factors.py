"""Values of series by the hour, their means, and the order in which these hold."""

from __future__ import annotations

import random
from datetime import datetime

import numpy as np
import pytest

from services.core.accounting.factor_spans import FactorSpan, SeriesTerms, changes, per_unit, used
from services.core.accounting.hourly_factors import (
    HOURLY,
    MONTH,
    NOTHING,
    YEAR,
    KnownValues,
    means,
    reach,
    resolve,
)
from services.core.timeline.instants import to_minute


def hour(text: str) -> int:
    return to_minute(datetime.fromisoformat(text)) // 60


def values(*pairs: tuple[str, float]) -> KnownValues:
    return KnownValues(
        hours=np.array([hour(text) for text, _ in pairs]), kg=np.array([kg for _, kg in pairs])
    )


def mean(known: KnownValues, text: str, name: str) -> float:
    last = int(known.hours[-1])
    return float(means(known, last, np.array([hour(text)]), name)[0])


def test_a_month_that_is_over_is_its_own_mean_and_one_that_runs_is_the_one_before() -> None:
    known = values(
        ("2026-01-05T00:00:00Z", 1.0),
        ("2026-01-31T00:00:00Z", 3.0),
        ("2026-02-10T00:00:00Z", 8.0),
    )
    assert mean(known, "2026-01-20T07:00:00Z", MONTH) == 2.0
    assert mean(known, "2026-02-20T07:00:00Z", MONTH) == 2.0
    assert mean(known, "2026-03-20T07:00:00Z", MONTH) == 8.0
    assert np.isnan(mean(known, "2026-04-01T00:00:00Z", MONTH))
    assert mean(known, "2026-04-01T00:00:00Z", YEAR) == 4.0
    assert mean(known, "2027-04-01T00:00:00Z", YEAR) == 4.0
    over = values(*zip(["2026-02-10T00:00:00Z", "2026-02-28T00:00:00Z"], [8.0, 6.0], strict=True))
    assert mean(over, "2026-02-20T07:00:00Z", MONTH) == 7.0


def test_what_is_read_is_all_that_counts() -> None:
    rng = random.Random(7)
    first = hour("2023-01-01T00:00:00Z")
    hours = np.array(sorted(rng.sample(range(first, first + 40_000), 3000)))
    known = KnownValues(hours=hours, kg=np.array([rng.random() for _ in hours]))
    for _ in range(50):
        asked = np.arange(begin := first + rng.randrange(40_000), begin + 100)
        for name in (MONTH, YEAR):
            since, until = reach(int(asked[0]), int(asked[-1]) + 1, name)
            inside = (hours >= since) & (hours < until)
            part = KnownValues(hours=hours[inside], kg=known.kg[inside])
            whole = means(known, int(hours[-1]), asked, name)
            assert np.array_equal(means(part, int(hours[-1]), asked, name), whole, equal_nan=True)


def test_values_are_replaced_added_and_withdrawn() -> None:
    known = KnownValues(hours=np.array([1, 2, 5]), kg=np.array([1.0, 2.0, 5.0]))
    after = known.with_values(np.array([2, 3, 5]), np.array([20.0, 30.0, np.nan]))
    assert after.hours.tolist() == [1, 2, 3]
    assert after.kg.tolist() == [1.0, 20.0, 30.0]
    assert after.kg_at(np.array([0, 2, 9])).tolist() == pytest.approx(
        [np.nan, 20, np.nan], nan_ok=True
    )


def span(**terms: object) -> FactorSpan:
    return FactorSpan(
        **{"from_minute": 0, "to_minute": None, "co2_kg": 1.0, "co2e_kg": 1.0, "factor_id": 1}
        | terms  # type: ignore[arg-type]
    )


def test_each_minute_counts_by_the_first_of_the_order_that_has_a_figure() -> None:
    national = span(from_minute=600, co2_kg=0.9, co2e_kg=0.95, factor_id=2)
    terms = SeriesTerms(
        series_id=4, fallback=("national", MONTH), factors=(("national", (national,)),)
    )
    factor = span(co2_kg=1000.0, co2e_kg=1000.0, series=terms)
    known = KnownValues(hours=np.array([8, 9, 11]), kg=np.array([0.1, 0.2, 0.3]))
    hourly = {4: resolve(known, 11, np.arange(8, 13))}
    minutes = np.array([480, 540, 599, 600, 660, 720])
    found = per_unit(minutes, [factor], [], hourly)
    assert found.co2_kg.tolist() == [100.0, 200.0, 200.0, 0.9, 300.0, 0.9]
    assert found.co2e_kg.tolist() == [100.0, 200.0, 200.0, 0.95, 300.0, 0.95]
    assert found.market_kg is found.co2_kg
    assert found.known.all()
    order = [terms.order[i] for i in used(terms, minutes, hourly)]
    assert order == [HOURLY, HOURLY, HOURLY, "national", HOURLY, "national"]
    assert {480, 540, 600, 660, 720} <= changes([factor], hourly)
    alone = SeriesTerms(series_id=4, fallback=(), factors=())
    assert used(alone, minutes, hourly).tolist() == [0, 0, 0, NOTHING, 0, NOTHING]
    by_market = per_unit(minutes, [national], [span(series=alone)], hourly)
    assert by_market.market_kg.tolist() == [0.0, 0.0, 0.0, 0.9, 0.3, 0.9]


def test_hours_that_were_not_read_are_no_hours_without_a_value() -> None:
    hourly = {4: resolve(KnownValues(hours=np.array([8]), kg=np.array([1.0])), 8, np.array([8]))}
    factor = span(series=SeriesTerms(series_id=4, fallback=(), factors=()))
    with pytest.raises(LookupError):
        per_unit(np.array([540]), [factor], [], hourly)
    with pytest.raises(LookupError):
        per_unit(np.array([480]), [factor], [], {})
