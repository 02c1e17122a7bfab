"""The DDL that SQLAlchemy cannot express: extension, hypertables, roles and their rights.

Both ways to a schema run it: the migrations, and ``create_all`` in the test that compares them.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

import services.core.store.schema.compatibility
import services.core.store.schema.packed_tables  # noqa: F401 - read by all
from services.core.accounting.registers import LOOK_AROUND
from services.core.store.schema import (
    activity_tables,
    alert_tables,
    amendments,
    archive,
    audit_tables,
    believed_time,
    candidate_tables,
    cell_tables,
    electricity_tables,
    factor_series_tables,
    file_tables,
    organisation_tables,
    packing,
    pathway_tables,
    people_tables,
    pollutant_tables,
    product_tables,
    removal_tables,
    sent_tables,
    sparkplug_tables,
    sum_tables,
    sum_triggers,
)
from services.core.store.schema.minute_packing import MINUTE_IN_FORCE
from services.core.store.schema.tables import metadata

#: The audit log, to which whatever people ask a process for is added.
_AUDIT = {audit_tables.audit_entry.name: ("INSERT",)}

#: What a facility file and the API's calls write. Nothing measured, computed or recorded is here.
_CONFIGURE: dict[str, tuple[str, ...]] = {
    **_AUDIT,
    "registry_revision": ("UPDATE",),
    "facility": ("INSERT", "UPDATE"),
    cell_tables.cell_facility.name: ("INSERT", "UPDATE"),
    "facility_grant": ("INSERT", "UPDATE", "DELETE"),
    "facility_progress": ("INSERT",),
    "facility_retirement": ("INSERT", "UPDATE"),
    # what was applied stays as it was: the right to change it is not given
    file_tables.facility_version.name: ("INSERT",),
    "device": ("INSERT", "UPDATE"),
    "channel": ("INSERT", "UPDATE"),
    "channel_revision": ("INSERT", "UPDATE"),
    "source": ("INSERT", "UPDATE"),
    "source_input": ("INSERT", "UPDATE", "DELETE"),
    "source_revision": ("INSERT", "UPDATE"),
    "source_absence": ("INSERT",),
    pathway_tables.pathway_revision.name: ("INSERT", "UPDATE"),
    product_tables.product_revision.name: ("INSERT", "UPDATE"),
    electricity_tables.electricity_revision.name: ("INSERT", "UPDATE"),
    electricity_tables.certificate_use.name: ("INSERT", "DELETE"),
    removal_tables.removal_revision.name: ("INSERT", "UPDATE"),
    removal_tables.credit_unit.name: ("INSERT", "DELETE"),
    "factor": ("INSERT", "UPDATE"),
    factor_series_tables.factor_series.name: ("INSERT",),
    # a value stays what it was: another one is a row of its own
    factor_series_tables.factor_value.name: ("INSERT",),
    alert_tables.threshold.name: ("INSERT", "UPDATE"),
    alert_tables.threshold_revision.name: ("INSERT", "UPDATE"),
    alert_tables.maintenance.name: ("INSERT", "UPDATE"),
    alert_tables.alert.name: ("UPDATE",),
    alert_tables.alert_comment.name: ("INSERT",),
    "recompute": ("INSERT", "UPDATE"),
    "replay_request": ("INSERT",),
    # it is adopted or dismissed; what is learned of it is ingest's
    candidate_tables.device_candidate.name: ("UPDATE",),
    candidate_tables.candidate_message.name: ("DELETE",),
}

#: Tables each role may write; every role may read all but the API keys' digests.
WRITES: dict[str, dict[str, tuple[str, ...]]] = {
    "tonne_ingest": {
        **_AUDIT,
        "reading": ("INSERT",),
        # what is imported becomes readings
        activity_tables.activity_entry.name: ("INSERT",),
        activity_tables.activity_withdrawal.name: ("INSERT",),
        # for what stood alone and is found to belong to a back-fill
        "replay_request": ("INSERT", "UPDATE"),
        # what is published becomes values by the aggregator, which restates what they change
        factor_series_tables.factor_inbox.name: ("INSERT",),
        "touched": ("INSERT",),
        "quarantine": ("INSERT", "UPDATE", "DELETE"),
        "device": ("UPDATE",),
        # nothing of these counts before somebody adopts it
        candidate_tables.device_candidate.name: ("INSERT", "UPDATE", "DELETE"),
        candidate_tables.candidate_message.name: ("INSERT", "DELETE"),
        "broker_session": ("SELECT", "INSERT", "UPDATE"),
        sparkplug_tables.sparkplug_birth.name: ("INSERT", "UPDATE"),
        "process_progress": ("INSERT", "UPDATE", "DELETE"),
    },
    "tonne_aggregate": {
        **_AUDIT,
        "touched": ("INSERT", "UPDATE", "DELETE"),
        factor_series_tables.factor_inbox.name: ("DELETE",),
        factor_series_tables.factor_value.name: ("INSERT",),
        "recompute": ("INSERT", "UPDATE", "DELETE"),
        "following_minutes": ("INSERT", "UPDATE", "DELETE"),
        "set_aside": ("INSERT", "UPDATE", "DELETE"),
        # minutes and hours change, and none goes
        "emission_minute": ("INSERT", "UPDATE"),
        "emission_hour": ("INSERT", "UPDATE"),
        # history is only ever added to: the right to change it is not given
        "emission_hour_history": ("INSERT",),
        # what their hours outdate, triggers remove
        sum_tables.emission_day.name: ("INSERT", "UPDATE"),
        sum_tables.emission_month.name: ("INSERT", "UPDATE"),
        "source_hour_input": ("INSERT", "UPDATE", "DELETE"),
        "source_hour_input_history": ("INSERT",),
        pollutant_tables.pollutant_mean.name: ("INSERT", "UPDATE", "DELETE"),
        pollutant_tables.pollutant_mean_history.name: ("INSERT",),
        pathway_tables.base_year_figure.name: ("INSERT",),
        organisation_tables.organisation_base_figure.name: ("INSERT",),
        "calibration_test": ("INSERT", "UPDATE", "DELETE"),
        "rolling_total": ("INSERT", "UPDATE", "DELETE"),
        "facility_progress": ("INSERT", "UPDATE"),
        "reading_horizon": ("INSERT", "UPDATE"),
        "process_progress": ("INSERT", "UPDATE", "DELETE"),
        # what was judged stays: only marks are put on it
        alert_tables.alert.name: ("INSERT", "UPDATE"),
        alert_tables.alert_transition.name: ("INSERT", "UPDATE"),
        alert_tables.threshold_state.name: ("INSERT", "UPDATE", "DELETE"),
        alert_tables.outbox.name: ("INSERT",),
    },
    "tonne_notify": {
        alert_tables.outbox.name: ("UPDATE", "DELETE"),
        "set_aside": ("INSERT", "UPDATE", "DELETE"),
        "process_progress": ("INSERT", "UPDATE", "DELETE"),
    },
    "tonne_read": {},
    "tonne_api": {
        **_CONFIGURE,
        # people sign in, also as somebody whom a provider vouches for, and change their password;
        # a local account and a role that stays are not the API's to give
        people_tables.person.name: ("INSERT",),
        people_tables.person_password.name: ("SELECT", "UPDATE"),
        people_tables.person_session.name: ("INSERT", "UPDATE"),
        people_tables.api_key_use.name: ("INSERT", "UPDATE"),
        sent_tables.sent_readings.name: ("INSERT", "UPDATE", "DELETE"),
        # test messages, which are given up when nobody waits for them any more
        alert_tables.outbox.name: ("INSERT", "UPDATE"),
    },
    # copies the whole cluster by the right to replicate, which :mod:`.logins` gives
    "tonne_backup": {**_AUDIT},
    "tonne_admin": {
        **_CONFIGURE,
        organisation_tables.organisation.name: ("INSERT",),
        organisation_tables.organisation_revision.name: ("INSERT", "UPDATE"),
        # grants, keys, readings and messages are given, taken and tried by people alone
        "api_key": ("SELECT", "INSERT", "UPDATE"),
        people_tables.person.name: ("INSERT", "UPDATE"),
        people_tables.person_password.name: ("SELECT", "INSERT", "UPDATE"),
        people_tables.person_role.name: ("INSERT", "UPDATE", "DELETE"),
        people_tables.person_session.name: ("UPDATE",),
        alert_tables.outbox.name: ("INSERT", "UPDATE"),
        "quarantine": ("UPDATE",),
        "touched": ("INSERT",),
        "archive_file": ("UPDATE",),
        "archived_span": ("INSERT", "DELETE"),
        activity_tables.activity_withdrawal.name: ("INSERT",),
    },
}

#: What every role may read beside the tables.
_VIEWS = (
    "minute_in_force",
    "history.reading",
    "history.emission_minute",
    "history.minute_in_force",
    "history.emission_hour",
    "history.emission_hour_history",
)

#: Tables that the API alone reads, to answer.
_ANSWERED = (
    "api_key",
    audit_tables.audit_entry.name,
    people_tables.person.name,
    people_tables.person_role.name,
    people_tables.person_session.name,
    people_tables.api_key_use.name,
    sent_tables.sent_readings.name,
)

#: Roles that processes log in as, once they have a password (:mod:`.logins`).
LOGINS = (
    "tonne_ingest",
    "tonne_aggregate",
    "tonne_notify",
    "tonne_api",
    "tonne_backup",
    "tonne_admin",
)

#: Of them those whose reads are done as ``tonne_read``.
_READERS = ("tonne_api", "tonne_admin")

#: The one way to change a reading: no role may UPDATE it, and this keeps what it replaces. Returns
#: whether anything was to be changed. It runs with its owner's rights, so its names are looked up
#: where no caller can put others.
_CORRECT_READING = """
CREATE OR REPLACE FUNCTION correct_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    now_time_source smallint, now_received_at timestamptz, by text, why text, entry bigint
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz;
BEGIN
    INSERT INTO reading_correction
        (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
         new_quality, corrected_by, note, quarantine_id, old_known_at, corrected_at)
    SELECT channel_id, ts, value, quality, time_source, received_at, now_value, now_quality, by,
           why, entry, known_at, greatest(known_now(), known_at, received_at)
    FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS DISTINCT FROM (now_value, now_quality)
    FOR UPDATE
    RETURNING corrected_at INTO present;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE reading SET value = now_value, quality = now_quality, time_source = now_time_source,
                       received_at = now_received_at, known_at = present
    WHERE channel_id = of_channel AND ts = at;
    RETURN true;
END $$
"""

#: What becomes of a reading whose key holds another, where the channel's own rule decides. The one
#: that does not stand is kept as if it had been replaced, in whichever order they came; one that
#: never stood is said to have begun to stand when it was corrected. Returns
#: whether the stored one was replaced; null, and nothing is done, if it is not what the caller saw.
_SUPERSEDE_READING = """
CREATE OR REPLACE FUNCTION supersede_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    now_time_source smallint, now_received_at timestamptz, was_value double precision,
    was_quality smallint, by text, why text, wins boolean
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stored reading;
    present timestamptz;
BEGIN
    SELECT * INTO stored FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS NOT DISTINCT FROM (was_value, was_quality)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    present := greatest(known_now(), stored.known_at, stored.received_at);
    IF wins THEN
        INSERT INTO reading_correction
            (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
             new_quality, corrected_by, note, old_known_at, corrected_at)
        VALUES (of_channel, at, was_value, was_quality, stored.time_source, stored.received_at,
                now_value, now_quality, by, why, stored.known_at, present);
        UPDATE reading SET value = now_value, quality = now_quality, time_source = now_time_source,
                           received_at = now_received_at, known_at = present
        WHERE channel_id = of_channel AND ts = at;
    ELSE
        INSERT INTO reading_correction
            (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
             new_quality, corrected_by, note, old_known_at, corrected_at)
        SELECT of_channel, at, now_value, now_quality, now_time_source, now_received_at, was_value,
               was_quality, by, why, present, present
        WHERE NOT EXISTS (
            SELECT FROM reading_correction
            WHERE channel_id = of_channel AND ts = at
              AND (old_value, old_quality) IS NOT DISTINCT FROM (now_value, now_quality));
    END IF;
    RETURN wins;
END $$
"""

#: A reading decides about steps up to so many readings before it (``LOOK_AROUND`` of the
#: registers), and what it decides there takes as many more readings before those.
_REACH = LOOK_AROUND + 1

#: The one way to drop readings. Nothing goes while anything below the horizon is not settled; the
#: newest readings of each channel below it stay, so that a reading that comes later still changes
#: the minutes before it that it decides about; what goes is recorded. Nothing goes either while
#: such readings are packed: whoever asks opens their days first. A packed row goes with the chunk
#: of its last reading, or is recorded with all others that have none, as history from files may. It
#: runs with its owner's rights.
_DROP_READINGS = """
CREATE OR REPLACE FUNCTION drop_readings(under text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    upto timestamptz;
    gone record;
BEGIN
    SELECT horizon INTO upto FROM reading_horizon WHERE dropped_at IS NULL FOR UPDATE;
    IF upto IS NULL
       OR EXISTS (SELECT FROM emission_hour WHERE NOT final AND hour < upto)
       OR EXISTS (SELECT FROM recompute
                  WHERE minute_start(from_minute) < upto)
       OR EXISTS (SELECT FROM touched t, unnest(t.minutes) AS m
                  WHERE minute_start(m) < upto)
       OR EXISTS (SELECT FROM packed_tails(upto))
    THEN
        RETURN;
    END IF;
    CREATE TEMPORARY TABLE kept_reading ON COMMIT DROP AS
    SELECT r.* FROM channel c CROSS JOIN LATERAL (
        (SELECT * FROM reading WHERE channel_id = c.id AND ts < upto ORDER BY ts DESC LIMIT {kept})
        UNION
        (SELECT * FROM reading WHERE channel_id = c.id AND ts < upto
           AND value IS NOT NULL AND quality <= 1 ORDER BY ts DESC LIMIT {kept})) r;
    FOR gone IN
        SELECT format('%I.%I', chunk_schema, chunk_name) AS chunk, range_start, range_end
        FROM timescaledb_information.chunks
        WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND range_end <= upto
        ORDER BY range_start
    LOOP
        INSERT INTO dropped_readings (chunk, from_ts, to_ts, channels, readings, retention)
        SELECT gone.chunk, gone.range_start, gone.range_end, count(DISTINCT n.channel_id),
               sum(n.readings), under
        FROM (SELECT r.channel_id, count(*) AS readings FROM reading r
              WHERE r.ts >= gone.range_start AND r.ts < gone.range_end AND NOT EXISTS (
                  SELECT FROM kept_reading k WHERE k.channel_id = r.channel_id AND k.ts = r.ts)
              GROUP BY 1
              UNION ALL
              SELECT p.channel_id, p.readings FROM packed_readings p
              WHERE p.last_ts >= gone.range_start AND p.last_ts < gone.range_end) n
        HAVING count(*) > 0;
    END LOOP;
    INSERT INTO dropped_readings (chunk, from_ts, to_ts, channels, readings, retention)
    SELECT 'packed_readings', min(p.first_ts), max(p.last_ts), count(DISTINCT p.channel_id),
           sum(p.readings), under
    FROM packed_readings p
    WHERE p.last_ts < upto AND NOT EXISTS (
        SELECT FROM timescaledb_information.chunks
        WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND range_end <= upto
          AND p.last_ts >= range_start AND p.last_ts < range_end)
    HAVING count(*) > 0;
    INSERT INTO channel_horizon (channel_id, horizon)
    SELECT channel_id, date_trunc('minute', greatest(
               (array_agg(ts ORDER BY ts DESC) FILTER (WHERE nth_good = {reach}))[1],
               min(ts) FILTER (WHERE nth <= {kept}))) + interval '1 minute'
    FROM (SELECT channel_id, ts, row_number() OVER by_time AS nth,
                 CASE WHEN value IS NOT NULL AND quality <= 1 THEN
                     count(*) FILTER (WHERE value IS NOT NULL AND quality <= 1) OVER by_time
                 END AS nth_good
          FROM kept_reading WINDOW by_time AS (PARTITION BY channel_id ORDER BY ts DESC)) k
    GROUP BY channel_id
    ON CONFLICT (channel_id) DO UPDATE
    SET horizon = greatest(channel_horizon.horizon, excluded.horizon);
    PERFORM drop_chunks('reading'::regclass, older_than => upto);
    DELETE FROM packed_readings WHERE last_ts < upto;
    INSERT INTO reading SELECT * FROM kept_reading;
    UPDATE reading_horizon SET dropped_at = now();
    DROP TABLE kept_reading;
END $$
"""

#: The one way to take readings away: the oldest of a span, at most as many as asked; each moves to
#: a record that is only added to. Returns their times.
_DISCARD_READINGS = """
CREATE OR REPLACE FUNCTION discard_readings(
    of_channel integer, since timestamptz, until timestamptz, most bigint, by text, why text
) RETURNS SETOF timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM reading WHERE channel_id = of_channel AND ts >= since AND ts < until
          AND ts = ANY(ARRAY(
            SELECT ts FROM reading WHERE channel_id = of_channel AND ts >= since AND ts < until
            ORDER BY ts LIMIT most))
        RETURNING ts, value, quality, time_source, received_at, known_at)
    INSERT INTO discarded_reading
        (channel_id, ts, value, quality, time_source, received_at, discarded_by, reason, known_at,
         discarded_at)
    SELECT of_channel, ts, value, quality, time_source, received_at, by, why, known_at,
           greatest(known_now(), known_at, received_at)
    FROM gone ORDER BY ts
    RETURNING ts
$$
"""

#: The one way to change when a version of an hour, of what entered it, or of a pollutant's mean was
#: known: what lies in the future was dated by a
#: clock that was ahead, and becomes the present. It runs with its owner's rights.
_REDATE_HOURS = """
CREATE OR REPLACE FUNCTION redate_hours(of_sources integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := known_now();
    redated bigint;
    of_history bigint;
    of_means bigint;
    of_past_means bigint;
BEGIN
    UPDATE emission_hour
    SET known_at = least(known_at, present), opened_at = least(opened_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, opened_at) > present;
    GET DIAGNOSTICS redated = ROW_COUNT;
    UPDATE emission_hour_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    GET DIAGNOSTICS of_history = ROW_COUNT;
    UPDATE source_hour_input SET known_at = present
    WHERE source_id = ANY(of_sources) AND known_at > present;
    UPDATE source_hour_input_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    UPDATE pollutant_mean SET known_at = present
    WHERE source_id = ANY(of_sources) AND known_at > present;
    GET DIAGNOSTICS of_means = ROW_COUNT;
    UPDATE pollutant_mean_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    GET DIAGNOSTICS of_past_means = ROW_COUNT;
    RETURN redated + of_history + of_means + of_past_means;
END $$
"""

#: Time in SQL, once each way: minutes since the epoch. PostgreSQL puts the expression in the place
#: of the call, and with a constant the instant itself, so that indexes are used and chunks left out
#: as if it were written out. What would end that: STRICT, SET, SECURITY DEFINER, a second use of
#: the argument, and an expression that depends on the session's time zone.
_MINUTE_START = """
CREATE OR REPLACE FUNCTION minute_start(minute bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(minute * 60::double precision)
"""
_MINUTE_OF = """
CREATE OR REPLACE FUNCTION minute_of(instant timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(date_part('epoch', instant - timestamptz 'epoch') / 60)::integer
"""


def create_extension(connection: Connection) -> None:
    """Load TimescaleDB into the database."""
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS timescaledb"))


def create_hypertables(connection: Connection) -> None:
    """Turn every table that names a chunk interval into a hypertable without further indexes."""
    for table in metadata.sorted_tables:
        if "hypertable" not in table.info:
            continue
        column, interval = table.info["hypertable"]
        connection.execute(
            text(
                "SELECT create_hypertable(CAST(:table AS regclass),"
                " by_range(:column, CAST(:interval AS interval)), create_default_indexes => false)"
            ),
            {"table": table.name, "column": column, "interval": interval},
        )


def create_views(connection: Connection) -> None:
    """Create the views: minutes in force, and readings and minutes where some are packed."""
    connection.execute(text(MINUTE_IN_FORCE))
    for statement in packing.STATEMENTS:
        connection.execute(text(statement))


def create_triggers(connection: Connection) -> None:
    """Create the triggers, and the functions that they call."""
    for create, _ in (
        sum_triggers.FUNCTIONS | audit_tables.FUNCTIONS | cell_tables.FUNCTIONS
    ).values():
        connection.execute(text(create))
    for statement in (
        *sum_triggers.TRIGGERS,
        *packing.TAKEN_ARE_PACKED,
        *audit_tables.TRIGGERS,
    ):
        connection.execute(text(statement))


def create_roles(connection: Connection) -> None:
    """Create the roles where missing, make the current user a member, grant their rights.

    The right to correct a reading is that to call the function that does it.

    Roles belong to the whole cluster, so another database may have made them already.
    """
    for role in WRITES:
        connection.execute(
            text(
                f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN;"
                " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        )
    # before the rights: what a role has as a member is not granted to it again
    for role in _READERS:
        connection.execute(
            text(
                f"DO $$ BEGIN IF NOT pg_has_role('{role}', 'tonne_read', 'MEMBER')"
                f" THEN GRANT tonne_read TO {role}; END IF; END $$"
            )
        )
    for role, writes in WRITES.items():
        # from PostgreSQL 16 on, who made a role is a member that may not become it
        connection.execute(
            text(
                f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}',"
                " CASE WHEN CAST(current_setting('server_version_num') AS int) >= 160000"
                " THEN 'SET' ELSE 'MEMBER' END)"
                f" THEN EXECUTE format('GRANT {role} TO %I', current_user); END IF; END $$"
            )
        )
        # staging tables of the writers live in the session's temporary schema
        connection.execute(
            text(
                f"DO $$ BEGIN IF NOT has_schema_privilege('{role}', 'public', 'USAGE') THEN"
                f" GRANT USAGE ON SCHEMA public TO {role}; END IF;"
                f" IF NOT has_database_privilege('{role}', current_database(), 'TEMPORARY') THEN"
                f" EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', current_database());"
                f" END IF; IF NOT has_schema_privilege('{role}', 'history', 'USAGE') THEN"
                f" GRANT USAGE ON SCHEMA history TO {role}; END IF; END $$"
            )
        )
        # the API authenticates before it reads: of the roles only its own sees the keys and who did
        # what; whoever knows the client id can take ingest's session over
        hidden = {*_ANSWERED, people_tables.person_password.name, "broker_session"}
        readable = [table.name for table in metadata.sorted_tables if table.name not in hidden]
        rights = [(name, "SELECT") for name in readable]
        rights += [(view, "SELECT") for view in _VIEWS]
        if connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
            rights.append(("alembic_version", "SELECT"))
        rights += [(name, right) for name, several in writes.items() for right in several]
        if role == "tonne_read":
            rights += [(name, "SELECT") for name in _ANSWERED]
        _grant_missing(connection, role, rights)
    for function in believed_time.FUNCTIONS:
        connection.execute(text(function))
    connection.execute(text(_MINUTE_START))
    connection.execute(text(_MINUTE_OF))
    connection.execute(text(_CORRECT_READING))
    connection.execute(text("REVOKE ALL ON FUNCTION correct_reading FROM PUBLIC"))
    connection.execute(text("GRANT EXECUTE ON FUNCTION correct_reading TO tonne_ingest"))
    connection.execute(text(_SUPERSEDE_READING))
    connection.execute(text("REVOKE ALL ON FUNCTION supersede_reading FROM PUBLIC"))
    connection.execute(text("GRANT EXECUTE ON FUNCTION supersede_reading TO tonne_ingest"))
    functions = packing.FUNCTIONS | archive.FUNCTIONS | sum_triggers.FUNCTIONS
    functions |= audit_tables.FUNCTIONS | amendments.FUNCTIONS | cell_tables.FUNCTIONS
    for name, (create, callers) in functions.items():
        connection.execute(text(create.replace("{kept}", str(2 * _REACH))))
        connection.execute(text(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC"))
        for role in callers:
            connection.execute(text(f"GRANT EXECUTE ON FUNCTION {name} TO {role}"))
    connection.execute(
        text(_DROP_READINGS.replace("{kept}", str(2 * _REACH)).replace("{reach}", str(_REACH)))
    )
    connection.execute(text("REVOKE ALL ON FUNCTION drop_readings FROM PUBLIC"))
    connection.execute(text("GRANT EXECUTE ON FUNCTION drop_readings TO tonne_aggregate"))
    connection.execute(text(_REDATE_HOURS))
    connection.execute(text("REVOKE ALL ON FUNCTION redate_hours FROM PUBLIC"))
    connection.execute(text("GRANT EXECUTE ON FUNCTION redate_hours TO tonne_aggregate"))
    connection.execute(text(_DISCARD_READINGS))
    connection.execute(text("REVOKE ALL ON FUNCTION discard_readings FROM PUBLIC"))
    connection.execute(text("GRANT EXECUTE ON FUNCTION discard_readings TO tonne_admin"))


def _grant_missing(connection: Connection, role: str, rights: list[tuple[str, str]]) -> None:
    """Grant a role what it lacks of ``(table, right)``.

    A right that is there already is left alone: to grant it again would write the catalogue rows
    of the table and its chunks, and fail where a running service makes or compresses one just then.
    """
    missing = connection.execute(
        text(
            "SELECT name, privilege FROM unnest(CAST(:names AS text[]), CAST(:rights AS text[]))"
            " AS wanted (name, privilege) WHERE NOT has_table_privilege(:role, name, privilege)"
        ),
        {"role": role, "names": [r[0] for r in rights], "rights": [r[1] for r in rights]},
    )
    for name, right in missing.all():
        connection.execute(text(f"GRANT {right} ON {name} TO {role}"))


def seed(connection: Connection) -> None:
    """Insert the rows that every database starts with."""
    connection.execute(
        text("INSERT INTO registry_revision (id, revision) VALUES (1, 0) ON CONFLICT DO NOTHING")
    )
