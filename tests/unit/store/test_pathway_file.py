"""A path that a facility file states wrongly is refused in a sentence that says what to do."""

from __future__ import annotations

import pytest

from services.core.facility.file import FacilityFileError, parse

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: grid-gb}
pathway:
  - %s
"""
BASE = "base: {year: 2020, tonnes: 100}"


def problems(path: str, more: str = "") -> str:
    with pytest.raises(FacilityFileError) as caught:
        parse(FILE % path + more)
    return "; ".join(str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (
            f"{{scope: 1, {BASE}, policy: sbti-1.5c-2019}}",
            "line 9: pathway, entry 1, scope: there is no source of scope 1",
        ),
        (f"{{scope: 2, {BASE}, policy: sbti-1.5c}}", "sbti-1.5c-2019"),
        (f"{{scope: 2, {BASE}, policy: sbti-1.5c-2019, rate: 5}}", "leave rate out, or write"),
        (f"{{scope: 2, {BASE}, policy: contraction}}", "needs rate, percent of the base"),
        (f"{{scope: 2, {BASE}, policy: stated}}", "needs milestones, such as [{year: 2030"),
        (
            f"{{scope: 2, {BASE}, policy: stated, milestones: [{{year: 2019, tonnes: 1}}]}}",
            "milestones come after the base year",
        ),
        (
            f"{{scope: 2, {BASE}, policy: stated, peak: {{year: 2030, tonnes: 1}}}}",
            "peak does not belong to policy: stated",
        ),
        (f"{{scope: 2, {BASE}, policy: china-3060-2020}}", "needs its peak, such as peak: {year:"),
        (
            f"{{scope: 2, {BASE}, policy: china-3060-2020, peak: {{year: 2031, tonnes: 1}}}}",
            "peak is 2030 at the latest",
        ),
        (f"{{scope: 2, {BASE}, policy: sda}}", "needs sector and production"),
        (
            f"{{scope: 2, {BASE}, policy: sbti-1.5c-2019, actual: [{{year: 2020, tonnes: 1}}]}}",
            "actual is of years after the base year",
        ),
        ("{scope: 2, base: {year: 20200}, policy: sbti-1.5c-2019}", "between 1990 and 2150"),
    ],
)
def test_a_wrong_path_is_refused(path: str, says: str) -> None:
    assert says in problems(path)


def test_a_scope_has_one_path() -> None:
    path = f"{{scope: 2, {BASE}, policy: sbti-wb2c-2019}}"
    assert "a scope has one" in problems(f"{path}\n  - {path}")


def test_a_threshold_watches_a_path_that_there_is() -> None:
    limit = "thresholds: [{id: a, scope: 2, measure: pathway, window: year, above: 1}]\n"
    path = f"{{scope: 2, {BASE}, policy: china-3060-2020, peak: {{year: 2030, tonnes: 120}}}}"
    assert parse(FILE % path + limit).pathway[0].definition.neutral_year == 2060
    without = (FILE % path + limit).split("pathway:")[0] + limit
    with pytest.raises(FacilityFileError, match="states no path of scope 2: add one"):
        parse(without)
