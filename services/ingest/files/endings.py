"""The endings of names by which files are read."""

from __future__ import annotations

from typing import Final

from services.ingest.files.rows import UnusableFileError

TEXTS: Final = (".csv", ".csv.gz")
#: Texts that are understood by a table file only.
OTHER_TEXTS: Final = (".txt", ".tsv", ".dat", ".txt.gz", ".tsv.gz")

#: Texts that may be MSCONS: utilities send it as .txt.
MESSAGES: Final = (".edi", ".txt", ".edi.gz", ".txt.gz")

#: Said of any other.
UNKNOWN: Final = (
    "its name must end in .csv, .csv.gz, .parquet, .xlsx, .xml (Green Button), or .edi (MSCONS)"
)

_ALL: Final = tuple(
    sorted({".parquet", ".xml", ".xlsx", *TEXTS, *OTHER_TEXTS, *MESSAGES}, key=len, reverse=True)
)


def ending(name: str) -> str:
    """Return the ending of a file's name by which it is read.

    :raises UnusableFileError: no file with such a name is.
    """
    for known in _ALL:
        if name.lower().endswith(known):
            return known
    raise UnusableFileError(UNKNOWN)
