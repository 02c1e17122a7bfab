"""Rows of which nobody can tell what was known have no figure at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.core.store.answers.emissions import Bucket, EmissionRow, _with_unknown
from services.core.store.computation.hours_then import HoursThen

_START = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_row_with_an_hour_that_is_lost_has_no_figure() -> None:
    buckets = [
        Bucket(begins=_START + timedelta(days=day), ends=_START + timedelta(days=day + 1))
        for day in range(2)
    ]
    rows = [
        EmissionRow(
            bucket=bucket, source_id=1, masses_ug=(5, 5, 5, 0), activity_n=7, exported_n=3,
            covered_ms=60_000, methods_ms=(60_000, 0, 0), version=1, final=True, quality="measured",
            code=None,
        )
        for bucket in range(2)
    ]  # fmt: skip
    hour = int(_START.timestamp()) // 3600 + 25
    then = HoursThen(figures={}, unknown={(1, hour): "dropped"})
    whole, lost = _with_unknown(rows, buckets, then)
    assert whole == rows[0]
    assert (lost.masses_ug, lost.activity_n, lost.exported_n) == (None, None, None)
    assert (lost.covered_ms, lost.quality, lost.unknown) == (0, "missing", "dropped")
