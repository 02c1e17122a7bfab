"""What a worker is told, and what it says: a line of JSON each, on its stdin and stdout."""

from __future__ import annotations

from typing import Any

import msgspec

from services.core.runtime.uploads import Holds
from services.ingest.prepare import TimeBounds


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one file."""

    database_url: str
    bounds: TimeBounds
    pack_after_days: int
    batch_rows: int
    #: of a text, unpacked
    max_bytes: int
    #: of a file of activities, which is read as a whole
    max_file_bytes: int
    upload: str
    facility: str
    #: of the file, as its owner knows it; on disk it has only its ending
    name: str
    path: str
    holds: Holds
    is_trial: bool
    #: text of a table file
    table: str | None
    device: str | None
    channel: str | None
    unit: str | None
    by: str
    address: str | None


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="progress"):
    """How far a worker is."""

    read_bytes: int
    rows: int


class Done(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="done"):
    """The whole file was read; what became of its rows, as ``tonne import --json`` says it."""

    report: dict[str, Any]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="says", tag="failed"):
    """The file cannot be read, or not to its end; what came before is in the report."""

    error: str
    report: dict[str, Any] | None = None


Note = Progress | Done | Failed
