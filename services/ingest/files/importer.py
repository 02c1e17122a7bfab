"""History from files into the database: read, judge, store; what is in doubt as messages.

Everything is durable piece by piece, and a row that is stored already is a duplicate: who was
interrupted runs the same files again. Packed days are added in transactions that hold nobody up for
longer than a piece; what a file has of young days, what differs from what is stored, and what is
refused goes the way of every message (:mod:`..prepare`, :mod:`..write`).
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg

from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time
from services.core.store.readings import quarantine
from services.core.store.readings.packing import added_days
from services.core.store.readings.packing.added_days import Added, Brought
from services.core.timeline.instants import DAY_US, from_us, rfc3339, to_us
from services.ingest.alone import Alone
from services.ingest.collecting import seldom_collected
from services.ingest.database import Database, DataRefusedError, TookTooLongError
from services.ingest.decode.observation import QUALITY
from services.ingest.files import history
from services.ingest.files.history import History
from services.ingest.files.history_rows import HistoryRows, KnownPlaces, history_rows
from services.ingest.files.report import Refusal, Report
from services.ingest.files.row_messages import message
from services.ingest.files.rows import (
    UNSTATED,
    Bools,
    FileRows,
    Misshapen,
    Names,
    UnusableFileError,
)
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.allowance import Allowance
from services.ingest.resolve import RegistryCache
from services.ingest.sources.source import Message
from services.ingest.write import write

#: A line of a file and the number of the file as one.
_FILE: Final = 1 << 40

_QUALITY_NAMES: Final = {code: name for name, code in QUALITY.items()}

#: How long a change of the registry may go unnoticed.
_LOOK_S: Final = 1.0

#: Reads one file: its name, and its rows piece by piece.
Read = tuple[str, Iterable[FileRows | Misshapen]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A row of a file that goes the way of messages."""

    #: its number among the places that files name
    place: int
    #: with the number of the file
    line: int
    time: Any
    value: Any
    unit: str
    quality: str


class Importer:
    """Takes files, one after the other, as one history."""

    def __init__(
        self,
        *,
        registry_database: Database,
        database: Database,
        clock: SteadyTime,
        shutdown: Shutdown,
        bounds: TimeBounds,
        names: Names,
        pack_after_days: int,
        batch_rows: int,
    ) -> None:
        """``database``: what is stored in; one of a trial leaves ``registry_database`` as it is."""
        self._registry_database = registry_database
        self._database = database
        self._shutdown = shutdown
        self._bounds = bounds
        self._names = names
        self._pack_after_days = pack_after_days
        self._batch_rows = batch_rows
        self._registry = RegistryCache()
        self._places: KnownPlaces
        self._clock = clock
        self._alone = Alone(database, bounds.alone_after)
        self._allowance = Allowance()
        self._history = History()
        #: rows of history that are not plain, by place and line
        self._raw: dict[tuple[int, int], _Row] = {}
        self._waiting: list[Message] = []
        #: of messages on their way, by topic and payload; of rows that are alike each has its own
        self._lines: defaultdict[tuple[str, bytes], deque[int]] = defaultdict(deque)
        self._files: list[str] = []
        #: when the database is looked at again, in seconds of the monotonic clock
        self._look_at = 0.0
        self.report = Report()

    def run(self, files: Iterable[Read]) -> bool:
        """Take all files; return whether that was all, or a stop was asked for before.

        What was read is stored either way.

        :raises UnusableFileError, OSError: a file cannot be read; what came before it is stored.
        :raises DatabaseUnusableError: it cannot go on.
        """
        with seldom_collected():
            try:
                complete = self._take_files(files)
            except (UnusableFileError, OSError):
                self._finish()
                raise
            self._finish()
        return complete

    def _take_files(self, files: Iterable[Read]) -> bool:
        for name, pieces in files:
            self._files.append(name)
            for piece in pieces:
                if self._shutdown.requested:
                    return False
                self._take(piece)
        return True

    def _finish(self) -> None:
        self._store_history(ends=True)
        self._write_waiting()

    def _look(self, connection: psycopg.Connection[Any], _tried: bool) -> None:
        """Look at the time, the registry and the room in quarantine."""
        database_time.look(connection, self._clock)
        if self._registry.refresh(connection):
            self._places = KnownPlaces(self._names, self._registry.directory)
        if self._allowance.due:
            self._allowance.learn(quarantine.usages(connection))

    def _take(self, piece: FileRows | Misshapen) -> None:
        if isinstance(piece, Misshapen):
            self.report.read += 1
            self._refuse(piece.reason, piece.detail, self._line(piece.line))
            return
        self.report.read += piece.line.size
        if time.monotonic() >= self._look_at:
            self._registry_database.run(self._look)
            self._look_at = time.monotonic() + _LOOK_S
        self._places.learn()
        rows = history_rows(piece, self._names, self._places, self._bounds_us())
        rows = replace(rows, is_plain=rows.is_plain & self._recorded(rows))
        self._keep_raw(piece, rows)
        self._history.add(replace(rows, line=self._line(rows.line)))
        others = np.ones(piece.line.size, dtype=np.bool_)
        others[rows.row] = False
        for i in np.flatnonzero(others).tolist():
            self._send(self._row(piece, i))
        if self._history.full:
            self._store_history()

    def _keep_raw(self, piece: FileRows, rows: HistoryRows) -> None:
        """Keep of rows of history that are not plain what stands in the file."""
        for i in np.flatnonzero(~rows.is_plain).tolist():
            row = self._row(piece, int(rows.row[i]))
            self._raw[row.place, row.line] = row

    def _bounds_us(self) -> tuple[int, int]:
        """Return from when to when times are those of history, that is packed at once."""
        oldest_us, now_us = to_us(self._bounds.oldest), to_us(self._clock.now())
        if not self._pack_after_days:
            return oldest_us, oldest_us
        return oldest_us, (now_us // DAY_US - self._pack_after_days) * DAY_US

    def _recorded(self, rows: HistoryRows) -> Bools:
        """Return which rows are not those of a wrong clock, as far as they tell it themselves."""
        believed = np.ones(len(rows), dtype=np.bool_)
        if not self._bounds.alone_after:
            return believed
        limit_us = to_us(self._clock.now() - self._bounds.alone_after)
        old = rows.ts_us < np.minimum(limit_us, self._places.alone_until_us[rows.place])
        devices = self._places.device[rows.place]
        for device in np.unique(devices[old]).tolist():
            chosen = np.flatnonzero(old & (devices == device))
            known = self._places[int(rows.place[chosen[0]])]
            assert known is not None  # noqa: S101 - nothing else is history
            believed[chosen] = self._alone.believe(known[0], rows.ts_us[chosen])
        return believed

    # -- days that are packed ---------------------------------------------------------------------

    def _store_history(self, *, ends: bool = False) -> None:
        rows = self._history.take(ends=ends)
        if rows is None:
            return
        stored, others, duplicates = history.partition(rows)
        self.report.duplicates += duplicates
        for piece in history.pieces(stored):
            self._send_history(piece.where(self._added(piece).left))
        self._send_history(others)

    def _added(self, piece: HistoryRows) -> Added:
        brought = Brought(
            channel=piece.channel,
            ts_us=piece.ts_us,
            value=piece.value,
            missing=piece.missing,
            quality=piece.quality,
        )

        def add(connection: psycopg.Connection[Any], _tried: bool) -> Added:
            with connection.transaction():
                if (now := self._database.now) is not None:
                    database_time.date_by(connection, now)
                return added_days.add(connection, int(piece.facility[0]), brought)

        try:
            added = self._database.run(add, divisible=True)
        except (DataRefusedError, TookTooLongError):
            # row by row it is told which, and why
            return Added(stored=0, duplicates=0, left=np.ones(len(piece), dtype=np.bool_))
        self.report.stored += added.stored
        self.report.duplicates += added.duplicates
        return added

    # -- everything else --------------------------------------------------------------------------

    def _row(self, rows: FileRows, i: int) -> _Row:
        """Return a row as it stands in the file."""
        raw_time, raw_value = rows.raw(i)
        return _Row(
            place=int(rows.place[i]),
            line=int(self._line(rows.line[i])),
            time=raw_time,
            value=raw_value,
            unit=self._names.units.words[rows.unit[i]],
            quality=self._names.qualities.words[rows.quality[i]],
        )

    def _send_history(self, rows: HistoryRows) -> None:
        """Let rows of history go the way of messages."""
        for i in range(len(rows)):
            place, line = int(rows.place[i]), int(rows.line[i])
            if not rows.is_plain[i]:
                self._send(self._raw.pop((place, line)))
                continue
            self._send(
                _Row(
                    place=place,
                    line=line,
                    time=rfc3339(from_us(int(rows.ts_us[i]))),
                    value=None if rows.missing[i] else float(rows.value[i]),
                    unit=UNSTATED,
                    quality=_QUALITY_NAMES[int(rows.quality[i])],
                )
            )

    def _send(self, row: _Row) -> None:
        sent = message(
            self._names.places.words[row.place],
            row.time,
            row.value,
            unit=row.unit,
            quality=row.quality,
            received_at=self._clock.now(),
        )
        self._lines[sent.topic, sent.payload].append(row.line)
        self._waiting.append(sent)
        if len(self._waiting) >= self._batch_rows:
            self._write_waiting()

    def _write_waiting(self) -> None:
        messages, self._waiting = self._waiting, []
        lines, self._lines = self._lines, defaultdict(deque)
        if not messages:
            return
        directory = self._registry.directory
        prepared = prepare(messages, directory, self._bounds)
        if prepared.old:
            prepared = self._alone.sift(prepared)
        outcome = write(self._database, prepared, self._allowance)
        self._alone.settle(directory)
        report = self.report
        report.stored += outcome.stored
        report.duplicates += outcome.duplicates
        report.gaps += sum(row.for_refused for row in prepared.rows)
        report.shed += outcome.shed
        for entry in outcome.refused:
            numbers = lines[entry.topic, entry.payload]
            self._refuse(entry.reason, entry.detail, numbers.popleft() if numbers else 0)

    def _line(self, line: Any) -> Any:
        """Return lines of the file that is read, as lines of all of them."""
        return (len(self._files) - 1) * _FILE + line

    def _refuse(self, reason: str, detail: str, line: int) -> None:
        file, of_file = divmod(line, _FILE)
        self.report.refuse(
            Refusal(file=self._files[file], line=of_file, reason=reason, detail=detail)
        )
