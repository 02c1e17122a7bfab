"""What a total is made of, and the rules about it, stand once in the product."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from services.core.store.schema.figures import (
    FIGURES,
    IN_HOURS,
    MASSES,
    SUMMED_AMOUNTS,
    TIMES,
    Mass,
    names,
    per_figure,
)
from services.core.store.schema.sum_tables import emission_day, emission_month
from services.core.store.schema.tables import (
    emission_hour,
    emission_hour_history,
    emission_minute,
    rolling_total,
)
from services.core.timeline.windows import TOTALS, Window

SERVICES = Path(__file__).parents[2] / "services"

#: A migration stays as it was written.
PRODUCT = [
    path
    for suffix in ("py", "js")
    for path in SERVICES.rglob(f"*.{suffix}")
    if "migrations" not in path.parts
]


def files_with(pattern: str) -> set[str]:
    """Product files in which the pattern stands."""
    wanted = re.compile(pattern)
    return {
        path.relative_to(SERVICES).as_posix()
        for path in PRODUCT
        if wanted.search(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("mass", [mass for mass in MASSES if mass.name != "co2_ug"], ids=str)
def test_a_mass_is_named_in_few_files(mass: Mass) -> None:
    # CO2 is asked for by name: rates, bands and thresholds are of it
    assert len(files_with(rf"\b{mass.name}\b")) <= 6
    assert "core/store/schema/figures.py" in files_with(rf"\b{mass.name}\b")


def test_every_table_of_totals_has_its_figures() -> None:
    for table in (emission_hour, emission_hour_history):
        assert {figure.name for figure in IN_HOURS} <= set(table.c.keys())
    assert {figure.name for figure in FIGURES} <= set(emission_minute.c.keys())
    assert {figure.name for figure in FIGURES if figure.in_windows} <= set(rolling_total.c.keys())
    for sums in (emission_day, emission_month):
        assert {*names(SUMMED_AMOUNTS), *TIMES} <= set(sums.c.keys())
    assert MASSES[0].name == "co2_ug"


def test_sql_follows_from_the_list() -> None:
    assert per_figure(MASSES, "h.{f} + d.{f}") == (
        "h.co2_ug + d.co2_ug, h.co2e_ug + d.co2e_ug, h.market_ug + d.market_ug,"
        " h.co2_biogenic_ug + d.co2_biogenic_ug"
    )
    assert per_figure(MASSES[:1], "sum({f.closed})::{f.type}") == (
        "sum(m.co2_ug + m.closing_ug)::int8"
    )


@pytest.mark.parametrize(
    ("statement", "home"),
    [
        # what was closed goes to the ledger in one way; what is unpacked was there before
        (r"INSERT INTO public\.emission_hour_history", "core/store/emissions/hour_ledger.py"),
        # a minute is rounded by one rule, and its SQL
        (r"def billionths", "core/accounting/minute_rounding.py"),
        (r"\+ 0\.5\) - floor", "core/store/schema/minute_mass.py"),
        # who is retired but replaced
        (r"source_input j\b", "core/store/registry/replaced_sources.py"),
    ],
)
def test_a_rule_stands_once(statement: str, home: str) -> None:
    assert files_with(statement) == {home}


def test_windows_are_listed_once() -> None:
    assert get_args(Window) == TOTALS
    names = r"['\"]7d['\"]|['\"]30d['\"]|['\"]365d['\"]|43_?200\b|43199|525_?600\b|525599"
    assert files_with(names) == {
        "core/timeline/windows.py",
        # the screen's words for each; it has no Python
        "api/dashboard/totals.js",
        # which of them a bar is as long as
        "api/dashboard/limits.js",
    }


def test_the_screen_has_words_for_every_window() -> None:
    screen = (SERVICES / "api" / "dashboard" / "totals.js").read_text(encoding="utf-8")
    assert set(re.findall(r'\["(\w+)", t\("', screen)) == set(TOTALS)
