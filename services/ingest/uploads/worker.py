"""Reads one uploaded file, in a process of its own: ``python -m services.ingest.uploads.worker``.

Whatever the file does to it, ingest goes on: it gives way to others, its memory is bounded, and it
ends with who started it, whose end of its stdin tells it to stop. What it stored by then stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
import structlog

from services.core.facility.activity_file import ActivityEntry
from services.core.facility.activity_table import parse_activity_table
from services.core.facility.errors import FacilityFileError
from services.core.facility.table_file import parse_table
from services.core.runtime import logging
from services.core.runtime.clock import SystemClock
from services.core.runtime.shutdown import Shutdown
from services.core.store.audit.record import come_from, come_from_now_on, record
from services.core.store.database import connect, hanging
from services.core.store.emissions import source_shape
from services.core.store.packing.days import DamagedDayError
from services.core.store.readings import activities
from services.core.store.readings.activities import ActivityConflictError
from services.ingest.database import DatabaseUnusableError, StoppedError
from services.ingest.files import activity_rows, composition, formats, own_rows
from services.ingest.files.formats import Reading
from services.ingest.files.importer import Importer
from services.ingest.files.report import Refusal, Report
from services.ingest.files.rows import (
    MISSHAPEN,
    OTHER_FACILITY,
    FileRows,
    Misshapen,
    Names,
    Stated,
    UnusableFileError,
)
from services.ingest.uploads.job import Done, Failed, Job, Note, Progress

#: What its memory may grow to: an import takes some 200 MB.
_MAX_MEMORY: Final = 1 << 30

#: So much less than ingest it gets of a processor that both want.
_NICE: Final = 10

#: A packed text of readings has no more than this many times its size, beside what is small anyway.
_MAX_RATIO: Final = 200
_SMALL_BYTES: Final = 16 << 20

#: So many rows, if they are most of those that were read, end a run: judging them one by one takes
#: an hour for ten million, and the file is not what somebody takes it for.
_MAX_REFUSED: Final = 50_000

#: How often it says how far it is.
_SAYS_EVERY_S: Final = 0.5

_log: Final = structlog.get_logger()


def main() -> int:
    """Do the job that stdin says; 0: the last line on stdout says what came of it."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    logging.configure(process="upload", level="info", style="json")
    _give_way()
    hanging.look_after()
    shutdown = Shutdown()
    shutdown.install()
    threading.Thread(target=_stop_with_parent, args=(shutdown,), daemon=True).start()
    began = time.monotonic()
    note: Note | None
    try:
        if job.holds == "readings":
            note = _readings(job, shutdown, began)
        else:
            note = _activities(job, shutdown, began)
    except (UnusableFileError, OSError) as error:
        note = Failed(error=_named(str(error), job))
    except FacilityFileError as error:
        note = Failed(error=f"the table file: {error}")
    except (DatabaseUnusableError, DamagedDayError) as error:
        note = Failed(error=str(error))
    except StoppedError:
        note = None
    except MemoryError:
        note = Failed(
            error=f"it takes more than {_MAX_MEMORY >> 20} MB of memory to read; split it, or save"
            " it as CSV"
        )
    if note is None:
        return 1
    _say(note)
    return 0


def _give_way() -> None:
    """Be what goes first where there is too little of something; where that is allowed."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def _stop_with_parent(shutdown: Shutdown) -> None:
    # not by sys.stdin, whose lock this thread would have when the process ends
    while os.read(0, 1):
        pass
    shutdown.request()


def _say(note: Note) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(note) + b"\n")
    sys.stdout.buffer.flush()


def _named(text: str, job: Job) -> str:
    """Name the file as its owner does."""
    return text.replace(job.path, job.name)


class _Teller:
    """Says how far it is, now and then."""

    def __init__(self, rows: Callable[[], int]) -> None:
        self._rows = rows
        self._read_bytes = 0
        self._says_at = 0.0

    def advance(self, size: int) -> None:
        """Note that so many bytes were read."""
        self._read_bytes += size
        self.look()

    def look(self) -> None:
        """Say how far it is, if it is time."""
        if time.monotonic() >= self._says_at:
            self._says_at = time.monotonic() + _SAYS_EVERY_S
            _say(Progress(read_bytes=self._read_bytes, rows=self._rows()))


# -- readings -----------------------------------------------------------------------------------


def _readings(job: Job, shutdown: Shutdown, began: float) -> Note | None:
    """Import what meters showed; None: it was stopped."""
    names = Names()
    reading = Reading(
        stated=Stated(facility=job.facility, device=job.device, channel=job.channel, unit=job.unit),
        names=names,
        table=None if job.table is None else parse_table(job.table, max_bytes=len(job.table) * 4),
        max_bytes=min(job.max_bytes, _SMALL_BYTES + _MAX_RATIO * Path(job.path).stat().st_size),
    )
    with composition.importer(
        job.database_url,
        shutdown,
        names,
        job.bounds,
        pack_after_days=job.pack_after_days,
        batch_rows=job.batch_rows,
        is_trial=job.is_trial,
    ) as importer:
        if not job.is_trial:
            _record(job, None)
        error = None
        complete = True
        try:
            complete = importer.run([(job.name, _pieces(job, reading, importer))])
        except UnusableFileError as unusable:
            error = _named(str(unusable), job)
    if not complete:
        return None
    report = importer.report.flat(time.monotonic() - began)
    if not job.is_trial:
        _record(job, report)
    return Done(report=report) if error is None else Failed(error=error, report=report)


def _pieces(job: Job, reading: Reading, importer: Importer) -> Iterator[FileRows | Misshapen]:
    teller = _Teller(lambda: importer.report.read)
    pieces = formats.read(Path(job.path), reading, teller.advance)
    report = importer.report
    for piece in own_rows.of_facility(pieces, job.facility, reading.names):
        yield piece
        teller.look()
        refused = report.refused.total() + report.shed
        if refused > _MAX_REFUSED and refused * 2 > report.read:
            raise UnusableFileError(
                f"{job.path}: {refused} of the first {report.read} rows were refused: look at some"
                " of them, correct the file or what stands where in it, and begin again"
            )


# -- activities ---------------------------------------------------------------------------------


def _activities(job: Job, shutdown: Shutdown, began: float) -> Note | None:
    """Import amounts of bills and the like: all of the file, or nothing; None: it was stopped."""
    path = Path(job.path)
    if path.stat().st_size > job.max_file_bytes:
        raise UnusableFileError(
            f"{path}: it has more than {job.max_file_bytes} bytes; split it, or raise"
            " TONNE_FILE_BYTES"
        )
    table = None if job.table is None else parse_activity_table(job.table)
    report = Report()
    try:
        entries = activity_rows.read(path, table, SystemClock().now(), job.facility)
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"{path}: it is not UTF-8 ({error.reason})") from None
    except FacilityFileError as error:
        return _wrong_lines(job, error, report, began)
    report.read = len(entries)
    for entry in entries:
        if entry.facility != job.facility:
            detail = f"it is of {entry.facility!r}, and this is an import of {job.facility}"
            report.refuse(
                Refusal(file=job.name, line=entry.line, reason=OTHER_FACILITY, detail=detail)
            )
    if not report.refused:
        try:
            if not _store_activities(job, entries, report, shutdown):
                return None
        except FacilityFileError as error:
            return _wrong_lines(job, error, report, began)
        except ActivityConflictError as error:
            return Failed(error=str(error), report=report.flat(time.monotonic() - began))
    return Done(report=report.flat(time.monotonic() - began))


def _store_activities(
    job: Job, entries: Sequence[ActivityEntry], report: Report, shutdown: Shutdown
) -> bool:
    """Store what is new of entries, or of a trial count it; return whether that was all.

    :raises FacilityFileError: some of them are wrong.
    :raises ActivityConflictError: a channel has a reading at the very instant of an entry's.
    """
    with connect.connect(
        job.database_url, process="ingest", role="tonne_ingest", autocommit=True
    ) as connection:
        come_from_now_on(connection, job.address)
        new, report.duplicates = activities.prepare(connection, entries, source_shape.hours)
        if job.is_trial:
            report.stored = len(new)
            return True
        for stored in activities.store(connection, new, by=job.by):
            report.stored += stored
            _say(Progress(read_bytes=Path(job.path).stat().st_size, rows=report.stored))
            if shutdown.requested:
                return False
    return True


def _wrong_lines(job: Job, error: FacilityFileError, report: Report, began: float) -> Done:
    """Return a report of lines that are wrong; nothing is stored while there are some."""
    report.duplicates = 0
    report.read = report.read or len({problem.line for problem in error.problems})
    for problem in error.problems:
        report.refuse(
            Refusal(file=job.name, line=problem.line or 0, reason=MISSHAPEN, detail=problem.message)
        )
    return Done(report=report.flat(time.monotonic() - began))


# -- the audit log ------------------------------------------------------------------------------


def _record(job: Job, report: dict[str, Any] | None) -> None:
    """Say in the audit log that an import begins, or with its report that it is over."""
    counts = ("read", "stored", "duplicates", "refused", "gaps", "shed")
    outcome = {} if report is None else {name: report[name] for name in counts}
    with (
        connect.connect(job.database_url, process="ingest", role="tonne_ingest") as connection,
        connection.transaction(),
    ):
        come_from(connection, job.address)
        record(
            connection,
            "reading.import",
            by=job.by,
            subject=job.name,
            facility=job.facility,
            after={"import": job.upload, "sha256": _digest(Path(job.path)), **outcome},
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except psycopg.Error as error:
        _say(Failed(error=" ".join(str(error).split())))
