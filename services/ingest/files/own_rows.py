"""Rows of the one facility that who brings a file may bring readings of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from services.ingest.files.rows import OTHER_FACILITY, FileRows, Misshapen, Names


def of_facility(
    pieces: Iterable[FileRows | Misshapen], facility: str, names: Names
) -> Iterator[FileRows | Misshapen]:
    """Yield the rows of ``facility``; each other one is refused, and nothing is kept of it."""
    for piece in pieces:
        if isinstance(piece, Misshapen):
            yield piece
            continue
        is_own = np.array([place[0] == facility for place in names.places.words], dtype=np.bool_)
        selected = is_own[piece.place]
        for i in np.flatnonzero(~selected).tolist():
            other = names.places.words[int(piece.place[i])][0]
            yield Misshapen(
                line=int(piece.line[i]),
                detail=f"it is of the facility {other!r}, and this is an import of {facility}",
                reason=OTHER_FACILITY,
            )
        yield piece if selected.all() else piece.where(np.flatnonzero(selected))
