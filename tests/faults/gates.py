"""Gates in the database at which a process can be held, and killed, in the midst of a step.

A trigger of the test's own waits at each gate for an advisory lock that everybody may share, unless
the test has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

_FUNCTION = """
CREATE FUNCTION test_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'facility_progress' THEN
        IF NEW.facility_id <> (SELECT id FROM facility WHERE slug = 'kilns') THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int8);
    RETURN coalesce(NEW, OLD);
END $$
"""

_HELD = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE %s || ' %%'
  AND wait_event_type = 'Lock'
"""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A place in a process's transaction."""

    #: what the process does there
    name: str
    #: the first word of what the database knows it as
    process: str
    table: str
    on: str
    #: held when the transaction is over but for its COMMIT
    at_commit: bool = False


GATES = (
    *(
        Gate(name=f"aggregator: {name}", process="tonne.aggregator", table=table, on=on)
        for name, table, on in (
            ("adds a transition", "alert_transition", "INSERT"),
            ("keeps the newest state", "threshold_state", "INSERT OR UPDATE"),
            ("raises or ends an alert", "alert", "INSERT OR UPDATE"),
            ("fills the outbox", "outbox", "INSERT"),
            ("raises the version", "facility_progress", "UPDATE"),
        )
    ),
    Gate(name="aggregator: COMMIT", process="tonne.aggregator", table="outbox", on="INSERT",
         at_commit=True),
    Gate(name="notifier: marks what was sent", process="tonne.notify", table="outbox", on="UPDATE"),
    Gate(name="notifier: COMMIT of the mark", process="tonne.notify", table="outbox", on="UPDATE",
         at_commit=True),
)  # fmt: skip


PACKING_GATES = tuple(
    Gate(name=f"{process}: {name}", process=f"tonne.{process}", table=table, on=on,
         at_commit=at_commit)
    for process, table, on, name, at_commit in (
        ("aggregator", "packed_readings", "INSERT", "packs a day", False),
        ("aggregator", "packed_readings", "INSERT", "COMMIT of packed days", True),
        ("ingest", "packed_readings", "DELETE", "opens a day", False),
        ("ingest", "packed_readings", "DELETE", "COMMIT of opened days", True),
        ("aggregator", "packed_minutes", "UPDATE", "computes packed minutes", False),
        ("aggregator", "packed_minutes", "UPDATE", "COMMIT of packed minutes", True),
    )
)  # fmt: skip


def build(url: str, gates: Sequence[Gate] = GATES) -> None:
    """Put every gate into the database, open."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FUNCTION)
        for gate in gates:
            number = _key(gate)
            kind, when = (
                ("CONSTRAINT TRIGGER", "AFTER") if gate.at_commit else ("TRIGGER", "BEFORE")
            )
            deferred = "DEFERRABLE INITIALLY DEFERRED" if gate.at_commit else ""
            connection.execute(
                f"CREATE {kind} test_gate_{number} {when} {gate.on} ON {gate.table} {deferred}"
                f" FOR EACH ROW EXECUTE FUNCTION test_gate('{_key(gate)}')".encode()
            )


@contextmanager
def closed(url: str, gate: Gate) -> Iterator[Callable[[], bool]]:
    """Close a gate for the block; yields what tells whether its process is held there."""
    with (
        psycopg.connect(url, autocommit=True) as holds,
        psycopg.connect(url, autocommit=True) as sees,
    ):
        holds.execute("SELECT pg_advisory_lock(%s)", (_key(gate),))
        yield lambda: bool(sees.execute(_HELD, (gate.process,)).fetchall())


def lose(url: str, gate: Gate) -> None:
    """Let nothing come of what a killed process had sent to the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for (pid,) in connection.execute(_HELD, (gate.process,)).fetchall():
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def _key(gate: Gate) -> int:
    return 7_310_000 + (*GATES, *PACKING_GATES).index(gate)
