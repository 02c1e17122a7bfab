"""Regular expressions of matchers take what Python's own take, of values as a whole."""

from __future__ import annotations

import re

import pytest

from services.api.prometheus.patterns import Pattern

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
