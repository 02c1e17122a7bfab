"""When a factor is past its successor."""

from __future__ import annotations

from datetime import date

import pytest

from services.core.accounting.builtin_factors import builtin_factors
from services.core.accounting.factor_calendar import FactorAge
from services.core.accounting.factor_publications import publications

DUE = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("age", "on", "said"),
    [
        (FactorAge(data_year=2025, successor_expected=DUE), date(2026, 6, 30), None),
        (
            FactorAge(data_year=2025, successor_expected=DUE),
            date(2026, 7, 1),
            "factor of 2025; a newer one is expected since June 2026",
        ),
        (
            FactorAge(data_year=2025, newest_year=2026, successor_expected=DUE),
            date(2026, 2, 1),
            "factor of 2025, 2026 is out",
        ),
        (FactorAge(data_year=2025, newest_year=2026), date(2025, 12, 31), None),
        (FactorAge(data_year=2006), date(2026, 7, 1), None),
        (FactorAge(data_year=None, successor_expected=DUE), date(2026, 7, 1), None),
    ],
)
def test_a_figure_is_stale_past_its_successor(age: FactorAge, on: date, said: str | None) -> None:
    assert age.stale(on) == said


def test_every_series_has_a_calendar() -> None:
    for publication in publications().values():
        assert publication.series.calendar, publication.id


def test_yearly_figures_that_hold_until_further_notice_are_due_a_successor() -> None:
    dated = {
        f.id
        for versions in builtin_factors().values()
        for f in versions
        if f.known_to is None and f.valid_to is None and f.successor_expected is not None
    }
    for name in ("grid-gb", "grid-us", "grid-de", "grid-cn", "grid-au", "grid-za-ember"):
        assert name in dated
    assert not {"diesel", "lpg-ipcc", "sf6"} & dated
