"""Files that are made to harm their reader, or are none, are refused soon and in little memory."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from services.ingest.files import formats
from services.ingest.files.formats import Reading
from services.ingest.files.rows import Names, Stated, UnusableFileError

#: A line that says nothing.
BLANKS = b"2024-05-01T00:00:00Z," + b" " * 1000 + b"\n"
PICTURE = b"\x89PNG\r\n" + bytes(1000)


def bomb() -> bytes:
    """A workbook whose sheet unpacks to 2 GB."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet,
    ):
        for _ in range(64):
            sheet.write(bytes(1 << 20))
    return packed.getvalue()


def laughs() -> bytes:
    """Entities of entities."""
    entities = '<!ENTITY l0 "lol">' + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)
    )
    return f'<?xml version="1.0"?><!DOCTYPE f [{entities}]><feed>&l11;</feed>'.encode()


BOMBS = {
    "line.csv.gz": (gzip.compress(b"0" * (64 << 20)), "a line has more"),
    "blanks.csv.gz": (gzip.compress(b"time,a.b\n" + BLANKS * 9000), "unpacks to more"),
    "sheet.xlsx": (bomb(), "no workbook"),
    "laughs.xml": (laughs(), "no XML"),
    "picture.xlsx": (PICTURE, "no workbook"),
    "picture.parquet": (PICTURE, "no Parquet"),
    "zeros.csv": (bytes(10_000), "no column"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    content, says = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(content)
    wide = name == "blanks.csv.gz"
    stated = Stated(facility="a", device=None if wide else "b", channel=None if wide else "c")
    reading = Reading(stated=stated, names=Names(), table=None, max_bytes=8 << 20)
    with pytest.raises(UnusableFileError, match=says) as error:
        for _ in formats.read(path, reading, lambda _: None):
            pass
    assert str(error.value).startswith(str(path))
