"""Measure how wrong forecasts are, and how often the truth lies in their band.

Arguments: a CSV file of hours or shorter steps with a header, the names of its columns of time and
value, and the format of a time (default: ISO 8601). At instants all over the file, what is left of
the day, month and year is forecast from what came before, as ``GET /v1/forecast`` does, and
compared with what came. With ``--peer`` the same is asked of models of statsforecast, if that is
installed. Without arguments: a month of a household.
"""

from __future__ import annotations

import argparse
import calendar
import csv
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.core.accounting.forecast.methods import OF_DAYS, OF_HOURS, Floats
from services.core.accounting.forecast.outlook import outlook

HOUSEHOLD: Final = Path(__file__).parents[1] / "fixtures" / "household-hourly-kwh-2023-01.csv"
_HISTORY: Final = {"day": 56 * 24, "month": 1096, "year": 1096}
_ORIGINS: Final = {"day": 400, "month": 300, "year": 150}
_PEERS: Final = ("AutoETS", "DynamicOptimizedTheta")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """An instant, and what was to be forecast then."""

    history: Floats
    #: of the period before the instant
    known: float
    came: Floats


def main() -> None:
    """Print the error and the share of truths in the band, by horizon."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default=HOUSEHOLD, type=Path)
    parser.add_argument("--time", default="interval_start_utc")
    parser.add_argument("--value", default="kwh")
    parser.add_argument("--format")
    parser.add_argument("--peer", action="store_true")
    asked = parser.parse_args()
    first, hours = _hours(asked.file, asked.time, asked.value, asked.format)
    days = _days(hours)
    for horizon, series in (("day", hours), ("month", days), ("year", days)):
        origins = list(_origins(horizon, series, first))
        _print(horizon, "tonne", *_ours(horizon, origins))
        for name in _PEERS if asked.peer and horizon != "day" else ():
            _print(horizon, name, *_peer(name, origins))


def _hours(file: Path, when: str, value: str, form: str | None) -> tuple[datetime, Floats]:
    sums: defaultdict[datetime, list[float]] = defaultdict(list)
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines):
            text = row[when]
            # the file's own clock, whichever that is
            at = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
            sums[at.replace(minute=0, tzinfo=None)].append(float(row[value]))
    first = min(sums).replace(hour=0)
    count = (max(sums) - first) // timedelta(hours=1) + 1
    usual = float(np.median([len(values) for values in sums.values()]))
    hours = np.full(count - count % 24, np.nan)
    for at, values in sums.items():
        place = (at - first) // timedelta(hours=1)
        if place < hours.size:
            hours[place] = np.mean(values) * usual
    return first, hours


def _days(hours: Floats) -> Floats:
    by_day = hours.reshape(-1, 24)
    known = (~np.isnan(by_day)).sum(axis=1)
    sums = np.nansum(by_day, axis=1) * 24 / np.maximum(known, 1)
    return np.asarray(np.where(known >= 22, sums, np.nan))


def _origins(horizon: str, series: Floats, first: datetime) -> Iterator[Origin]:
    step = timedelta(hours=1) if horizon == "day" else timedelta(days=1)
    # no multiple of a day or a week
    every = max(1, series.size // _ORIGINS[horizon]) // 7 * 7 + 5
    for index in range(0, series.size, every):
        at = first + index * step
        begins = at.replace(hour=0)
        ends = begins + timedelta(days=1)
        if horizon != "day":
            begins = at.replace(day=1) if horizon == "month" else at.replace(day=1, month=1)
            length = calendar.monthrange(at.year, at.month)[1] if horizon == "month" else 365
            length += horizon == "year" and calendar.isleap(at.year)
            ends = begins + timedelta(days=length)
        low, high = index - (at - begins) // step, index + (ends - at) // step
        came = series[index:high]
        if low >= 0 and high <= series.size and not np.isnan(series[low:high]).any():
            history = series[max(0, index - _HISTORY[horizon]) : index]
            yield Origin(history=history, known=float(series[low:index].sum()), came=came)


#: Errors and half bands as shares of the truth, which errors were in the band, and the CPU time.
Result = tuple[list[float], list[bool], list[float], float]


def _ours(horizon: str, origins: list[Origin]) -> Result:
    errors, inside, widths = [], [], []
    begun = time.process_time()
    for origin in origins:
        expected = outlook(
            origin.history,
            np.ones(origin.came.size),
            OF_HOURS if horizon == "day" else OF_DAYS,
            stride=24 if horizon == "day" else 1,
        )
        if expected is not None:
            total = origin.known + float(origin.came.sum())
            off = origin.known + expected.rest - total
            errors.append(abs(off) / total)
            inside.append(abs(off) <= expected.half)
            widths.append(expected.half / total)
    return errors, inside, widths, (time.process_time() - begun) / max(1, len(origins))


def _peer(name: str, origins: list[Origin]) -> Result:
    model: Callable[..., Any] = getattr(importlib.import_module("statsforecast.models"), name)
    errors: list[float] = []
    begun = time.process_time()
    for origin in origins:
        expected = outlook(origin.history, np.ones(origin.came.size), OF_DAYS, stride=1)
        if expected is None or np.isnan(origin.history).any():
            continue
        said = model(season_length=7).forecast(y=origin.history, h=origin.came.size)["mean"]
        total = origin.known + float(origin.came.sum())
        errors.append(abs(origin.known + float(said.sum()) - total) / total)
    return errors, [], [], (time.process_time() - begun) / max(1, len(errors))


def _print(
    horizon: str, name: str, errors: list[float], inside: list[bool], widths: list[float], s: float
) -> None:
    if not errors:
        print(f"{horizon:6} {name:22} no forecast")
        return
    band = (
        f"; in the band {np.mean(inside):.1%}, half of it {np.mean(widths):.1%}" if inside else ""
    )
    print(
        f"{horizon:6} {name:22} {len(errors):4} forecasts, off by {np.mean(errors):.2%}{band};"
        f" {1000 * s:.0f} ms each"
    )


if __name__ == "__main__":
    main()
