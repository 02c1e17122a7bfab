"""Durations are read one way everywhere, and what is none is told what to write."""

from __future__ import annotations

import pytest

from services.core.timeline import durations


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        ("0", 0.0),
        ("0s", 0.0),
        (90, 90.0),
        ("90", 90.0),
        (1.5, 1.5),
        ("90s", 90.0),
        ("250ms", 0.25),
        ("15m", 900.0),
        ("15min", 900.0),
        ("5 minutes", 300),
        ("1 hour 30 minutes", 5400),
        ("1h30m", 5400.0),
        (" 1 h 30 m ", 5400.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        ("1w", 604_800.0),
        ("1w2d3h4m5s", 604_800.0 + 2 * 86_400 + 3 * 3600 + 245),
        ("PT1H30M", 5400.0),
        ("PT0S", 0.0),
        ("P1D", 86_400.0),
        ("P2W", 1_209_600.0),
        ("P1DT12H", 129_600.0),
        ("1e2", 100.0),
    ],
)
def test_what_people_write_is_understood(written: object, seconds: float) -> None:
    assert durations.seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "", "soon", "-1m", -1, "-", "1M", "1y", "P1M", "P", "PT", "1m1h", "1h1h", "h", "1:30",
        True, None, [1], float("nan"), float("inf"), "9" * 400, "1,5h", "1hs", "\u0661m",
    ],
)  # fmt: skip
def test_what_is_none_is_told_in_one_line_what_to_write(written: object) -> None:
    with pytest.raises(ValueError, match="write seconds or a text such as 90s, 15m, 1h30m") as said:
        durations.seconds(written)
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 200


@pytest.mark.parametrize("text", ["0.1s", "90s", "15m", "1h", "366d", "1w"])
def test_words_are_read_as_what_they_tell(text: str) -> None:
    assert durations.in_words(durations.seconds(text)) == text
