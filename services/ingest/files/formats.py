"""Which file is read how: by the ending of its name, and by what a table file says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.core.facility.table_file import TableFile
from services.ingest.files import csv_lines, csv_rows, edifact, endings, green_button, mscons
from services.ingest.files.csv_lines import Form, Lines
from services.ingest.files.rows import FileRows, Misshapen, Names, Stated, UnusableFileError
from services.ingest.files.table_rows import TableRows


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How the files of an import are read."""

    stated: Stated
    names: Names
    #: None: the columns have tonne's own names
    table: TableFile | None
    #: that a packed text may unpack to
    max_bytes: int | None = None


def read(
    path: Path, reading: Reading, advance: Callable[[int], None]
) -> Iterator[FileRows | Misshapen]:
    """Read a file piece by piece; ``advance`` hears how many bytes were.

    :raises UnusableFileError: it cannot be read; the text begins with its name.
    """
    try:
        yield from _read(path, reading, advance)
    except UnusableFileError as error:
        raise UnusableFileError(f"{path}: {error}") from None
    except OSError as error:
        raise UnusableFileError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(
    path: Path, reading: Reading, advance: Callable[[int], None]
) -> Iterator[FileRows | Misshapen]:
    name = path.name.lower()
    if reading.table is not None and (reading.stated.channel or reading.stated.device):
        raise UnusableFileError(
            "channels stand in the table file: leave --channel and --device out"
        )
    if name.endswith(".parquet"):
        yield from _parquet(path, reading, advance)
    elif name.endswith(".xml"):
        table = _table(reading, "Green Button", green_button.table)
        lines = green_button.read(path, advance, one_channel=reading.table is None)
        yield from _rows(reading, table, lines)
    elif name.endswith(endings.MESSAGES) and edifact.begins(path):
        table = _table(reading, "MSCONS", mscons.table)
        messages = mscons.read(path, advance, one_channel=reading.table is None)
        yield from _rows(reading, table, messages)
    elif reading.table is not None:
        yield from _rows(reading, reading.table, _lines(path, reading, reading.table, advance))
    elif name.endswith(".xlsx"):
        lines = _workbook(path, advance, sheet=None, skip=0, headers=True)
        yield from csv_rows.of_lines(csv_rows.as_texts(lines), reading.stated, reading.names)
    elif name.endswith(endings.TEXTS):
        yield from csv_rows.read(
            path, reading.stated, reading.names, advance, max_bytes=reading.max_bytes
        )
    elif name.endswith(endings.OTHER_TEXTS):
        raise UnusableFileError("say in a table file (--table) what stands where in it")
    else:
        raise UnusableFileError(endings.UNKNOWN)


def _rows(
    reading: Reading, table: TableFile, lines: Iterator[Lines | Misshapen]
) -> Iterator[FileRows | Misshapen]:
    return TableRows(table, reading.names, reading.stated).read(lines)


def _lines(
    path: Path, reading: Reading, table: TableFile, advance: Callable[[int], None]
) -> Iterator[Lines]:
    if path.suffix.lower() == ".xlsx":
        return _workbook(path, advance, sheet=table.sheet, skip=table.skip, headers=table.headers)
    if not path.name.lower().endswith((*endings.TEXTS, *endings.OTHER_TEXTS)):
        raise UnusableFileError(endings.UNKNOWN)
    form = Form(
        encoding="utf-8-sig" if table.encoding == "utf-8" else table.encoding,
        separator=table.separator,
        skip=table.skip,
        headers=table.headers,
    )
    return csv_lines.read(path, form, advance, max_bytes=reading.max_bytes)


def _workbook(
    path: Path, advance: Callable[[int], None], *, sheet: str | None, skip: int, headers: bool
) -> Iterator[Lines]:
    from services.ingest.files import workbook_lines  # noqa: PLC0415 - for who has such a file

    return workbook_lines.read(path, advance, sheet=sheet, skip=skip, headers=headers)


def _table(
    reading: Reading, kind: str, default: Callable[[str, str | None], TableFile]
) -> TableFile:
    """Return what stands where in a file that says itself how it is to be read."""
    if reading.table is not None:
        return reading.table
    stated = reading.stated
    if stated.channel is None:
        raise UnusableFileError(
            f"a file of {kind} names no channel: give --channel, or a table file (--table)"
        )
    channel = stated.channel if stated.device is None else f"{stated.device}.{stated.channel}"
    try:
        return default(channel, stated.facility)
    except ValueError:
        raise UnusableFileError(
            f"{channel!r} does not name a channel: say device.channel"
        ) from None


def _parquet(
    path: Path, reading: Reading, advance: Callable[[int], None]
) -> Iterator[FileRows | Misshapen]:
    if reading.table is not None:
        raise UnusableFileError(
            "a table file says nothing of Parquet: name its columns as tonne does"
        )
    try:
        from services.ingest.files import parquet_rows  # noqa: PLC0415 - 170 MB, for who has such a file
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise UnusableFileError(
            "Parquet needs pyarrow, which is not installed; install tonne with its extra parquet,"
            " or import a CSV"
        ) from None
    return parquet_rows.read(path, reading.stated, reading.names, advance)
