"""What belongs to a facility, table by table, and where it waits in the new cell.

History names channels and sources by number and refers to no table, so it is copied into its place
while the facility lives elsewhere: without a registry that has these numbers nobody reads it. What
other tables refer to, or what somebody would find without a registry, waits in a schema of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

import services.core.store.schema.alert_tables
import services.core.store.schema.packed_tables  # noqa: F401 - their tables are looked up by name
from services.core.store.operations.facility_rows import ALL
from services.core.store.schema.tables import metadata
from services.core.timeline.instants import from_us

#: Where rows wait until their facility lives here.
WAITING: Final = "arriving"

_DAY_S: Final = 86_400

#: Tables of history, and by what their rows are told apart into pieces: the column, whether it is a
#: time, and how many days or units a piece has; None: all of it is one piece.
_HISTORY: Final[Mapping[str, tuple[str, bool, int] | None]] = {
    "reading": ("ts", True, 1),
    "packed_readings": ("day", False, 28),
    "reading_correction": None,
    "discarded_reading": None,
    "emission_minute": ("minute", True, 1),
    "packed_minutes": ("day", False, 28),
    "emission_hour": ("hour", True, 28),
    "emission_hour_history": ("hour", True, 28),
    "packed_hours": ("month", False, 6),
    "source_hour_input": ("hour", True, 28),
    "source_hour_input_history": ("hour", True, 28),
    "pollutant_mean": ("starts", True, 28),
    "pollutant_mean_history": ("starts", True, 28),
    # after the hours: these remove the sums that hold them
    "emission_day": None,
    "emission_month": None,
    "factor_value": ("hour", True, 28),
}

#: Messages are handed over by themselves (:mod:`.late_messages`): they come whenever they like.
_MESSAGES: Final = "quarantine"

#: Found by number, for what they refer to is gone when they are looked for.
_CONDITIONS: Final[Mapping[str, str]] = {"factor_value": "series_id = ANY(:series)"}

#: Numbers and slug of a facility, as conditions name them.
Numbers = Mapping[str, Any]

_NUMBERS: Final = """
SELECT f.id, f.slug AS facility,
       ARRAY(SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
             WHERE d.facility_id = f.id ORDER BY 1) AS channels,
       ARRAY(SELECT s.id FROM source s WHERE s.facility_id = f.id ORDER BY 1) AS sources,
       ARRAY(SELECT h.id FROM threshold h WHERE h.facility_id = f.id ORDER BY 1) AS thresholds,
       ARRAY(SELECT s.id FROM factor_series s WHERE s.facility_id = f.id ORDER BY 1) AS series
FROM facility f WHERE f.slug = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The rows of one table that belong to the facility."""

    table: str
    #: those that a database writes, in this code's order
    columns: tuple[str, ...]
    #: with the parameters of :data:`Numbers`
    condition: LiteralString
    #: see :data:`_HISTORY`
    cut: tuple[str, bool, int] | None
    #: copied into its place ahead of the facility
    is_history: bool

    @property
    def names(self) -> sql.Composed:
        """Return its columns, comma separated."""
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))

    @property
    def place(self) -> sql.Identifier:
        """Return where its rows are when their facility lives here."""
        return sql.Identifier("public", self.table)

    @property
    def waits_at(self) -> sql.Identifier:
        """Return where its rows are before that."""
        return self.place if self.is_history else sql.Identifier(WAITING, self.table)

    @property
    def piece(self) -> sql.Composable:
        """Return the expression that numbers the pieces of it."""
        if self.cut is None:
            return sql.SQL("0")
        column, is_time, length = self.cut
        if not is_time:
            return sql.SQL("div({}, {})::int").format(sql.Identifier(column), sql.Literal(length))
        return sql.SQL("floor(extract(epoch FROM {}) / {})::int").format(
            sql.Identifier(column), sql.Literal(length * _DAY_S)
        )

    def within(self, piece: int) -> sql.Composable:
        """Return the condition for rows of one piece, by which chunks are left out."""
        if self.cut is None:
            return sql.SQL("true")
        column, is_time, length = self.cut
        if not is_time:
            return sql.SQL("{} = {}").format(self.piece, sql.Literal(piece))
        begin, end = (
            sql.Literal(from_us((piece + more) * length * _DAY_S * 1_000_000)) for more in (0, 1)
        )
        return sql.SQL("{column} >= {begin} AND {column} < {end}").format(
            column=sql.Identifier(column), begin=begin, end=end
        )


def _part(table: str) -> Part:
    named = _CONDITIONS.get(table, ALL[table])
    condition = re.sub(r":(channels|sources|thresholds|series)\b", r"%(\1)s::int[]", named)
    condition = re.sub(r"(?<!:):(id|facility)\b", r"%(\1)s", condition)
    return Part(
        table=table,
        columns=tuple(c.name for c in metadata.tables[table].columns if c.computed is None),
        # of words of the list of tables alone
        condition=condition,
        cut=_HISTORY.get(table),
        is_history=table in _HISTORY,
    )


#: History in an order that copying needs, then the rest in one that deleting allows.
PARTS: Final[Sequence[Part]] = (
    *map(_part, _HISTORY),
    *(_part(table) for table in ALL if table not in _HISTORY and table != _MESSAGES),
)

HISTORY: Final[Sequence[Part]] = tuple(part for part in PARTS if part.is_history)

#: What waits elsewhere; from last to first it can be inserted.
REGISTRY: Final[Sequence[Part]] = tuple(part for part in PARTS if not part.is_history)


def numbers_of(connection: psycopg.Connection[Any], facility: str) -> Numbers | None:
    """Read the numbers by which a facility's rows are known; None: it does not live here."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(_NUMBERS, (facility,)).fetchone()


def open_waiting(connection: psycopg.Connection[Any]) -> None:
    """Make room for what waits, as it is in its place; what waited there before is let go."""
    close_waiting(connection)
    schema = sql.Identifier(WAITING)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    for part in REGISTRY:
        connection.execute(
            sql.SQL("CREATE TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
                part.waits_at, part.names, part.place
            )
        )


def close_waiting(connection: psycopg.Connection[Any]) -> None:
    """Take what waits away."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(WAITING)))
