"""Series of measured values in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

#: The header's first two columns: what the file may look like.
_HEADERS = (("interval_start_utc", "kwh"), ("time", "value"))
_QUALITIES = ("good", "uncertain", "bad", "calibration", "maintenance")
#: Epoch numbers from here on are milliseconds, below it seconds.
_MILLISECONDS_FROM = Decimal(10) ** 11
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadFileError(ValueError):
    """The file is no series; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of the series. ``value`` of None is a gap that the file states."""

    time: datetime
    value: Decimal | None
    quality: str


def read_series(path: Path) -> list[Point]:
    """Return the file's values in the order of its lines.

    The header is ``interval_start_utc,kwh`` or ``time,value``, both with ``quality`` after it or
    not. Times are RFC 3339 with an offset, or epoch seconds or milliseconds; an empty value is a
    gap.

    Raises:
        BadFileError: the file is unreadable, empty or has a wrong line.

    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            points = list(_points(file, path.name))
    except OSError as error:
        raise BadFileError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadFileError(f"{path.name} is not UTF-8 text: save it as CSV in UTF-8") from error
    if not points:
        raise BadFileError(f"{path.name} has a header and no values: nothing to replay")
    return points


def _points(file: Iterable[str], name: str) -> Iterator[Point]:
    lines = _numbered(file, name)
    _, header = next(lines, (1, []))
    columns = [column.strip().lower() for column in header]
    if tuple(columns[:2]) not in _HEADERS or columns[2:] not in ([], ["quality"]):
        raise BadFileError(
            f"{name} line 1: the header must be interval_start_utc,kwh,quality or time,value"
        )
    seen: dict[datetime, tuple[int, Point]] = {}
    for line, row in lines:
        if not row:
            continue
        try:
            point = _point(row, len(columns))
        except ValueError as error:
            raise BadFileError(f"{name} line {line}: {error}") from error
        first, earlier = seen.setdefault(point.time, (line, point))
        if earlier != point:
            raise BadFileError(
                f"{name} line {line}: the time of line {first} again, with another value: "
                "keep one of the two"
            )
        yield point


def _numbered(file: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BadFileError(f"{name} line {reader.line_num}: not CSV ({error})") from error


def _point(row: list[str], columns: int) -> Point:
    if len(row) != columns:
        raise ValueError(f"{len(row)} fields where the header has {columns}")
    word = row[2].strip().lower() if columns > 2 else ""
    quality = "good" if word in {"", "ok"} else word
    if quality not in _QUALITIES:
        raise ValueError(f"quality {word!r} is unknown: use OK, {', '.join(_QUALITIES)}")
    return Point(time=_time(row[0].strip()), value=_value(row[1].strip()), quality=quality)


def _time(text: str) -> datetime:
    try:
        number = Decimal(text)
    except InvalidOperation:
        pass
    else:
        return _from_epoch(number, text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write it like 2023-01-31T21:00:00Z") from None
    if time.tzinfo is None:
        raise ValueError(f"the time {text} has no offset: add Z if it is UTC")
    return time.astimezone(UTC)


def _from_epoch(number: Decimal, text: str) -> datetime:
    try:
        seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
        return _EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    except (OverflowError, ValueError, InvalidOperation):
        raise ValueError(f"{text!r} is no time that a calendar knows") from None


def _value(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number: use a point and no thousands mark") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is no finite number: leave the field empty for a gap")
    return value
