"""Green Button files (ESPI, NAESB REQ.21) as lines of a table: usage by interval from a utility.

An Atom feed has a ``ReadingType`` for each kind of reading (unit, power of ten, direction of flow),
and ``IntervalBlock`` entries below the ``MeterReading`` that they belong to. Links tell what
belongs together: a block's ``up`` names its meter reading, and ``related`` of that its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, iterparse

import numpy as np

from services.core.facility.table_file import (
    TableFile,
    TableQuality,
    TableTime,
    TableUnit,
    TableValue,
)
from services.ingest.files.csv_lines import Lines
from services.ingest.files.rows import UnusableFileError

#: What a line has. start and end: epoch seconds; meter_reading: the link's last part.
HEADERS: Final = ["start", "end", "value", "unit", "meter_reading", "flow", "quality"]

#: Lines that are given at once.
_LINES: Final = 2000

_ESPI: Final = "{http://naesb.org/espi}"
_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_NAMES: Final = {"e": _ESPI[1:-1], "a": _ATOM[1:-1]}

#: Units by ``uom``, of what measures energy, power or fuel; ESPI, UnitSymbolKind.
_UNITS: Final = {
    "31": "J",
    "38": "W",
    "42": "m3",
    "72": "Wh",
    "119": "ft3",
    "132": "Btu",
    "134": "L",
    "169": "therm",
}

#: ``flowDirection``: forward is what the utility delivers; ESPI, FlowDirectionKind.
_FLOWS: Final = {"1": "import", "19": "export"}

#: ``quality``; ESPI, QualityOfReading. Anything else is told by its number, which no quality is.
_QUALITIES: Final = {
    "": "good",
    "0": "good",  # passed all checks
    "7": "uncertain",  # replaced or approved by a human
    "8": "uncertain",  # estimated from history
    "9": "uncertain",  # interpolated
    "10": "bad",  # failed a check
    "11": "uncertain",  # calculated
    "12": "uncertain",  # a projection
    "13": "uncertain",  # mixed
    "14": "good",  # as measured, not checked
    "15": "uncertain",  # adjusted for the weather
    "17": "good",  # validated
    "18": "good",  # failed a check, and was determined to be right
}


@dataclass(frozen=True, slots=True)
class _Type:
    """How readings are to be understood."""

    unit: str
    scale: float
    flow: str


@dataclass(kw_only=True, slots=True)
class _Feed:
    """What a feed says beside its blocks."""

    types: dict[str, _Type] = field(default_factory=dict)
    #: by meter reading, where its types stand
    related: dict[str, list[str]] = field(default_factory=dict)
    #: meter readings that have blocks
    with_blocks: set[str] = field(default_factory=set)

    def type_of(self, meter_reading: str) -> _Type:
        """Return the type of a meter reading.

        :raises UnusableFileError: no link tells it, and there is not just one.
        """
        linked = [
            self.types[link] for link in self.related.get(meter_reading, []) if link in self.types
        ]
        # some utilities leave the links out where nothing else is in the file
        candidates = linked or list(self.types.values())
        if len(set(candidates)) != 1:
            raise UnusableFileError(
                f"no link tells which of its {len(self.types)} ReadingTypes the readings of"
                f" {meter_reading or 'an IntervalBlock'} have"
            )
        return candidates[0]


def table(channel: str, facility: str | None) -> TableFile:
    """Return what stands where in the lines of a file with readings of one channel.

    :raises ValueError: ``channel`` is not device.channel.
    """
    return TableFile(
        facility=facility,
        time=TableTime(column=("start",)),
        values=(
            TableValue(
                channel=channel,
                column="value",
                unit=TableUnit(column="unit"),
                quality=TableQuality(column="quality", map={"good": "good"}),
            ),
        ),
    )


def read(path: Path, advance: Callable[[int], None], *, one_channel: bool) -> Iterator[Lines]:
    """Read a file; ``advance`` hears how many bytes were.

    ``one_channel``: all readings go to one channel, so they must be of one meter reading.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    feed = _feed(path)
    if one_channel and len(feed.with_blocks) > 1:
        names = ", ".join(sorted(map(_last, feed.with_blocks))[:20])
        raise UnusableFileError(
            f"it has readings of {len(feed.with_blocks)} meter readings ({names}); say in a"
            " table file (--table) which of them, by where: {meter_reading: ...}, is which"
            " channel"
        )
    yield from _lines(path, feed)
    advance(path.stat().st_size)


def _feed(path: Path) -> _Feed:
    feed = _Feed()
    for entry in _entries(path):
        address = _link(entry, "self")
        kind = entry.find(".//e:ReadingType", _NAMES)
        if kind is not None:
            feed.types[address] = _type(kind)
        elif entry.find(".//e:MeterReading", _NAMES) is not None:
            feed.related[address] = [
                link for link in _links(entry, "related") if "/ReadingType/" in f"/{link}"
            ]
        elif entry.find(".//e:IntervalBlock", _NAMES) is not None:
            feed.with_blocks.add(_meter_reading(entry))
    if not feed.types:
        raise UnusableFileError("it is no Green Button file: it has no ReadingType")
    return feed


def _entries(path: Path) -> Iterator[Element]:
    try:
        yield from _parsed(path)
    except (ParseError, LookupError, ValueError) as error:
        # an encoding that Python does not know, or that expat cannot use, is no ParseError
        raise UnusableFileError(f"it is no XML that can be read ({error})") from None


def _parsed(path: Path) -> Iterator[Element]:
    with path.open("rb") as file:
        # expat bounds what entities unpack to
        parsed = iterparse(file, events=("start", "end"))  # noqa: S314
        _, root = next(parsed)
        for event, element in parsed:
            if event == "end" and element.tag == f"{_ATOM}entry":
                yield element
                # read entries are let go of: a file may have years
                root.clear()


def _links(entry: Element, rel: str) -> list[str]:
    return [
        link.get("href", "").rstrip("/")
        for link in entry.findall("a:link", _NAMES)
        if link.get("rel") == rel
    ]


def _link(entry: Element, rel: str) -> str:
    return next(iter(_links(entry, rel)), "")


def _meter_reading(entry: Element) -> str:
    return _link(entry, "up").removesuffix("/IntervalBlock")


def _last(link: str) -> str:
    return link.rpartition("/")[2]


def _text(element: Element, name: str) -> str:
    return (element.findtext(f"e:{name}", "", _NAMES) or "").strip()


def _type(kind: Element) -> _Type:
    uom, power, flow = (
        _text(kind, name) for name in ("uom", "powerOfTenMultiplier", "flowDirection")
    )
    if uom not in _UNITS:
        raise UnusableFileError(
            f"a ReadingType has uom {uom or 'not stated'}, which is no unit of energy, power or"
            " fuel that tonne knows"
        )
    try:
        scale = 10.0 ** int(power or 0)
    except (ValueError, OverflowError):
        raise UnusableFileError(f"powerOfTenMultiplier {power[:20]!r} is no number") from None
    return _Type(_UNITS[uom], scale, _FLOWS.get(flow, flow))


def _lines(path: Path, feed: _Feed) -> Iterator[Lines]:
    before = 0
    cells: list[list[Any]] = []
    yield Lines(headers=HEADERS, cells=[], numbers=np.zeros(0, dtype=np.int64))
    for entry in _entries(path):
        for block in entry.iterfind(".//e:IntervalBlock", _NAMES):
            meter_reading = _meter_reading(entry)
            kind = feed.type_of(meter_reading)
            cells += [
                _cells(reading, kind, _last(meter_reading))
                for reading in block.iterfind("e:IntervalReading", _NAMES)
            ]
        if len(cells) >= _LINES:
            yield _piece(cells, before)
            before += len(cells)
            cells = []
    yield _piece(cells, before)


def _piece(cells: list[list[Any]], before: int) -> Lines:
    """Return lines; what people would count in such a file is readings."""
    numbers = np.arange(before + 1, before + 1 + len(cells))
    return Lines(headers=HEADERS, cells=cells, numbers=numbers)


def _cells(reading: Element, kind: _Type, meter_reading: str) -> list[Any]:
    period = reading.find("e:timePeriod", _NAMES)
    start = "" if period is None else _text(period, "start")
    length = "" if period is None else _text(period, "duration")
    value: Any = _text(reading, "value")
    quality = (reading.findtext("e:ReadingQuality/e:quality", "", _NAMES) or "").strip()
    try:
        value = float(value) * kind.scale
    except ValueError:
        # told as it stands, and refused as it is
        value = value or None
    ends = str(int(start) + int(length)) if start.isdigit() and length.isdigit() else ""
    return [
        start,
        ends,
        value,
        kind.unit,
        meter_reading,
        kind.flow,
        _QUALITIES.get(quality, quality),
    ]
