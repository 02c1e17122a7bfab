"""Which sources fail, found by halves."""

from __future__ import annotations

import pytest

from services.aggregator.isolate import Isolation


def _search(sources: int, failing: set[int], *, whole: bool = False) -> tuple[Isolation, int]:
    isolation, trials = Isolation(range(sources)), 0

    def trial(part: frozenset[int]) -> str | None:
        found = sorted(part & failing)
        return f"{found} fail" if found or whole else None

    while not isolation.is_done:
        isolation.step(trial)
        trials += 1
    return isolation, trials


@pytest.mark.parametrize("failing", [set(), {0}, {999}, {3, 4, 700}])
def test_each_source_that_fails_is_found_in_few_trials(failing: set[int]) -> None:
    isolation, trials = _search(1000, failing)
    assert isolation.culprits == {each: f"[{each}] fail" for each in failing}
    assert isolation.whole is None
    assert trials <= 2 + 2 * 10 * len(failing)


def test_what_fails_without_any_source_is_the_facilitys_own() -> None:
    isolation, trials = _search(1000, set(), whole=True)
    assert isolation.whole == "[] fail"
    assert trials == 1


def test_a_facility_without_sources_can_fail_too() -> None:
    isolation, _ = _search(0, set(), whole=True)
    assert isolation.whole == "[] fail"
