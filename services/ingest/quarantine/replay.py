"""Tries again what lies in quarantine: a delivery like any other, with quarantine as the broker.

Entries come in the order of arrival, go the way of live messages (:mod:`..prepare`, then
:mod:`..write`), and are settled after that COMMIT as a message is acknowledged after its own. A
crash in between costs a second try, which the key of a reading makes harmless. Requests wait in the
database, so that a stop or a crash only interrupts them.

A step that fails is tried with fewer entries; one that fails by itself stays in quarantine, and the
others go on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog

from services.core.runtime import metrics
from services.core.store.database import database_time
from services.core.store.factor_series.inbox import SentValues
from services.core.store.readings import quarantine, replays, writer
from services.core.store.readings.quarantine import QuarantineEntry, QuarantineItem
from services.core.store.readings.replays import ReplayRequest
from services.core.store.readings.writer import Correction
from services.core.timeline.instants import to_us
from services.ingest.alone import Alone, old_positions
from services.ingest.arrivals import Arrivals
from services.ingest.database import (
    Database,
    DatabaseUnusableError,
    DataRefusedError,
    StoppedError,
    TookTooLongError,
)
from services.ingest.decode.observation import TIME_FROM_DEVICE
from services.ingest.prepare import Candidate, Prepared, TimeBounds, prepare
from services.ingest.quarantine.allowance import Admission, Allowance
from services.ingest.quarantine.reasons import Reason
from services.ingest.resolve import Destination, Directory
from services.ingest.route import Kind
from services.ingest.sources.source import Message
from services.ingest.write import write

_log: Final = structlog.get_logger()

#: One step: live messages wait for no more than this.
_MAX_ENTRIES: Final = 500
_MAX_BYTES: Final = 4 << 20

#: After a failure so many times fewer entries are tried.
_FEWER: Final = 8

#: Of a longer error, this much is shown with the entry.
_SHOWN: Final = 300
_FAILED: Final = "; its replay failed: "

_FORGET_EVERY_S: Final = 3600.0

#: Reasons that speak of one reading; the rest of its message is not the entry's matter.
_OF_ONE_READING: Final = frozenset(
    {
        Reason.CONFLICT,
        Reason.REFUSED_BY_DATABASE,
        Reason.STANDS_ALONE,
        Reason.TOO_LATE,
        Reason.ARCHIVED,
    }
)


@dataclass(kw_only=True, slots=True)
class _Try:
    """An entry on its way."""

    entry: QuarantineItem
    rows: list[Candidate]
    refusals: list[QuarantineEntry]
    factor_values: list[SentValues]
    #: whether there is anything that could become of it
    understood: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """What becomes of the entries of a step."""

    replayed: list[int]
    accepted: list[int]
    open: dict[int, QuarantineEntry]
    restored: int
    refused: Counter[str]


class _Recorder(Allowance):
    """Keeps what is refused again out of quarantine: it lies there already."""

    def __init__(self) -> None:
        super().__init__()
        self._latest: list[QuarantineEntry] = []
        self.refusals: list[QuarantineEntry] = []

    def admit(self, entries: Sequence[QuarantineEntry]) -> Admission:
        """Let nothing in."""
        self._latest = list(entries)
        return Admission(admitted=[], shed=0)

    def count(self, entries: Iterable[QuarantineEntry]) -> None:  # noqa: ARG002 - none was kept
        """Remember the refusals of a transaction that was committed."""
        self.refusals += self._latest
        self._latest = []


class Replay:
    """Serves the requests of :mod:`services.core.store.readings.replays`, a step at a time."""

    def __init__(self, database: Database, bounds: TimeBounds, alone: Alone | None = None) -> None:
        self._database = database
        self._bounds = bounds
        self._alone = alone or Alone(database, bounds.alone_after)
        self._forget_at = 0.0
        #: of one request: the next may begin at older entries again
        self._arrivals = Arrivals()
        self._request_id: int | None = None
        #: entries of one step, fewer after a failure
        self._limit = _MAX_ENTRIES
        #: whether a request was found by the last step, so that the next should follow at once
        self.busy = False

    def step(self, directory: Directory) -> bool:
        """Try the next entries of the oldest request; return whether a request was finished.

        ``directory`` must be as new as the call: what was registered meanwhile counts.
        """
        try:
            finished = self._step(directory)
        except (DatabaseUnusableError, StoppedError):
            raise
        except Exception as error:  # noqa: BLE001 - no entry of quarantine may end ingest for all
            return self._failed(error)
        self._limit = min(2 * self._limit, _MAX_ENTRIES)
        return finished

    def _step(self, directory: Directory) -> bool:
        request = self._database.run(lambda connection, _: replays.oldest_waiting(connection))
        self.busy = request is not None
        if request is None:
            self._forget()
            return False
        entries = self._next(request, limit=self._limit)
        if not entries:
            self._database.run(lambda connection, _: replays.finish(connection, request))
            _log.info("a replay is finished", request=request.id)
            return True
        if request.id != self._request_id:
            self._request_id, self._arrivals = request.id, Arrivals()
        tries = [
            _tried(
                entry,
                directory,
                _bounds_of(entry, self._bounds, accept=request.accept),
                self._arrivals,
            )
            for entry in entries
        ]
        self._store(tries, accept=request.accept)
        self._database.run(
            lambda connection, _: _settle(connection, request, tries, self._database.now),
            divisible=True,
        )
        return False

    def _next(self, request: ReplayRequest, *, limit: int) -> list[QuarantineItem]:
        return self._database.run(
            lambda connection, _: replays.next_entries(
                connection, request, limit=limit, max_bytes=_MAX_BYTES
            ),
            divisible=True,
        )

    def _failed(self, error: Exception) -> bool:
        """Take fewer entries, or leave alone the one that fails; return whether that was the last.

        What cannot even be read ends its request: the entries stay where they are.
        """
        if self._limit > 1:
            self._limit = max(self._limit // _FEWER, 1)
            _log.warning("a replay failed; fewer at once", entries=self._limit, exc_info=error)
            return False
        request = self._database.run(lambda connection, _: replays.oldest_waiting(connection))
        if request is None:
            return False
        try:
            (entry,) = self._next(request, limit=1)
        except (DataRefusedError, TookTooLongError, ValueError):
            _log.error("a replay is given up: its entries cannot be read", request=request.id)
            self._database.run(lambda connection, _: replays.finish(connection, request))
            return True
        _log.error("an entry of quarantine cannot be replayed", entry=entry.id, exc_info=error)
        why = f"{type(error).__name__}: {error}"
        self._database.run(lambda connection, _: _leave(connection, request, entry, why))
        return False

    def _store(self, tries: Sequence[_Try], *, accept: bool) -> None:
        recorder = _Recorder()
        prepared = Prepared(
            rows=[row for attempt in tries for row in attempt.rows],
            factor_values=[values for attempt in tries for values in attempt.factor_values],
        )
        believed = [
            accept and attempt.entry.reason == Reason.STANDS_ALONE
            for attempt in tries
            for _ in attempt.rows
        ]
        old = old_positions(prepared.rows, self._alone.after_us)
        prepared = replace(prepared, old=[i for i in old if not believed[i]])
        write(self._database, self._alone.sift(prepared) if prepared.old else prepared, recorder)
        by_key = {_key(refusal): refusal for refusal in recorder.refusals}
        for attempt in tries:
            keys = dict.fromkeys(map(_key_of_row, attempt.rows))
            attempt.refusals += [by_key[key] for key in keys if key in by_key]

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._database.run(lambda connection, _: quarantine.forget_settled(connection))
            self._forget_at = time.monotonic() + _FORGET_EVERY_S


def _key(refusal: QuarantineEntry) -> tuple[object, ...]:
    """Return what tells the refused row from all others of a step."""
    return (
        refusal.facility,
        refusal.device,
        refusal.channel,
        None if refusal.ts is None else to_us(refusal.ts),
        refusal.value,
        refusal.quality,
        to_us(refusal.received_at),
    )


def _key_of_row(row: Candidate) -> tuple[object, ...]:
    return (
        row.publisher.facility,
        row.publisher.device,
        row.channel,
        row.ts_us,
        row.value,
        row.quality,
        row.received_us,
    )


def _bounds_of(entry: QuarantineItem, bounds: TimeBounds, *, accept: bool) -> TimeBounds:
    """Allow what lay ahead of ingest's clock, if that was late when the entry was written.

    Who accepts an entry says that its time is right, so that it may lie up to now.
    """
    if entry.reason != Reason.ABSURD_TIME:
        return bounds
    known_at = datetime.now(UTC) if accept else entry.kept_at or entry.received_at
    late = max(known_at - entry.received_at, timedelta(0))
    return replace(bounds, future_tolerance=bounds.future_tolerance + late)


def _tried(
    entry: QuarantineItem, directory: Directory, bounds: TimeBounds, arrivals: Arrivals
) -> _Try:
    message = Message(
        topic=entry.topic,
        payload=entry.payload,
        received_at=entry.received_at,
        token=None,
        redelivered=True,
        properties=entry.properties,
    )
    # of a topic that several facilities share, the entry is the matter of one
    ids = None if entry.unknown_ids is None else frozenset(entry.unknown_ids)
    prepared = prepare([message], directory, bounds, arrivals, facility=entry.facility, ids=ids)
    rows, refusals = prepared.rows, prepared.quarantine
    understood = _has_taker(entry, directory.destination(entry.topic))
    if entry.reason in _OF_ONE_READING:
        rows = _reading_of(entry, rows)
        refusals = [] if rows else refusals
        understood = bool(rows)
    return _Try(
        entry=entry,
        rows=rows,
        refusals=refusals,
        factor_values=prepared.factor_values,
        understood=understood,
    )


def _has_taker(entry: QuarantineItem, destination: Destination) -> bool:
    """Whether anybody takes messages at the entry's topic whose matter it can be."""
    of_messages = destination.fleets
    if of_messages is not None and entry.unknown_ids is not None and entry.facility is not None:
        known = of_messages.facilities.get(entry.facility, frozenset())
        return not known.isdisjoint(entry.unknown_ids)
    if entry.facility is None or not (destination.publishers or of_messages):
        return destination.kind is not Kind.IGNORED
    return destination.concerns(entry.facility)


def _reading_of(entry: QuarantineItem, rows: Sequence[Candidate]) -> list[Candidate]:
    """Find the reading that an entry speaks of among those of its message; one or none."""
    if entry.ts is None:
        return []
    ts_us = to_us(entry.ts)
    # a message that tells no time is not timed twice to the microsecond
    same_key = [
        row
        for row in rows
        if row.channel == entry.channel
        and (row.ts_us == ts_us or row.time_source != TIME_FROM_DEVICE)
        and row.publisher.device == entry.device
    ]
    # a message may name one time twice; after a change of the channel's unit no value is the same
    return [row for row in same_key if row.value == entry.value][:1] or same_key[:1]


def _settle(
    connection: psycopg.Connection[Any],
    request: ReplayRequest,
    tries: Sequence[_Try],
    now: datetime | None,
) -> None:
    with connection.transaction() as transaction:
        if now is not None:
            database_time.date_by(connection, now)
        verdict = _verdict(connection, request, tries)
        quarantine.settle(connection, verdict.replayed, "replayed")
        quarantine.settle(connection, verdict.accepted, "accepted")
        quarantine.refuse_again(connection, verdict.open)
        moved = replays.advance(
            connection,
            request,
            last=tries[-1].entry,
            restored=verdict.restored,
            accepted=len(verdict.accepted),
            refused=verdict.refused,
        )
        if not moved:
            # another ingest was quicker, or the COMMIT whose answer was lost did happen
            raise psycopg.Rollback(transaction)
    metrics.ingest_replayed.labels("restored").inc(verdict.restored)
    metrics.ingest_replayed.labels("accepted").inc(len(verdict.accepted))
    metrics.ingest_replayed.labels("refused").inc(verdict.refused.total())


def _leave(
    connection: psycopg.Connection[Any], request: ReplayRequest, entry: QuarantineItem, why: str
) -> None:
    """Count an entry as refused again, say in it why, and move the request past it."""
    with connection.transaction() as transaction:
        before = entry.detail.partition(_FAILED)[0]
        quarantine.explain(connection, entry.id, f"{before}{_FAILED}{why[:_SHOWN]}")
        moved = replays.advance(
            connection,
            request,
            last=entry,
            restored=0,
            accepted=0,
            refused={entry.reason: 1},
        )
        if not moved:
            raise psycopg.Rollback(transaction)
    metrics.ingest_replayed.labels("refused").inc()


def _verdict(
    connection: psycopg.Connection[Any], request: ReplayRequest, tries: Sequence[_Try]
) -> _Verdict:
    verdict = _Verdict(replayed=[], accepted=[], open={}, restored=0, refused=Counter())
    restored = 0
    corrections: list[Correction] = []
    for attempt in tries:
        entry = attempt.entry
        again = [r for r in attempt.refusals if r.reason == entry.reason]
        others = [r for r in attempt.refusals if r.reason != entry.reason]
        if again and request.accept and entry.reason == Reason.CONFLICT:
            corrections.append(Correction(row=attempt.rows[0], quarantine_id=entry.id))
            verdict.accepted.append(entry.id)
            continue
        # what else is wrong with the message may lie in quarantine under its own reason already
        added = quarantine.add(connection, [replace(r, repeated=True) for r in others])
        if again:
            verdict.open[entry.id] = again[0]
            verdict.refused[entry.reason] += 1
        elif not attempt.understood and not others:
            verdict.refused[entry.reason] += 1
        elif added:
            verdict.replayed.append(entry.id)
            verdict.refused[others[0].reason] += 1
        else:
            verdict.replayed.append(entry.id)
            restored += 1
    if corrections:
        writer.correct(
            connection,
            corrections,
            by=request.requested_by,
            note=request.note,
            reason=_reason(request),
        )
    return replace(verdict, restored=restored)


def _reason(request: ReplayRequest) -> str:
    """Why hours are restated, as the ledger tells it."""
    why = f": {request.note}" if request.note else ""
    return f"accepted correction by {request.requested_by}{why}"
