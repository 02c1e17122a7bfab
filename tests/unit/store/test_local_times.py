"""Times of a facility file that were written without an offset."""

from __future__ import annotations

from datetime import UTC, datetime

from services.core.facility.checks import warnings
from services.core.facility.file import parse

_FILE = """
facility: {{id: mill, name: Mill, timezone: Europe/Vienna}}
devices:
  - id: m
    channels:
      - id: c
        quantity: energy
        unit: kWh
        kind: interval
        length: 15m
        stamp: end
        scale:
          - {{value: 40}}
          - {{from: {instant}, value: 60}}
"""


def test_a_time_without_an_offset_counts_as_utc_and_is_told() -> None:
    file = parse(_FILE.format(instant="2026-07-01T12:00:00"))
    scale = file.devices[0].channels[0].scale
    assert isinstance(scale, tuple)
    assert scale[1].from_ == datetime(2026, 7, 1, 12, tzinfo=UTC)
    (told,) = (sentence for sentence in warnings(file) if "offset" in sentence)
    assert told == (
        "line 14: device m, channel c, scale, entry 2, from: 2026-07-01T12:00:00 has no offset and"
        " counts as UTC; write 2026-07-01T12:00:00Z, or 2026-07-01T12:00:00+02:00 by the"
        " facility's clock"
    )


def test_with_an_offset_or_a_day_nothing_is_told() -> None:
    for instant in ("2026-07-01T12:00:00Z", "2026-07-01 12:00:00+02:00", "2026-07-01"):
        file = parse(_FILE.format(instant=instant))
        assert not [sentence for sentence in warnings(file) if "offset" in sentence]
