"""Regular expressions of matchers take what Python's own take, of values as a whole."""

from __future__ import annotations

import re

import pytest

from services.api.prometheus.parse import parse
from services.api.prometheus.patterns import Allowance, Pattern
from services.api.prometheus.refusals import BadQueryError

_VALUES = ("", "a", "b", "ab", "aab", "linz", "linz-2", "boiler", "b.c", "(a)")


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a|b", "a*b", "(a|b)+", "(?:a|ab)(?:b|)", "li?n.*", "[a-l]+z(-\\d)?", "b\\.c",
        "\\(a\\)", "a{2}b", "a{1,2}b?", "(a*)*b", "^a$", "[^-]*", "(?P<name>linz|boiler)", ".+",
        "linz$|^b", "a^b", "[\\]a]+",
    ],
)  # fmt: skip
def test_a_pattern_takes_what_pythons_takes(text: str) -> None:
    pattern = Pattern(text)
    expected = [value for value in _VALUES if re.fullmatch(text, value)]
    assert [value for value in _VALUES if pattern.matches(value)] == expected


def test_no_pattern_tries_every_way() -> None:
    """Going back, this one would try 2 to the power of 5 000 ways."""
    assert not Pattern("(a|a)*b").matches("a" * 5000)


@pytest.mark.parametrize("text", ["(?i)a", "\\ba", "(?=a)", "a{1,9999}", "((a{50}){50}){50}"])
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        Pattern(text)


@pytest.mark.parametrize(
    "text", ["(){4000000000}", "((){1000}){1000000}", "(a{0}){4000000000}", "((){9}){99999999}b"]
)
def test_what_takes_nothing_is_not_repeated_for_hours(text: str) -> None:
    with pytest.raises(BadQueryError, match="too many steps"):
        Pattern(text)


def test_the_patterns_of_a_query_have_one_allowance() -> None:
    matchers = ",".join('facility=~"(.?){900}"' for _ in range(300))
    with pytest.raises(BadQueryError, match="too many steps"):
        parse(f"tonne_co2_kg_total{{{matchers}}}")


def test_many_values_at_many_states_are_given_up() -> None:
    pattern = Pattern("(a|b)*a(a|b){600}")
    values = (f"{number:063b}".translate({48: "a", 49: "b"}) * 20 for number in range(10_000))
    with pytest.raises(BadQueryError, match="too many steps"):
        list(map(pattern.matches, values))


def test_a_dashboard_asks_for_hundreds_of_ten_thousand_sources() -> None:
    allowance = Allowance()
    patterns = [Pattern("|".join(f"m{n:03}" for n in range(480)), allowance) for _ in range(12)]
    for pattern in patterns:
        assert sum(pattern.matches(f"m{n:03}") for n in range(10_000)) == 480
