"""When something came to be known: by the time that processes go by, not by a clock that jumped.

A column that a question ``as_of``, a verification or a wait of the pipeline compares has this time
for its default; see ADR 0142 for which those are.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, MetaData, event, func, text

from services.core.store.database.progress import RUNS

#: By how much the database's clock is ahead of the time that running processes go by. It runs with
#: its owner's rights: whoever writes may not read what processes report.
_BELIEVED_JUMP: Final = f"""
CREATE OR REPLACE FUNCTION believed_jump() RETURNS interval
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT make_interval(secs => (state ->> 'clock_jump_s')::float8) FROM process_progress
        WHERE {RUNS} ORDER BY abs((state ->> 'clock_jump_s')::float8) DESC NULLS LAST LIMIT 1),
        interval '0');
END $$
"""  # noqa: S608 - the condition of who runs

#: Whether what processes report of the clock is of this moment, or none runs that could say. Just
#: after a jump all reports seem old, or to come: their processes are connected and report again
#: within seconds.
_CLOCK_IS_REPORTED: Final = f"""
CREATE OR REPLACE FUNCTION clock_is_reported() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
            SELECT FROM process_progress WHERE {RUNS} AND state ? 'clock_jump_s')
        OR NOT EXISTS (
            SELECT FROM process_progress p JOIN pg_stat_activity a
                ON split_part(a.application_name, ' ', 1) = 'tonne.' || p.process
            WHERE a.datname = current_database() AND p.state ? 'clock_jump_s'
              AND split_part(a.application_name, ' ', 1)
                  <> split_part(current_setting('application_name'), ' ', 1));
END $$
"""  # noqa: S608 - as above

#: The present: the database's clock, unless that is more than 5 s from the time that the process
#: which writes goes by (:mod:`services.core.runtime.steady_time`), which it states as
#: ``tonne.now``: then the clock jumped. Who states none goes by what running processes say. One
#: expression, so that PostgreSQL computes it in line for many rows.
_KNOWN_NOW: Final = """
CREATE OR REPLACE FUNCTION known_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
SELECT CASE
    WHEN coalesce(current_setting('tonne.now', true), '') = ''
    THEN statement_timestamp() - believed_jump()
    WHEN abs(extract(epoch FROM statement_timestamp())::float8
             - current_setting('tonne.now', true)::float8) > 5
    THEN to_timestamp(current_setting('tonne.now', true)::float8)
    ELSE statement_timestamp() END
$$
"""

#: In the order in which they are to be made; columns have their default from the last one.
FUNCTIONS: Final = (_BELIEVED_JUMP, _CLOCK_IS_REPORTED, _KNOWN_NOW)


def known_now() -> Any:
    """Return the present as the default of a column."""
    return func.known_now()


def make_before_tables(metadata: MetaData) -> None:
    """Let the functions be there before the tables whose columns have them for defaults."""

    def make(_tables: MetaData, connection: Connection, **_: object) -> None:
        for function in FUNCTIONS:
            connection.execute(text(function))

    event.listen(metadata, "before_create", make)
