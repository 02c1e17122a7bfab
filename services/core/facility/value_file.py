"""Read values of factors by the hour: CSV or JSON, checked whole, every error with its place."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.spelling import did_you_mean
from services.core.facility.errors import FacilityFileError, Problem
from services.core.timeline.instants import EPOCH, HOUR, HOUR_US, from_us, rfc3339, to_us
from services.core.timeline.relative import NEWEST, OLDEST

#: What a row may have: the factor, the hour's first instant, kg per unit, and since when it could
#: be known.
COLUMNS: Final = ("factor", "hour", "co2_kg", "known_at")

#: More problems of one file are counted, not shown.
_MAX_PROBLEMS: Final = 100

#: No factor is beyond it, in kg per unit.
_MAX_KG: Final = 1e12

_NOT_AHEAD: Final = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FactorValues:
    """Values of one factor, in the order in which they were given."""

    #: since the epoch
    hours: NDArray[np.int64]
    #: per unit of the factor; NaN: the value is withdrawn
    kg: NDArray[np.float64]
    #: microseconds since the epoch; 0: now
    known_at_us: NDArray[np.int64]


@dataclass(kw_only=True, slots=True)
class _Rows:
    """Takes rows one by one; what is the same in many of them is read once."""

    #: of rows that name no factor
    factor: str | None
    now: datetime
    hours: dict[str, list[int]] = field(default_factory=dict)
    kg: dict[str, list[float]] = field(default_factory=dict)
    known_at_us: dict[str, list[int]] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    known_hours: dict[str, int] = field(default_factory=dict)
    known_instants: dict[str, int] = field(default_factory=lambda: {"": 0})

    def add(self, line: int, factor: str, hour: str, kg: str, known_at: str) -> None:
        """Take a row; ``kg`` empty: the value is withdrawn."""
        try:
            number = self.known_hours.get(hour)
            if number is None:
                number = self.known_hours[hour] = _hour(hour)
            since_us = self.known_instants.get(known_at)
            if since_us is None:
                since_us = self.known_instants[known_at] = self._known_at_us(known_at)
            figure = _kg(kg) if kg else math.nan
        except ValueError as error:
            self.problems.append(Problem(line=line, message=str(error)))
            return
        name = factor or self.factor
        if not name:
            self.problems.append(Problem(line=line, message="the factor is missing"))
            return
        if name not in self.hours:
            self.hours[name], self.kg[name], self.known_at_us[name] = [], [], []
            self.lines[name] = []
        self.hours[name].append(number)
        self.kg[name].append(figure)
        self.known_at_us[name].append(since_us)
        self.lines[name].append(line)

    def values(self) -> dict[str, FactorValues]:
        """Return what was taken, by factor.

        :raises FacilityFileError: with the problems of all rows.
        """
        if not self.hours and not self.problems:
            self.problems.append(Problem(line=1, message="there is no value in this file"))
        result = {
            name: FactorValues(
                hours=np.array(self.hours[name], dtype=np.int64),
                kg=np.array(self.kg[name], dtype=np.float64),
                known_at_us=np.array(self.known_at_us[name], dtype=np.int64),
            )
            for name in self.hours
        }
        for name, values in result.items():
            self.problems += _contradictions(values, self.lines[name])
        if len(self.problems) > _MAX_PROBLEMS:
            more = len(self.problems) - _MAX_PROBLEMS
            last = self.problems[_MAX_PROBLEMS].line
            self.problems = [
                *self.problems[:_MAX_PROBLEMS],
                Problem(line=last, message=f"from here on there are {more} more problems"),
            ]
        if self.problems:
            raise FacilityFileError(self.problems)
        return result

    def _known_at_us(self, text: str) -> int:
        instant = _instant("known_at", text)
        if instant > self.now + _NOT_AHEAD:
            raise ValueError(f"known_at: {text} lies in the future: give when it was published")
        return to_us(instant)


def _contradictions(values: FactorValues, lines: Sequence[int]) -> Iterator[Problem]:
    """Yield what is wrong where an hour has two values that could be known since the same time."""
    order = np.lexsort((values.known_at_us, values.hours))
    hours, known_at_us, kg = values.hours[order], values.known_at_us[order], values.kg[order]
    same_kg = (kg[1:] == kg[:-1]) | (np.isnan(kg[1:]) & np.isnan(kg[:-1]))
    twice = (hours[1:] == hours[:-1]) & (known_at_us[1:] == known_at_us[:-1]) & ~same_kg
    for place in np.flatnonzero(twice).tolist():
        hour = rfc3339(from_us(int(hours[place]) * HOUR_US), timespec="minutes")
        yield Problem(
            line=lines[order[place + 1]],
            message=f"hour: {hour} has another value at {lines[order[place]]} already: leave one"
            " out, or give both their known_at",
        )


def read_csv(text: str, now: datetime, factor: str | None = None) -> dict[str, FactorValues]:
    """Read a CSV; its first line names the columns. ``factor``: of rows that name none.

    :raises FacilityFileError: with the problems found, each with its line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows = _Rows(factor=factor, now=now)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, factor)
        place: Sequence[int | None] = [
            header.index(name) if name in header else None for name in COLUMNS
        ]
        size = len(header)
        for cells in reader:
            if len(cells) == size:
                rows.add(reader.line_num, *("" if i is None else cells[i].strip() for i in place))
            elif any(cell.strip() for cell in cells):
                mistake = f"{len(cells)} cells, the header names {size}"
                rows.problems.append(Problem(line=reader.line_num, message=mistake))
    except csv.Error as error:
        rows.problems.append(Problem(line=reader.line_num, message=f"not CSV: {error}"))
    return rows.values()


def read_json(body: bytes, now: datetime, factor: str) -> dict[str, FactorValues]:
    """Read ``{"values": [{"hour": ..., "co2_kg": ..., "known_at": ...}, ...]}`` of one factor.

    :raises FacilityFileError: with the problems found, each with the number of its value.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _refused(f"not JSON: {error}") from None
    except RecursionError:
        raise _refused("not JSON of values: it is nested too deeply") from None
    entries = document.get("values") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _refused('expected {"values": [{"hour": ..., "co2_kg": ...}, ...]}')
    rows = _Rows(factor=factor, now=now)
    for number, entry in enumerate(entries, start=1):
        cells = _cells(entry)
        if isinstance(cells, str):
            rows.problems.append(Problem(line=number, message=cells))
        else:
            rows.add(number, "", *cells)
    return rows.values()


def from_columns(
    columns: Mapping[str, Iterable[Any]], now: datetime, factor: str | None = None
) -> dict[str, FactorValues]:
    """Read columns of equal length, of text, numbers and aware datetimes, as a Parquet file has.

    :raises FacilityFileError: with the problems found, each with the number of its row.
    """
    _check_header(list(columns), factor)
    rows = _Rows(factor=factor, now=now)
    present = {name: list(map(_shown, columns[name])) for name in COLUMNS if name in columns}
    size = len(next(iter(present.values())))
    cells = [present.get(name, [""] * size) for name in COLUMNS]
    for number, row in enumerate(zip(*cells, strict=True), start=1):
        rows.add(number, *row)
    return rows.values()


def _shown(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat()
    return "" if cell is None else str(cell)


def _cells(entry: object) -> tuple[str, str, str] | str:
    """Return hour, kg and known_at of an entry of JSON as text, or what is wrong with it."""
    if not isinstance(entry, dict):
        return "expected an object with hour and co2_kg"
    for name in entry:
        if name not in COLUMNS[1:]:
            return (
                f"there is no key {name!r}{did_you_mean(str(name), COLUMNS[1:])}; it takes"
                f" {', '.join(COLUMNS[1:])}"
            )
    if "hour" not in entry or "co2_kg" not in entry:
        return f"{'co2_kg' if 'hour' in entry else 'hour'} is missing"
    hour, kg, known_at = entry["hour"], entry["co2_kg"], entry.get("known_at")
    if not isinstance(hour, str) or not isinstance(known_at, str | None):
        return "hour and known_at are text, such as 2026-11-23T18:00:00Z"
    if kg is not None and (isinstance(kg, bool) or not isinstance(kg, int | float)):
        return "co2_kg is a number, or null to withdraw the value"
    return hour, "" if kg is None else repr(kg), known_at or ""


def _check_header(header: Sequence[str], factor: str | None) -> None:
    mistakes = [
        f"there is no column {name!r}{did_you_mean(name, COLUMNS)}; it takes {', '.join(COLUMNS)}"
        for name in header
        if name not in COLUMNS
    ]
    mistakes += [
        f"{name!r} stands twice" for name in sorted({n for n in header if header.count(n) > 1})
    ]
    needed = ("hour", "co2_kg") if factor else ("factor", "hour", "co2_kg")
    mistakes += [
        f"the column {name!r} is missing"
        + ("; name the factor of the whole file with --factor" if name == "factor" else "")
        for name in needed
        if name not in header
    ]
    if mistakes:
        raise FacilityFileError([Problem(line=1, message=message) for message in mistakes])


def _hour(text: str) -> int:
    instant = _instant("hour", text)
    number, rest = divmod(instant - EPOCH, HOUR)
    if rest:
        raise ValueError(
            f"hour: {text} is no full hour of UTC: give the first instant of the hour, and the mean"
            " of shorter intervals"
        )
    return number


def _instant(name: str, text: str) -> datetime:
    mistake = f"{name}: {text[:40]!r} is no time with an offset, such as 2026-11-23T18:00:00Z"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(mistake) from None
    if instant.tzinfo is None or not OLDEST <= instant < NEWEST:
        raise ValueError(mistake)
    return instant


def _kg(text: str) -> float:
    try:
        kg = float(text)
    except ValueError:
        kg = math.nan
    if not abs(kg) <= _MAX_KG:
        raise ValueError(f"co2_kg: {text[:40]!r} is no number of kilograms per unit")
    return kg


def _refused(message: str) -> FacilityFileError:
    return FacilityFileError([Problem(line=1, message=message)])
