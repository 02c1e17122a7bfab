"""A prepared batch into the database: one transaction, durable when :func:`write` returns.

A row that the database refuses must not stop the line: the batch is halved until the row stands
alone, that one goes to quarantine, the others are stored. A batch that takes longer than the
database allows is halved too, until its parts get through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import psycopg
import structlog

from services.core.store.factor_series import inbox
from services.core.store.factor_series.inbox import SentValues
from services.core.store.readings import quarantine, writer
from services.core.store.readings.archive import missing
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.store.readings.writer import Conflict, Supersession, Written
from services.core.timeline.instants import from_us
from services.ingest import corrections, entry
from services.ingest.corrections import Verdict
from services.ingest.database import Database, DataRefusedError, TookTooLongError
from services.ingest.prepare import Candidate, Prepared
from services.ingest.quarantine.allowance import Allowance
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.receipt import Receipt

_log: Final = structlog.get_logger()

#: Tells somebody something when it is durable.
News = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a batch."""

    stored: int
    duplicates: int
    conflicts: int
    #: what went to quarantine
    refused: list[QuarantineEntry]
    #: entries for which quarantine had no room
    shed: int
    #: what those who wait for an answer are to be told
    news: list[News] = field(default_factory=list)

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            stored=self.stored + other.stored,
            duplicates=self.duplicates + other.duplicates,
            conflicts=self.conflicts + other.conflicts,
            refused=self.refused + other.refused,
            shed=self.shed + other.shed,
            news=self.news + other.news,
        )


def write(database: Database, prepared: Prepared, allowance: Allowance) -> Outcome:
    """Store the batch, waiting for the database while it is away; see :meth:`Database.run`.

    Receipts of its messages are filled in when all of it is durable.
    """
    outcome = _write(database, prepared, allowance)
    for tell in outcome.news:
        tell()
    return outcome


def _write(database: Database, prepared: Prepared, allowance: Allowance) -> Outcome:
    values = prepared.factor_values
    try:
        return database.run(
            _Transaction(database, allowance, prepared.rows, prepared.quarantine, values),
            divisible=len(prepared.rows) > 1,
        )
    except DataRefusedError as refusal:
        if not prepared.rows:
            raise
        _log.warning("the database refuses a batch; looking for the row", error=str(refusal))
    except TookTooLongError as error:
        _log.warning("the database cut a batch off twice; halving it", error=str(error))
    outcome = database.run(_Transaction(database, allowance, [], prepared.quarantine, values))
    return outcome + _halve(database, allowance, prepared.rows)


def _halve(database: Database, allowance: Allowance, rows: Sequence[Candidate]) -> Outcome:
    try:
        return database.run(_Transaction(database, allowance, rows, []), divisible=len(rows) > 1)
    except TookTooLongError:
        pass
    except DataRefusedError as refusal:
        if len(rows) == 1:
            refused = entry.of_reading(Reason.REFUSED_BY_DATABASE, str(refusal), rows[0])
            return database.run(_Transaction(database, allowance, [], [refused]))
    middle = len(rows) // 2
    return _halve(database, allowance, rows[:middle]) + _halve(database, allowance, rows[middle:])


def _of_entries(
    entries: Sequence[QuarantineEntry], admitted: Sequence[QuarantineEntry]
) -> list[News]:
    """Return what those who wait for an answer are to be told of what was refused."""
    stored = {id(entry) for entry in admitted}
    return [partial(entry.hear, id(entry) in stored) for entry in entries if entry.hear is not None]


class _Transaction:
    """One try to store rows, refusals and values of factors together."""

    def __init__(
        self,
        database: Database,
        allowance: Allowance,
        rows: Sequence[Candidate],
        refused: Sequence[QuarantineEntry],
        factor_values: Sequence[SentValues] = (),
    ) -> None:
        self._database = database
        self._allowance = allowance
        self._rows = rows
        self._refused = refused
        self._factor_values = factor_values
        self._has_receipts = any(row.message.receipt is not None for row in rows)

    def __call__(self, connection: psycopg.Connection[Any], tried: bool) -> Outcome:
        with connection.transaction():
            written = writer.write(
                connection, self._rows, tell=self._has_receipts, now=self._database.now
            )
            replaced: set[int] = set()
            conflicts = self._unsettled(connection, written.conflicts, replaced)
            entries = [*self._refused, *self._conflicts(conflicts)]
            entries += [
                self._too_late(position)
                for position in written.too_late
                if not self._rows[position].for_refused
            ]
            entries += self._archived(connection, written.archived)
            if tried:
                # the COMMIT whose answer was lost may have happened
                entries = [replace(entry, repeated=True) for entry in entries]
            admission = self._allowance.admit(entries)
            quarantine.add(connection, admission.admitted)
            inbox.put(connection, self._factor_values)
        self._allowance.count(admission.admitted)
        return Outcome(
            stored=written.stored,
            duplicates=written.duplicates + len(written.conflicts) - len(conflicts),
            conflicts=len(conflicts),
            refused=admission.admitted,
            shed=admission.shed,
            news=[
                *_of_entries(entries, admission.admitted),
                *self._of_rows(written, conflicts, replaced),
            ],
        )

    def _of_rows(
        self, written: Written, conflicts: Sequence[Conflict], replaced: Collection[int]
    ) -> list[News]:
        """Return what receipts are to be told of rows that were not refused."""
        if not self._has_receipts:
            return []
        refused = {
            *written.too_late,
            *written.archived,
            *(conflict.position for conflict in conflicts),
        }
        fates: dict[int, Counter[str]] = {}
        receipts: dict[int, Receipt] = {}
        for position, row in enumerate(self._rows):
            receipt = row.message.receipt
            if receipt is None or row.for_refused or position in refused:
                continue
            receipts[id(receipt)] = receipt
            fate = (
                "new"
                if position not in written.not_stored
                else "replaced"
                if position in replaced
                else "repeated"
            )
            fates.setdefault(id(receipt), Counter())[fate] += 1
        return [
            partial(
                receipts[key].count,
                new=counter["new"],
                repeated=counter["repeated"],
                replaced=counter["replaced"],
            )
            for key, counter in fates.items()
        ]

    def _unsettled(
        self,
        connection: psycopg.Connection[Any],
        conflicts: Sequence[Conflict],
        replaced: set[int],
    ) -> list[Conflict]:
        """Let the rules of the channels settle what they can; return the conflicts that are left.

        Those of one key are looked at one after the other: a message may name one time thrice. To
        ``replaced`` are added the positions of rows that took the place of what was stored.
        """
        left: list[Conflict] = []
        while conflicts:
            again: list[Conflict] = []
            superseded: list[Supersession] = []
            keys: set[tuple[int, int]] = set()
            for conflict in conflicts:
                row = self._rows[conflict.position]
                key = (row.channel_id, row.ts_us)
                if key in keys:
                    again.append(conflict)
                    continue
                rule = row.publisher.targets[row.channel].corrections
                outcome = corrections.verdict(rule, row, conflict, for_refused=row.for_refused)
                if outcome is Verdict.CONFLICT:
                    left.append(conflict)
                elif outcome is not Verdict.DUPLICATE:
                    keys.add(key)
                    if outcome is Verdict.REPLACES:
                        replaced.add(conflict.position)
                    superseded.append(
                        Supersession(
                            row=row,
                            conflict=conflict,
                            wins=outcome is Verdict.REPLACES,
                            rule=rule,
                            reason=corrections.reason(rule, row, conflict),
                        )
                    )
            writer.supersede(connection, superseded)
            conflicts = writer.conflicts(connection, [row.position for row in again])
        return sorted(left, key=lambda conflict: conflict.position)

    def _too_late(self, position: int) -> QuarantineEntry:
        row = self._rows[position]
        detail = (
            f"{row.channel}: the raw readings of {from_us(row.ts_us).isoformat()} are not kept"
            " any more"
        )
        return entry.of_reading(Reason.TOO_LATE, detail, row)

    def _archived(
        self, connection: psycopg.Connection[Any], positions: Sequence[int]
    ) -> list[QuarantineEntry]:
        rows = [self._rows[position] for position in positions]
        rows = [row for row in rows if not row.for_refused]
        if not rows:
            return []
        times = [(row.channel_id, from_us(row.ts_us)) for row in rows]
        commands = missing.how_to_restore(connection, times)
        return [
            entry.of_reading(
                Reason.ARCHIVED,
                f"{row.channel}: readings that the totals of {ts.isoformat()} are computed with are"
                f" in the archive alone; run `{command}`, then replay this",
                row,
            )
            for row, (_, ts), command in zip(rows, times, commands, strict=True)
        ]

    def _conflicts(self, conflicts: Sequence[Conflict]) -> list[QuarantineEntry]:
        rows = [self._rows[conflict.position] for conflict in conflicts]
        entries = [
            replace(
                entry.of_reading(
                    Reason.CONFLICT,
                    f"{row.channel}: {entry.shown(row.value, row.quality)} was sent for a time"
                    f" that holds {entry.shown(conflict.stored_value, conflict.stored_quality)}",
                    row,
                ),
                stored_value=conflict.stored_value,
                stored_quality=conflict.stored_quality,
            )
            for conflict, row in zip(conflicts, rows, strict=True)
        ]
        return entry.own_payloads(entries, rows)
