"""Files of history: whatever their bytes, rows of readings or one sentence about the file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final
from unittest.mock import patch

from openpyxl import Workbook

from services.core.facility.table_file import TableFile, parse_table
from services.core.store.foreign import home_assistant
from services.core.store.foreign.rows import ForeignDatabaseError
from services.ingest.decode import decoder_for
from services.ingest.files import edifact, foreign_lines, formats, influx_lines
from services.ingest.files.formats import Reading
from services.ingest.files.row_messages import message, quality_code
from services.ingest.files.rows import (
    NO_TIME,
    FileRows,
    Misshapen,
    Names,
    Stated,
    UnusableFileError,
)
from services.ingest.files.table_rows import TableRows
from tests.fuzz.answers import holds, tells

_STATED: Final = Stated(facility="f", channel="d.c")

_NATIVE: Final = decoder_for("native", {}, [])

#: What utilities and loggers write, each in its own way.
_TABLES: Final = tuple(
    parse_table(text)
    for text in (
        """
facility: f
number: comma
invalid: ["-", "n/a"]
time: {column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Vienna}
values:
  - channel: d.a
    column: Wert
    unit: {column: Einheit, map: {KWH: kWh}}
    quality: {column: Status, map: {W: good}, default: bad}
""",
        """
facility: f
encoding: cp1252
separator: "|"
skip: 1
time: {column: Day, in_header: "%H:%M", format: "%Y%m%d %H:%M", timezone: America/St_Johns}
values: [{channel: d.a, unit: kWh, number: point}]
""",
        """
facility: f
encoding: utf-16
headers: false
time: {column: 1}
values:
  - {channel: d.a, column: 2, where: {3: [import, "1"]}, number: hex}
  - {channel: d.b, column: 2, where: {3: export}}
""",
    )
)

_FLOWS: Final = parse_table(
    """
facility: f
time: {column: start}
values:
  - {channel: d.a, column: value, where: {flow: import}, unit: {column: unit}}
  - channel: d.b
    column: value
    unit: {column: unit}
    quality: {column: quality, map: {good: good}}
"""
)

_REGISTERS: Final = parse_table(
    """
facility: f
time: {column: time, timezone: Europe/Berlin}
values:
  - channel: d.a
    column: value
    where: {register: "1-1:1.29.0", length: 900}
    unit: {column: unit}
    quality: {column: quality, map: {good: good}}
  - {channel: d.b, column: value, unit: {column: unit}}
"""
)

_POINTS: Final = parse_table(
    """
facility: f
time: {column: time, unit: ns}
values:
  - {channel: d.a, column: value, where: {field: a, t: x}, unit: kWh}
  - {channel: d.b, column: value, number: comma, unit: {column: u}}
"""
)

_STATISTICS: Final = parse_table(
    """
facility: f
time: {column: end}
values:
  - {channel: d.a, column: sum, where: {statistic_id: [s, "1"]}, unit: {column: unit}}
  - {channel: d.b, column: mean}
"""
)


@cache
def _folder() -> Path:
    # in memory where there is such a file system: every input is a file
    shared = Path("/dev/shm")  # noqa: S108
    return Path(mkdtemp(prefix="tonne-fuzz-", dir=shared if shared.is_dir() else None))


def tables(data: bytes) -> set[str]:
    """Tables as text, of tonne's own columns and as table files say."""
    read = set()
    for ending in (".csv", ".csv.gz"):
        read |= _imported(f"t{ending}", data, None)
    for table in _TABLES:
        for ending in (".csv", ".tsv"):
            read |= _imported(f"t{ending}", data, table)
    return read


def workbooks(data: bytes) -> set[str]:
    """Workbooks: as they come, and with one of their parts exchanged."""
    packed = data if data[:2] == b"PK" else _with_part(data)
    return _imported("t.xlsx", packed, None) | _imported("t.xlsx", packed, _TABLES[0])


def parquet(data: bytes) -> set[str]:
    """Parquet."""
    return _imported("t.parquet", data, None)


def green_button(data: bytes) -> set[str]:
    """Green Button: of one channel, and as a table file says."""
    return _imported("t.xml", data, None) | _imported("t.xml", data, _FLOWS)


def mscons(data: bytes) -> set[str]:
    """MSCONS, plain and packed; what is read in pieces that end anywhere is read as in one."""
    text = b"UNA:+.? '" + data
    read = _imported("t.edi", text, None) | _imported("t.edi", text, _REGISTERS)
    path = _written("t.edi", text)
    assert _segments(path, 1 << 20) == _segments(path, 11)
    return read


def _segments(path: Path, block: int) -> object:
    names = frozenset({"LOC", "QTY", "DTM", "UNH"})
    with patch.object(edifact, "_BLOCK", block):
        try:
            return list(edifact.segments(path, names, lambda _: None))
        except UnusableFileError as error:
            return str(error)[:20]


def influx(data: bytes) -> set[str]:
    """An export of InfluxDB, plain and packed."""
    read = set()
    for ending in (".lp", ".lp.gz"):
        path = _written(f"t{ending}", data)
        names = Names()
        rows = TableRows(_POINTS, names, Stated())
        pieces = rows.read(influx_lines.read(path, _POINTS, lambda _: None))
        read |= {ending} if _checked(pieces, names) else set()
    return read


def statistics(data: bytes) -> set[str]:
    """A database of Home Assistant."""
    path = _written("t.db", data)
    names = Names()
    rows = TableRows(_STATISTICS, names, Stated())
    pieces = rows.read(foreign_lines.lines(home_assistant.rows(path)))
    return {".db"} if _checked(pieces, names) else set()


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _imported(name: str, data: bytes, table: TableFile | None) -> set[str]:
    path = _written(name, data)
    names = Names()
    stated = Stated() if table is not None else _STATED
    reading = Reading(stated=stated, names=names, table=table)
    is_read = _checked(formats.read(path, reading, lambda _: None), names)
    return {"".join(path.suffixes)} if is_read else set()


def _checked(pieces: Iterator[FileRows | Misshapen], names: Names) -> bool:
    """Read everything; whether a reading came that has a time and a value."""
    read = False
    try:
        for piece in pieces:
            if isinstance(piece, Misshapen):
                tells(piece.detail)
            else:
                read = _rows(piece, names) or read
    except (UnusableFileError, ForeignDatabaseError) as error:
        tells(str(error)[:499])
    return read


def _rows(rows: FileRows, names: Names) -> bool:
    columns = (rows.line, rows.place, rows.quality, rows.unit, rows.ts_us, rows.value, rows.missing)
    assert len({column.size for column in columns}) == 1
    for i in range(min(rows.line.size, 50)):
        place = names.places.words[rows.place[i]]
        assert all(isinstance(part, str) for part in place)
        quality, unit = names.qualities.words[rows.quality[i]], names.units.words[rows.unit[i]]
        assert quality_code(quality) in range(-1, 5)
        time, value = rows.raw(i)
        # what is refused becomes the message that its device would have sent
        sent = message(place, time, value, unit=unit, quality=quality, received_at=_NOW)
        holds(_NATIVE, sent.payload)
    return bool(((rows.ts_us != NO_TIME) & (rows.value == rows.value)).any())


_NOW: Final = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


@cache
def _parts() -> tuple[tuple[str, bytes], ...]:
    """The parts of a small workbook, those with what people enter first."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["time", "value"])
    sheet.append([datetime(2026, 11, 23, 18, 30), 1.5])  # noqa: DTZ001 - a workbook has no zones
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as packed:
        parts = [(name, packed.read(name)) for name in packed.namelist()]
    return tuple(sorted(parts, key=lambda part: not part[0].startswith("xl/worksheets/")))


def _with_part(data: bytes) -> bytes:
    parts = _parts()
    exchanged = parts[data[0] % len(parts)][0] if data else ""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name, part in parts:
            packed.writestr(name, data[1:] if name == exchanged else part)
    return file.getvalue()
