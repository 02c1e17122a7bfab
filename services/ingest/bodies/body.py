"""A body of any form -> messages by device, and what is wrong with the records that are none."""

from __future__ import annotations

from services.core.runtime.reading_door import Question
from services.ingest.bodies import json_body, line_body, senml_body, table_body
from services.ingest.bodies.records import Records
from services.ingest.bodies.unpacking import unpacked


def read(question: Question, body: bytes, *, max_bytes: int) -> Records:
    """Read the records of a body.

    ``max_bytes``: what it may be, unpacked.

    :raises UnusableBodyError: it is not of its form.
    :raises TooLargeBodyError: it holds too much.
    """
    if question.is_gzip:
        body = unpacked(body, max_bytes)
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
