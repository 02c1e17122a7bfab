from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.factors import (
    ConfigurationError,
    Factor,
    FactorError,
    overlaps,
    version_in_force,
)
from services.core.accounting.gwp import AR5, AR6

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OLD = Factor(
    id="works-grid", unit="kWh", co2_kg=0.25, citation="supplier certificate 2025",
    valid_from=date(2020, 1, 1), valid_to=date(2026, 1, 1),
)  # fmt: skip
NEW = Factor(
    id="works-grid", unit="kWh", co2_kg=0.20, citation="supplier certificate 2026",
    valid_from=date(2026, 1, 1), uncertainty=5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (date(2020, 1, 1), OLD),
        (date(2025, 12, 31), OLD),
        (date(2026, 1, 1), NEW),
        (date(2099, 1, 1), NEW),
    ],
)
def test_valid_time_picks_the_version(when: date, expected: Factor) -> None:
    assert version_in_force([NEW, OLD], when, NOW) is expected


def test_the_day_is_the_facilitys_own() -> None:
    vienna = timezone(timedelta(hours=1))
    midnight = datetime(2026, 1, 1, 0, 0, tzinfo=vienna)
    assert version_in_force([OLD, NEW], midnight, NOW) is NEW
    assert version_in_force([OLD, NEW], midnight.astimezone(UTC), NOW) is OLD


def test_known_at_time_tells_what_could_be_known() -> None:
    corrected = datetime(2026, 3, 1, 12, tzinfo=UTC)
    wrong = Factor(id="x", unit="kWh", co2_kg=1.0, citation="first", known_to=corrected)
    right = Factor(id="x", unit="kWh", co2_kg=0.9, citation="corrected", known_from=corrected)
    day = date(2026, 2, 1)
    assert version_in_force([wrong, right], day, corrected - timedelta(seconds=1)) is wrong
    assert version_in_force([wrong, right], day, corrected) is right
    assert overlaps([wrong, right]) == []


def test_no_version_says_what_there_is() -> None:
    with pytest.raises(FactorError, match=r"no version for 2019-12-31.*2020-01-01 to 2026-01-01"):
        version_in_force([OLD], date(2019, 12, 31), NOW)
    with pytest.raises(FactorError, match="no such factor"):
        version_in_force([], date(2019, 12, 31), NOW)


def test_two_versions_at_once_are_an_error() -> None:
    twin = Factor(id="works-grid", unit="kWh", co2_kg=0.3, citation="another")
    with pytest.raises(FactorError, match="2 versions for 2026-05-01"):
        version_in_force([NEW, twin], date(2026, 5, 1), NOW)
    assert overlaps([OLD, NEW, twin]) == [(OLD, twin), (NEW, twin)]
    assert overlaps([OLD, NEW]) == []


def test_versions_of_different_factors_do_not_overlap() -> None:
    other = Factor(id="other", unit="kWh", co2_kg=0.3, citation="another")
    assert overlaps([NEW, other]) == []


def test_naive_times_are_refused() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive time is what is tested
    with pytest.raises(ValueError, match="aware"):
        version_in_force([OLD], naive, NOW)
    with pytest.raises(ValueError, match="aware"):
        version_in_force([OLD], date(2026, 1, 1), naive)


def test_published_co2e_stands_as_published() -> None:
    published = Factor(id="p", unit="kWh", co2_kg=0.17489, co2e_kg=0.177, citation="DESNZ 2025")
    assert published.total_co2e_kg(AR5) == published.total_co2e_kg(AR6) == 0.177


def test_gases_become_co2e_by_the_set_asked_for() -> None:
    gas = Factor(id="g", unit="TJ", co2_kg=56_100, ch4_kg=1, n2o_kg=0.1, citation="IPCC 2006")
    assert gas.total_co2e_kg(AR5) == pytest.approx(56_154.5)
    assert gas.total_co2e_kg(AR6) == pytest.approx(56_154.3)


def test_a_factor_without_any_figure_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="neither co2_kg nor co2e_kg"):
        Factor(id="g", unit="TJ", co2_kg=None, citation="none").total_co2e_kg()


@given(
    st.lists(st.dates(date(2000, 1, 1), date(2050, 1, 1)), min_size=2, max_size=8, unique=True),
    st.dates(date(2000, 1, 1), date(2050, 1, 1)),
)
def test_a_chain_of_versions_gives_exactly_one(edges: list[date], day: date) -> None:
    edges = sorted(edges)
    chain = [
        Factor(id="c", unit="kWh", co2_kg=float(i), citation="chain", valid_from=a, valid_to=b)
        for i, (a, b) in enumerate(zip([None, *edges], [*edges, None], strict=True))
    ]
    found = version_in_force(chain, day, NOW)
    assert found.co2_kg == sum(edge <= day for edge in edges)
    assert overlaps(chain) == []
