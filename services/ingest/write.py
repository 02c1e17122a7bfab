"""A prepared batch into the database: one transaction, durable when :func:`write` returns.

A row that the database refuses must not stop the line: the batch is halved until the row stands
alone, that one goes to quarantine, the others are stored. A batch that takes longer than the
database allows is halved too, until its parts get through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg
import structlog

from services.core.store.factor_series import inbox
from services.core.store.factor_series.inbox import SentValues
from services.core.store.readings import quarantine, writer
from services.core.store.readings.archive import missing
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.store.readings.writer import Conflict, Supersession
from services.core.timeline.instants import from_us
from services.ingest import corrections, entry
from services.ingest.corrections import Verdict
from services.ingest.database import Database, DataRefusedError, TookTooLongError
from services.ingest.prepare import Candidate, Prepared
from services.ingest.quarantine.allowance import Allowance
from services.ingest.quarantine.reasons import Reason

_log: Final = structlog.get_logger()


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

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            stored=self.stored + other.stored,
            duplicates=self.duplicates + other.duplicates,
            conflicts=self.conflicts + other.conflicts,
            refused=self.refused + other.refused,
            shed=self.shed + other.shed,
        )


def write(database: Database, prepared: Prepared, allowance: Allowance) -> Outcome:
    """Store the batch, waiting for the database while it is away; see :meth:`Database.run`."""
    try:
        return database.run(
            _Transaction(allowance, prepared.rows, prepared.quarantine, prepared.factor_values),
            divisible=len(prepared.rows) > 1,
        )
    except DataRefusedError as refusal:
        if not prepared.rows:
            raise
        _log.warning("the database refuses a batch; looking for the row", error=str(refusal))
    except TookTooLongError as error:
        _log.warning("the database cut a batch off twice; halving it", error=str(error))
    outcome = database.run(_Transaction(allowance, [], prepared.quarantine, prepared.factor_values))
    return outcome + _halve(database, allowance, prepared.rows)


def _halve(database: Database, allowance: Allowance, rows: Sequence[Candidate]) -> Outcome:
    try:
        return database.run(_Transaction(allowance, rows, []), divisible=len(rows) > 1)
    except TookTooLongError:
        pass
    except DataRefusedError as refusal:
        if len(rows) == 1:
            refused = entry.of_reading(Reason.REFUSED_BY_DATABASE, str(refusal), rows[0])
            return database.run(_Transaction(allowance, [], [refused]))
    middle = len(rows) // 2
    return _halve(database, allowance, rows[:middle]) + _halve(database, allowance, rows[middle:])


class _Transaction:
    """One try to store rows, refusals and values of factors together."""

    def __init__(
        self,
        allowance: Allowance,
        rows: Sequence[Candidate],
        refused: Sequence[QuarantineEntry],
        factor_values: Sequence[SentValues] = (),
    ) -> None:
        self._allowance = allowance
        self._rows = rows
        self._refused = refused
        self._factor_values = factor_values

    def __call__(self, connection: psycopg.Connection[Any], tried: bool) -> Outcome:
        with connection.transaction():
            written = writer.write(connection, self._rows)
            conflicts = self._unsettled(connection, written.conflicts)
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
        )

    def _unsettled(
        self, connection: psycopg.Connection[Any], conflicts: Sequence[Conflict]
    ) -> list[Conflict]:
        """Let the rules of the channels settle what they can; return the conflicts that are left.

        Those of one key are looked at one after the other: a message may name one time thrice.
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
