"""An export of InfluxDB in line protocol as lines of a table, one for each field of a point."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.core.facility.table_file import TableFile
from services.ingest.decode import line_protocol
from services.ingest.decode.observation import UndecodableError
from services.ingest.files.csv_lines import BROKEN_GZIP, Lines
from services.ingest.files.rows import UnusableFileError

#: What a line has beside the tags. time: nanoseconds since the epoch.
HEADERS: Final = ["time", "measurement", "field", "value"]

#: What is read at once, up to the end of a line.
_BLOCK_BYTES: Final = 1 << 20

#: Commands that `influx_inspect export` writes between the lines.
_COMMANDS: Final = (b"CREATE DATABASE ",)


def read(path: Path, table: TableFile, advance: Callable[[int], None]) -> Iterator[Lines]:
    """Read a file; tags that ``table`` names have columns. ``advance`` hears how many bytes were.

    :raises UnusableFileError: it is no line protocol.
    :raises OSError: it cannot be read.
    """
    headers = [*HEADERS, *_tags(table)]
    yield Lines(headers=headers, cells=[], numbers=np.zeros(0, dtype=np.int64))
    before = 0
    try:
        with path.open("rb") as file:
            text: Any = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            position = 0
            while block := text.readlines(_BLOCK_BYTES):
                yield _lines(block, headers, before)
                before += len(block)
                advance(file.tell() - position)
                position = file.tell()
    except UndecodableError as error:
        raise UnusableFileError(f"after line {before}: {error.detail}") from None
    except BROKEN_GZIP as error:
        raise UnusableFileError(f"it cannot be unpacked ({error})") from None


def _tags(table: TableFile) -> list[str]:
    """Return the columns that a table file names, beside those that every line has."""
    names: set[str] = set()
    for value in table.values:
        names.update(value.where or {})
        for part in (value.unit, value.quality):
            column = getattr(part, "column", None)
            names |= {column} if column else set()
    return sorted(names - set(HEADERS))


def _lines(block: list[bytes], headers: list[str], before: int) -> Lines:
    """Return the fields of whole lines; the text of a field may go over several."""
    tags = headers[len(HEADERS) :]
    cells: list[list[Any]] = []
    numbers: list[int] = []
    payload = b"".join(b"\n" if line.startswith(_COMMANDS) else line for line in block)
    for number, record in line_protocol.lines(payload):
        values = [record["tags"].get(tag) for tag in tags]
        for name, value in record["fields"].items():
            cells.append([record.get("time"), record["measurement"], name, value, *values])
            numbers.append(before + number)
    return Lines(headers=headers, cells=cells, numbers=np.array(numbers, dtype=np.int64))
