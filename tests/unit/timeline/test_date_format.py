"""Digits that stand side by side in a date are of their full width."""

from __future__ import annotations

import pytest

from services.core.timeline.date_format import parse_date


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%Y%m%d%H%M%S", "20250619145824", "2025-06-19T14:58:24"),
        ("%Y%m%d%H%M%S%f", "20250619145824881", "2025-06-19T14:58:24.881000"),
        ("%y%m%d%H%M%S", "180119100000", "2018-01-19T10:00:00"),
        ("%Y%m%dT%H%M", "20250619T0158", "2025-06-19T01:58:00"),
        ("%Y%j", "2025032", "2025-02-01T00:00:00"),
        # parts that stand alone may be short, as strptime has it
        ("%d.%m.%Y  %H:%M", "9.6.2025 1:05", "2025-06-09T01:05:00"),
        ("%d.%m.%Y %H%M", "9.6.2025 0105", "2025-06-09T01:05:00"),
        ("%d%b%Y", "9jun2025", "2025-06-09T00:00:00"),
        ("100%%%Y%m%d", "100%20250609", "2025-06-09T00:00:00"),
        (
            "%Y%m%d%H%M%S%z",
            "20250619145824+0200",
            "2025-06-19T14:58:24+02:00",
        ),
    ],
)
def test_what_is_of_the_form(form: str, text: str, moment: str) -> None:
    assert parse_date(text, form).isoformat() == moment


@pytest.mark.parametrize(
    ("form", "text"),
    [
        # strptime takes this for the year 1801
        ("%Y%m%d%H%M%S", "180119100000"),
        # ... and this for 14:58:02.4
        ("%Y%m%d%H%M%S%f", "20250619145824"),
        # ... for 10 o'clock, and for the first of November
        ("%H%M", "100"),
        ("%Y%m%d", "2025111"),
        ("%Y%m%d", "2025061"),
        ("%d.%m.%Y %H%M", "9.6.2025 105"),
        ("%Y%m%d", "20250631"),
    ],
)
def test_what_could_be_read_in_two_ways_is_of_no_form(form: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match format|out of range|unconverted"):
        parse_date(text, form)
