"""Read a CSV of activities, an amount of a period a row: whole, every error with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints, ValidationError, model_validator

from services.core.accounting.spelling import did_you_mean
from services.core.facility import plain_words
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.fields import ChannelReference, Day, Part, Slug, Within

#: Days that one entry may be spread over: a bill is of ten years at most.
_MOST_DAYS: Final = 3660

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class ActivityEntry(Part):
    """An amount of a period: a bill, a journey, a purchase, what was thrown away."""

    id: _Text = Field(description="number of the bill or entry, unique within the facility")
    facility: Slug | None = None
    channel: ChannelReference
    from_: Day = Field(alias="from")
    #: first day after the period; None: it is of one day
    to: Day | None = None
    amount: Annotated[float, Within(lowest=-1e15, highest=1e15)]
    #: None: the channel's
    unit: _Text | None = None
    document: Annotated[str, StringConstraints(max_length=2000)] | None = None
    #: where it stands in the file
    line: int

    @property
    def end(self) -> date:
        """The first day after the period."""
        return self.from_ + timedelta(days=1) if self.to is None else self.to

    @model_validator(mode="after")
    def _has_a_period(self) -> ActivityEntry:
        if self.end <= self.from_:
            raise ValueError("to must come after from; it is the first day after the period")
        if (self.end - self.from_).days > _MOST_DAYS:
            raise ValueError("the period has more than ten years: give an entry for each")
        return self


COLUMNS: Final = ("facility", "id", "channel", "from", "to", "amount", "unit", "document")
_NEEDED: Final = ("id", "channel", "from", "amount")


def read(text: str, now: datetime, facility: str | None) -> list[ActivityEntry]:
    """Read a CSV of activities; its first line names the columns, an empty cell is the default.

    ``facility``: where the file has no column of it.

    :raises FacilityFileError: with every problem there is, each with its line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    problems: list[Problem] = []

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                message = f"{len(cells)} cells, the header names {len(header)}"
                problems.append(Problem(line=reader.line_num, message=message))
                continue
            yield reader.line_num, dict(zip(header, cells, strict=True))

    try:
        header = [name.strip() for name in next(reader, [])]
        require_columns(header, facility)
        entries = checked(rows(), problems, now, facility)
    except csv.Error as error:
        problems.append(Problem(line=reader.line_num, message=f"not CSV: {error}"))
    _refuse(problems)
    return entries


def checked(
    rows: Iterable[tuple[int, dict[str, Any]]],
    problems: list[Problem],
    now: datetime,
    facility: str | None,
) -> list[ActivityEntry]:
    """Make entries of rows, each with its line: cells by the names of :data:`COLUMNS`.

    An empty cell is the default. ``problems``: what is wrong is added to them.
    """
    entries: list[ActivityEntry] = []
    lines: dict[tuple[str | None, str], int] = {}
    for line, cells in rows:
        texts = {n: c.strip() if isinstance(c, str) else c for n, c in cells.items()}
        given = {name: cell for name, cell in texts.items() if cell not in {"", None}}
        try:
            entry = ActivityEntry.stated({"facility": facility, **given, "line": line})
        except ValidationError as error:
            problems += [
                Problem(line=line, message=str(part))
                for part in plain_words.findings(error, given, ActivityEntry)
            ]
            continue
        mistake = _why_not(entry, now, lines.get((entry.facility, entry.id)))
        if mistake is not None:
            problems.append(Problem(line=line, message=mistake))
        lines.setdefault((entry.facility, entry.id), line)
        entries.append(entry)
    if not entries and not problems:
        problems.append(Problem(line=1, message="there is no activity in this file"))
    return entries


def require_columns(header: list[str], facility: str | None) -> None:
    """Refuse a header that is not one of tonne's own.

    :raises FacilityFileError: with every problem there is.
    """
    _refuse([Problem(line=1, message=m) for m in _header_problems(header, facility)])


def _header_problems(header: list[str], facility: str | None) -> list[str]:
    mistakes = [
        f"there is no column {name!r}{did_you_mean(name, COLUMNS)}; it takes {', '.join(COLUMNS)}"
        for name in header
        if name not in COLUMNS
    ]
    mistakes += [
        f"{name!r} stands twice" for name in sorted({n for n in header if header.count(n) > 1})
    ]
    mistakes += [f"the column {name!r} is missing" for name in _NEEDED if name not in header]
    if facility is None and "facility" not in header:
        mistakes.append("name the facility: give --facility, or a column of it")
    return mistakes


def _why_not(entry: ActivityEntry, now: datetime, before: int | None) -> str | None:
    if before is not None:
        return f"{entry.id!r} stands in line {before} too: an id is of one entry"
    if entry.facility is None:
        return "facility is empty: name it, or give --facility"
    if entry.end > now.date():
        return f"the period is not over yet: it ends with {entry.end - timedelta(days=1)}"
    return None


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise FacilityFileError(problems)
