"""A body of any form -> messages by device, and what is wrong with the records that are none."""

from __future__ import annotations

import codecs
from typing import Final

from services.core.runtime.reading_door import Question
from services.ingest.bodies import json_body, line_body, senml_body, table_body
from services.ingest.bodies.records import Records, UnusableBodyError
from services.ingest.bodies.unpacking import unpacked

#: How gzip begins (RFC 1952 section 2.3.1).
_GZIP: Final = b"\x1f\x8b"


def read(question: Question, body: bytes, *, max_bytes: int) -> Records:
    """Read the records of a body.

    ``max_bytes``: what it may be, unpacked.

    :raises UnusableBodyError: it is not of its form.
    :raises TooLargeBodyError: it holds too much.
    """
    if question.is_gzip:
        body = unpacked(body, max_bytes)
    if body.startswith(_GZIP):
        again = " once more" if question.is_gzip else ""
        raise UnusableBodyError(
            f"the body is gzip{again}, which Content-Encoding does not say; send it compressed"
            " once, with the header Content-Encoding: gzip"
        )
    # what some editors and shells write before a text; it begins no other form
    body = body.removeprefix(codecs.BOM_UTF8)
    records = Records(question)
    if question.form == "json":
        json_body.read(body, records, question.channel)
    elif question.form == "ndjson":
        json_body.read_lines(body, records, question.channel)
    elif question.form == "senml":
        senml_body.read(body, records)
    elif question.form == "csv":
        table_body.read_csv(body, records, question)
    elif question.form == "arrow":
        table_body.read_arrow(body, records, question)
    else:
        line_body.read(
            body,
            records,
            device=question.device,
            precision=question.precision,
        )
    return records
