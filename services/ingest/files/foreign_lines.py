"""Rows of another database as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import numpy as np

from services.core.store.foreign.rows import ForeignRows
from services.ingest.files.csv_lines import Lines


def lines(pieces: Iterable[ForeignRows]) -> Iterator[Lines]:
    """Yield lines, numbered as the rows came, from 1."""
    before = 0
    for piece in pieces:
        numbers = np.arange(before + 1, before + 1 + len(piece.rows))
        before += len(piece.rows)
        cells = [[_cell(value) for value in row] for row in piece.rows]
        yield Lines(headers=piece.names, cells=cells, numbers=numbers)


def _cell(value: Any) -> Any:
    # a time with a zone is written as such: only those without are local
    return value.isoformat() if isinstance(value, datetime) and value.tzinfo else value
