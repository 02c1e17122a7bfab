"""MSCONS messages (UN/EDIFACT D.04B) as lines of a table: load profiles and meter readings.

As EDI@Energy describes them (MSCONS message description 2.4c of the BDEW, 2024-07-26): below
``LOC`` with a metering point come ``PIA`` with an OBIS code, then ``QTY`` with a value, its ``DTM``
behind it. A message whose ``BGM`` says 1 takes back the one that ``RFF+ACW`` names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.core.facility.table_file import (
    TableFile,
    TableQuality,
    TableTime,
    TableUnit,
    TableValue,
)
from services.ingest.decode.text_number import decimal
from services.ingest.files import edifact
from services.ingest.files.csv_lines import Lines
from services.ingest.files.edifact import Segment
from services.ingest.files.rows import Misshapen, UnusableFileError

#: What a line has. time, start, end: epoch seconds; length: seconds; register: OBIS code.
HEADERS: Final = [
    "time",
    "start",
    "end",
    "length",
    "value",
    "unit",
    "location",
    "register",
    "meter",
    "qualifier",
    "quality",
]

#: Lines that are given at once.
_LINES: Final = 2000

#: Times that are remembered: one interval begins where another ends.
_MAX_TIMES: Final = 100_000

_NAMES: Final = frozenset({"UNB", "UNH", "BGM", "RFF", "LOC", "LIN", "PIA", "QTY", "DTM", "UNT"})

#: QTY, data element 6063. Anything else is told by its code, which no quality is.
_QUALITIES: Final = {
    "220": "good",  # true value
    "79": "good",  # sum
    "67": "uncertain",  # substitute
    "187": "uncertain",  # forecast
    "201": "uncertain",  # proposed
    "Z18": "uncertain",  # provisional
    "20": "bad",  # not usable
    "Z30": "good",  # missing: there is no value that could be bad
}
_MISSING: Final = "Z30"
#: What every table file takes for no value.
_NO_VALUE: Final = "NaN"

#: QTY, data element 6411.
_UNITS: Final = {"KWH": "kWh", "KWT": "kW"}

#: Electricity by OBIS code (IEC 62056-61): energy as a register (8) or by intervals (9, 29), active
#: (1, 2) or reactive; a maximum (6) is a power. EDI@Energy leaves the unit to the code.
_OBIS: Final = re.compile(r"1-\d+:(?P<kind>\d+)\.(?P<way>\d+)\.\d+")
_ACTIVE: Final = frozenset({"1", "2"})
_REACTIVE: Final = frozenset(map(str, range(3, 9)))
_ENERGY: Final = frozenset({"8", "9", "29"})

#: DTM, data element 2005.
_START, _END, _VALID, _READ = "163", "164", "7", "9"

#: DTM, data element 2379: CCYYMMDDHHMMZZZ (some leave ZZZ out), CCYYMMDDHHMM, CCYYMMDD.
_DIGITS: Final = {
    "303": re.compile(r"\d{12}([+-]\d{2}(\d{2})?)?", re.ASCII),
    "203": re.compile(r"\d{12}", re.ASCII),
    "102": re.compile(r"\d{8}", re.ASCII),
}


@dataclass(kw_only=True, slots=True)
class _Message:
    """What a message said so far."""

    number: str = ""
    #: it has not ended yet
    open: bool = True
    #: it takes back the messages that it names
    cancels: bool = False
    location: str = ""
    meter: str = ""
    register: str = ""
    unit: str = ""
    qualifier: str = ""
    amount: str = ""
    amount_unit: str = ""
    #: in which segment the value stands; 0: there is none yet
    segment: int = 0
    times: dict[str, Any] = field(default_factory=dict)


def table(channel: str, facility: str | None) -> TableFile:
    """Return what stands where in the lines of a file with readings of one channel.

    :raises ValueError: ``channel`` is not device.channel.
    """
    return TableFile(
        facility=facility,
        time=TableTime(column=("time",), unit="s"),
        values=(
            TableValue(
                channel=channel,
                column="value",
                unit=TableUnit(column="unit"),
                quality=TableQuality(column="quality", map={"good": "good"}),
            ),
        ),
    )


def read(
    path: Path, advance: Callable[[int], None], *, one_channel: bool
) -> Iterator[Lines | Misshapen]:
    """Read a file; ``advance`` hears how many bytes were.

    Messages that the file itself takes back are left out; one that takes back what stands elsewhere
    is no reading, and says so. ``one_channel``: all readings go to one channel, so they must be of
    one register of one metering point.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    survey = _survey(path)
    if one_channel and len(survey.registers) > 1:
        names = ", ".join(f"{place} {register}" for place, register in sorted(survey.registers)[:9])
        raise UnusableFileError(
            f"it has readings of {len(survey.registers)} registers ({names}); say in a table file"
            " (--table) which of them, by where: {location: ..., register: ...}, is which channel"
        )
    yield Lines(headers=HEADERS, cells=[], numbers=np.zeros(0, dtype=np.int64))
    cells: list[list[Any]] = []
    numbers: list[int] = []
    reader = _Reader()
    for number, segment in edifact.segments(path, _NAMES, advance):
        for line, row in reader.take(number, segment):
            if reader.message.number not in survey.cancelled:
                cells.append(row)
                numbers.append(line)
        if segment[0][0] == "UNT" and reader.message.cancels:
            elsewhere = sorted(survey.cancelled_by[reader.message.number] - survey.messages)
            if elsewhere:
                yield Misshapen(line=number, detail=_takes_back(elsewhere))
        if len(cells) >= _LINES:
            yield Lines(headers=HEADERS, cells=cells, numbers=np.array(numbers))
            cells, numbers = [], []
    if cells:
        yield Lines(headers=HEADERS, cells=cells, numbers=np.array(numbers))


def _takes_back(messages: list[str]) -> str:
    return (
        f"it takes back message {', '.join(messages)[:200]}, which is not in this file: if that was"
        " imported, take its readings back with `tonne readings discard`"
    )


@dataclass(kw_only=True, slots=True)
class _Survey:
    """What a file has, before its readings are read."""

    messages: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    #: by the message that cancels
    cancelled_by: dict[str, set[str]] = field(default_factory=dict)
    registers: set[tuple[str, str]] = field(default_factory=set)


def _survey(path: Path) -> _Survey:
    survey = _Survey()
    reader = _Reader()
    values: dict[str, set[tuple[str, str]]] = {}
    for number, segment in edifact.segments(path, _NAMES - {"DTM"}, lambda _: None):
        reader.take(number, segment)
        message = reader.message
        name = segment[0][0]
        if name == "BGM" and not message.cancels:
            survey.messages.add(message.number)
        elif name == "RFF" and message.cancels and _part(segment, 1) == "ACW":
            cancelled = survey.cancelled_by.setdefault(message.number, set())
            cancelled.add(_part(segment, 1, 1))
        elif name == "QTY" and not message.cancels:
            values.setdefault(message.number, set()).add((message.location, message.register))
        elif name == "UNT" and message.cancels:
            survey.cancelled_by.setdefault(message.number, set())
    reader.require_end()
    if not reader.messages:
        raise UnusableFileError("it has no MSCONS message")
    survey.cancelled = set().union(*survey.cancelled_by.values())
    for number_, registers in values.items():
        if number_ not in survey.cancelled:
            survey.registers |= registers
    return survey


class _Reader:
    """Takes segments in their order, and tells readings when they are complete."""

    def __init__(self) -> None:
        self.message = _Message(open=False)
        #: how many were begun
        self.messages = 0
        self._instants: dict[tuple[str, str], Any] = {}

    def take(self, number: int, segment: Segment) -> list[tuple[int, list[Any]]]:
        """Return the reading that ends before this segment, with the segment of its value.

        :raises UnusableFileError: it is another message, or a test.
        """
        name, message = segment[0][0], self.message
        if name == "DTM":
            if message.segment:
                self._time(segment)
            return []
        complete = []
        if message.segment and not message.cancels:
            complete.append((message.segment, self._cells()))
        message.segment = 0
        if name == "QTY":
            # the most, by far
            message.segment, message.times = number, {}
            message.qualifier, message.amount, message.amount_unit = _three(segment)
        elif name in {"UNB", "UNH", "BGM", "UNT"}:
            self._envelope(name, segment)
        else:
            self._position(name, segment)
        return complete

    def _envelope(self, name: str, segment: Segment) -> None:
        if name == "UNB":
            if _part(segment, 11) == "1":
                raise UnusableFileError("its sender marked it as a test (UNB)")
        elif name == "UNH":
            kind = _part(segment, 2)
            if kind != "MSCONS":
                raise UnusableFileError(f"it has a message of type {kind[:20]!r}, not MSCONS")
            self.require_end()
            self.message = _Message()
            self.messages += 1
        elif name == "BGM":
            self.message.number = _part(segment, 2)
            self.message.cancels = _part(segment, 3) == "1"
        else:
            self.message.open = False

    def _position(self, name: str, segment: Segment) -> None:
        message = self.message
        if name == "RFF":
            if _part(segment, 1) == "MG":
                message.meter = _part(segment, 1, 1)
            return
        if name == "LOC":
            message.location, message.meter = _part(segment, 2), ""
        # LOC and LIN begin what has no register yet
        message.register = _part(segment, 2) if name == "PIA" else ""
        message.unit = _unit(message.register)

    def require_end(self) -> None:
        """Refuse a message that does not end.

        :raises UnusableFileError: it does not.
        """
        if self.message.open:
            raise UnusableFileError(f"it is cut off in message {self.message.number or '?'}")

    def _time(self, segment: Segment) -> None:
        which, text, form = _three(segment)
        instant = self._instants.get((text, form))
        if instant is None:
            if len(self._instants) >= _MAX_TIMES:
                self._instants.clear()
            instant = self._instants[text, form] = _instant(text, form)
        self.message.times[which] = instant

    def _cells(self) -> list[Any]:
        message = self.message
        times = message.times
        start, end = times.get(_START, ""), times.get(_END, "")
        # the instant at which a meter reading is used comes before that at which it was read
        time = start if start != "" else times.get(_VALID, times.get(_READ, ""))
        has_length = isinstance(start, int) and isinstance(end, int)
        return [
            time,
            start,
            end,
            str(end - start) if has_length else "",
            _NO_VALUE if message.qualifier == _MISSING else _number(message.amount),
            _UNITS.get(message.amount_unit, message.amount_unit) or message.unit,
            message.location,
            message.register,
            message.meter,
            message.qualifier,
            _QUALITIES.get(message.qualifier, message.qualifier),
        ]


def _part(segment: Segment, element: int, component: int = 0) -> str:
    """Return a component of an element; a segment leaves out those at its end."""
    if element >= len(segment) or component >= len(segment[element]):
        return ""
    return segment[element][component].strip()


def _three(segment: Segment) -> list[str]:
    """Return the first components of the first element."""
    parts = segment[1] if len(segment) > 1 else []
    return parts if len(parts) == 3 else [*parts[:3], "", "", ""][:3]


def _unit(register: str) -> str:
    """Return the unit that an OBIS code implies; empty: the channel's."""
    match = _OBIS.match(register)
    if match is None or match["kind"] not in _ACTIVE | _REACTIVE:
        return ""
    active = match["kind"] in _ACTIVE
    if match["way"] in _ENERGY:
        return "kWh" if active else "kvarh"
    return "kW" if match["way"] == "6" and active else ""


def _number(text: str) -> Any:
    """Return the number of a quantity, whose decimal mark is a point or a comma; else the text."""
    number = decimal(text.replace(",", "."))
    # one that is missing is refused, not passed over as an empty cell
    return text or "?" if number is None else number


def _instant(text: str, form: str) -> Any:
    """Return epoch seconds; the text, as RFC 3339 has it, where it tells no offset or no time."""
    match = _DIGITS[form].fullmatch(text) if form in _DIGITS else None
    if match is not None:
        try:
            # the basic form of ISO 8601, which lacks nothing but a T
            moment = datetime.fromisoformat(f"{text[:8]}T{text[8:] or '00'}")
        except ValueError:
            pass
        else:
            return moment.isoformat() if moment.tzinfo is None else int(moment.timestamp())
    # refused as no time where it is one that counts
    return f"{text}:{form}"
