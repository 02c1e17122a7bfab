"""Bodies that are tables, CSV and Arrow: a row is a reading, or one of each channel.

The columns are those of files (:mod:`services.ingest.files.rows`), so that what is exported,
imported and sent is of one form.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from services.core.runtime.reading_door import Question
from services.ingest.bodies import arrow_rows
from services.ingest.bodies.records import Records, UnusableBodyError, record
from services.ingest.files import csv_rows
from services.ingest.files.row_messages import quality_name
from services.ingest.files.rows import FileRows, Misshapen, Names, Stated, UnusableFileError
from services.ingest.quarantine.reasons import Reason

_FORM: Final = "give each line as many cells as the header has"


def read_csv(body: bytes, records: Records, question: Question) -> None:
    """Take the rows of a CSV with a header.

    :raises UnusableBodyError: it is no such CSV.
    """
    names = Names()
    # the header is line 1, and a row of one line the next
    _take(
        csv_rows.read_stream(io.BytesIO(body), _stated(question), names),
        records,
        names,
        first_line=2,
    )


def read_arrow(body: bytes, records: Records, question: Question) -> None:
    """Take the rows of an Arrow IPC stream.

    :raises UnusableBodyError: it is no such stream.
    """
    names = Names()
    _take(arrow_rows.read(body, _stated(question), names), records, names, first_line=None)


def _stated(question: Question) -> Stated:
    return Stated(facility=question.facility, device=question.device, channel=question.channel)


def _take(
    pieces: Iterator[FileRows | Misshapen],
    records: Records,
    names: Names,
    *,
    first_line: int | None,
) -> None:
    try:
        for piece in pieces:
            if isinstance(piece, Misshapen):
                records.refuse(
                    Reason.NOT_A_READING,
                    piece.detail,
                    index=piece.line - (first_line or 1),
                    line=piece.line if first_line else None,
                    advice=_FORM,
                )
            else:
                _take_rows(piece, records, names, first_line)
    except UnusableFileError as error:
        # of a command these are options, here they are parameters of the address
        raise UnusableBodyError(str(error).replace("give --", "give ?")) from None


def _take_rows(rows: FileRows, records: Records, names: Names, first_line: int | None) -> None:
    places, units, qualities = names.places.words, names.units.words, names.qualities.words
    for number, (line, place, unit, quality) in enumerate(
        zip(
            rows.line.tolist(),
            rows.place.tolist(),
            rows.unit.tolist(),
            rows.quality.tolist(),
            strict=True,
        )
    ):
        time, value = rows.raw(number)
        facility, device, channel = places[place]
        records.add(
            record(
                time,
                channel,
                value,
                unit=units[unit],
                quality=quality_name(qualities[quality]),
            ),
            index=line - (first_line or 1),
            line=line if first_line else None,
            facility=facility,
            device=device,
        )
