from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.api.http.parameters import parse_instant, split_list

INSTANT = datetime(2026, 11, 23, 18, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T18:00:00.250Z",
        "2026-11-23T19:00:00.250+01:00",
        "2026-11-23T19:00:00.250 01:00",
        "1795456800.25",
        "1795456800250",
    ],
)
def test_a_time_in_every_spelling(text: str) -> None:
    assert parse_instant(text) == INSTANT


@pytest.mark.parametrize(
    "text",
    ["", "then", "2026-11-23T18:00:00", "nan", "inf", "1e300", "-1e20", "1066-10-14T09:00:00Z"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        parse_instant(text)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a,b", "c"], ["a", "b", "c"]),
        (["a", " b "], ["a", "b"]),
        ("a,,b", ["a", "b"]),
        ([""], []),
        ("{a,b}", ["a", "b"]),
        (["{a}"], ["a"]),
        ("$__all", []),
        (["a", "$__all"], []),
    ],
)
def test_a_list_in_every_spelling(given: Any, expected: list[str]) -> None:
    assert split_list(given) == expected
