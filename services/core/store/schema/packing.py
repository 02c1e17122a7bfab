"""The DDL of what is packed: how days are packed and opened, and the views that readers see.

Every function here that writes runs with its owner's rights, and can change no reading: a packed
row has the digest of the rows that it replaces, and what comes out of it must have that too.
"""

from __future__ import annotations

from typing import Final

from services.core.store.database import locks
from services.core.store.schema import hour_packing, minute_packing
from services.core.store.schema.packed_runs import MOST_READINGS, overlapping
from services.core.timeline.instants import POSTGRES_EPOCH_US

#: What ``timestamptz_send`` makes of the epoch, which stands for no instant, and that it does.
_UNKNOWN: Final = (-POSTGRES_EPOCH_US).to_bytes(8, "big", signed=True).hex() + "01"

#: A reading as its bytes, as :data:`services.core.store.readings.packing.columns.ROW` has them.
#: What nearly all readings have is written out: each call that is left out is a tenth of the time.
READING_SENT: Final = f"""(timestamptz_send({{r}}ts)
    || CASE WHEN {{r}}value IS NOT NULL AND {{r}}quality = 0 AND {{r}}time_source = 0
            THEN float8send({{r}}value) || '\\x0000000000'::bytea
            ELSE float8send(coalesce({{r}}value, 0)) || boolsend({{r}}value IS NULL)
                 || int2send({{r}}quality) || int2send({{r}}time_source) END
    || CASE WHEN {{r}}known_at IS NULL THEN timestamptz_send({{r}}received_at) || '\\x{_UNKNOWN}'::bytea
            ELSE timestamptz_send({{r}}received_at) || timestamptz_send({{r}}known_at)
                 || boolsend(false) END)"""  # noqa: E501 - one expression

_DIGEST: Final = (
    "substring(sha256(string_agg(" + READING_SENT.replace("{r}", "r.") + ", '' ORDER BY r.ts))"
    " FOR 16)"
)

#: A day's month, which a run lies in.
_MONTH: Final = "date_trunc('month', (date '1970-01-01' + {day})::timestamp)"

#: Takes what a channel has of days, each run of them as the bytes of its rows, in order of time. A
#: run ends where the next day would make it too long, is of another month, or lies behind a packed
#: row. The day of which something was known after ``quiet_since`` comes last and without bytes:
#: neither it nor those after it are taken. What is taken has to be packed before the transaction
#: ends.
#:
#: Rows are read and then deleted: to have DELETE return them takes as long again as both. Between
#: the two nothing changes, for who writes readings that are older than a day shares the lock.
_TAKE_READINGS: Final = f"""
CREATE OR REPLACE FUNCTION take_readings(
    of_channel integer, first_day integer, last_day integer, quiet_since timestamptz
) RETURNS TABLE (day integer, days smallint, sent bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    begins timestamptz := minute_start(1440 * first_day);
    ends timestamptz := minute_start(1440 * (last_day + 1));
    its record;
    run taken_readings;
    present bigint := 0;
    deleted bigint;
BEGIN
    IF ends > now() - interval '2 days' THEN
        RAISE EXCEPTION 'readings less than two days old are not packed';
    END IF;
    IF NOT (SELECT pg_try_advisory_xact_lock({locks.HISTORY}, d.facility_id)
            FROM channel c JOIN device d ON d.id = c.device_id WHERE c.id = of_channel) THEN
        RAISE EXCEPTION 'somebody else writes old readings of the facility of channel %',
            of_channel USING ERRCODE = 'lock_not_available';
    END IF;
    FOR its IN EXECUTE $sql$
        SELECT d.day, t.*
        FROM generate_series($4, $5) AS d(day) CROSS JOIN LATERAL (
            SELECT string_agg({READING_SENT.replace("{r}", "r.")}, '') AS sent,
                   count(*) AS readings, min(r.ts) AS first_ts, max(r.ts) AS last_ts,
                   count(*) FILTER (WHERE r.value IS NOT NULL AND r.quality <= 1) AS usable,
                   min(coalesce(r.known_at, r.received_at)) AS known_from,
                   max(coalesce(r.known_at, r.received_at)) AS known_to
            FROM (SELECT * FROM reading
                  WHERE channel_id = $1 AND ts >= $2 AND ts < $3
                    AND ts >= minute_start(1440 * d.day) AND ts < minute_start(1440 * (d.day + 1))
                  ORDER BY ts) r) t
        WHERE t.readings > 0 ORDER BY d.day $sql$
    USING of_channel, begins, ends, first_day, last_day
    LOOP
        IF run.day IS NOT NULL AND (
            its.known_to > quiet_since OR run.readings + its.readings > {MOST_READINGS}
            OR {_MONTH.replace("{day}", "run.day")} <> {_MONTH.replace("{day}", "its.day")}
            OR EXISTS (SELECT FROM packed_readings p WHERE p.channel_id = of_channel
                       AND p.day > run.day AND p.day < its.day))
        THEN
            run.digest := substring(sha256(sent) FOR 16);
            INSERT INTO taken_readings SELECT run.*;
            day := run.day;
            days := run.days;
            RETURN NEXT;
            run := NULL;
        END IF;
        IF its.known_to > quiet_since THEN
            day := its.day;
            days := 1;
            sent := NULL;
            ends := minute_start(1440 * day);
            RETURN NEXT;
            EXIT;
        END IF;
        present := present + its.readings;
        IF run.day IS NULL THEN
            run.channel_id := of_channel;
            run.day := its.day;
            run.archived := false;
            run.first_ts := its.first_ts;
            sent := its.sent;
        ELSE
            sent := sent || its.sent;
        END IF;
        run.days := its.day - run.day + 1;
        run.last_ts := its.last_ts;
        run.known_from := least(run.known_from, its.known_from);
        run.known_to := greatest(run.known_to, its.known_to);
        run.readings := coalesce(run.readings, 0) + its.readings;
        run.usable := coalesce(run.usable, 0) + its.usable;
    END LOOP;
    IF run.day IS NOT NULL THEN
        run.digest := substring(sha256(sent) FOR 16);
        INSERT INTO taken_readings SELECT run.*;
        day := run.day;
        days := run.days;
        RETURN NEXT;
    END IF;
    IF present > 0 THEN
        EXECUTE 'DELETE FROM reading WHERE channel_id = $1 AND ts >= $2 AND ts < $3'
        USING of_channel, begins, ends;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        IF deleted <> present THEN
            RAISE EXCEPTION 'the readings of channel % changed while they were packed', of_channel
                USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
END $$
"""  # noqa: S608 - constants

#: Takes packed rows to have them packed as one, given what each unpacks to as the bytes of its
#: rows: the digest of all is of what has the digests of each.
_TAKE_PACKED_READINGS: Final = f"""
CREATE OR REPLACE FUNCTION take_packed_readings(
    of_channel integer, its_days integer[], its_sent bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    run taken_readings;
    is_loose boolean;
BEGIN
    IF NOT (SELECT pg_try_advisory_xact_lock({locks.HISTORY}, d.facility_id)
            FROM channel c JOIN device d ON d.id = c.device_id WHERE c.id = of_channel) THEN
        RAISE EXCEPTION 'somebody else writes old readings of the facility of channel %',
            of_channel USING ERRCODE = 'lock_not_available';
    END IF;
    WITH gone AS (
        DELETE FROM packed_readings p USING unnest(its_days, its_sent) AS u(day, sent)
        WHERE p.channel_id = of_channel AND p.day = u.day AND p.series IS NOT NULL
          AND p.digest = substring(sha256(u.sent) FOR 16)
        RETURNING p.*, u.sent)
    INSERT INTO taken_readings
        (channel_id, day, days, first_ts, last_ts, known_from, known_to, readings, usable, digest,
         archived)
    SELECT of_channel, min(g.day), max(g.day + g.days) - min(g.day), min(g.first_ts),
           max(g.last_ts), min(g.known_from), max(g.known_to), sum(g.readings), sum(g.usable),
           substring(sha256(string_agg(g.sent, ''::bytea ORDER BY g.day)) FOR 16),
           bool_and(g.archived)
    FROM gone g
    HAVING count(*) = cardinality(its_days) AND sum(g.readings) <= {MOST_READINGS}
       AND {_MONTH.replace("{day}", "min(g.day)")}
           = {_MONTH.replace("{day}", "(max(g.day + g.days) - 1)")}
    RETURNING * INTO run;
    IF FOUND THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM reading WHERE channel_id = $1 AND ts >= $2 AND ts < $3)'
        INTO is_loose USING of_channel, minute_start(1440 * run.day),
            minute_start(1440 * (run.day + run.days));
    END IF;
    IF is_loose IS DISTINCT FROM false THEN
        RAISE EXCEPTION 'the packed readings of channel % are others, and cannot be joined',
            of_channel USING ERRCODE = 'serialization_failure';
    END IF;
END $$
"""  # noqa: S608 - constants

#: Puts packed rows in the place of runs that this transaction has taken.
_PACK_READINGS: Final = f"""
CREATE OR REPLACE FUNCTION pack_readings(
    of_channel integer, its_days integer[], its_series bytea[], its_arrival bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    packed bigint;
BEGIN
    INSERT INTO packing_horizon (id, upto_day)
    SELECT 1, max(t.day + t.days) FROM taken_readings t
    WHERE t.channel_id = of_channel AND t.day = ANY(its_days) HAVING count(*) > 0
    ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
    WHERE packing_horizon.upto_day < excluded.upto_day;
    WITH taken AS (
        DELETE FROM taken_readings t
        USING unnest(its_days, its_series, its_arrival) AS p(day, series, arrival)
        WHERE t.channel_id = of_channel AND t.day = p.day
        RETURNING t.*, p.series, p.arrival)
    INSERT INTO packed_readings
        (channel_id, day, days, first_ts, last_ts, known_from, known_to, readings, usable, digest,
         series, arrival, archived)
    SELECT channel_id, day, days, first_ts, last_ts, known_from, known_to, readings, usable, digest,
           series, arrival, archived
    FROM taken t
    WHERE NOT EXISTS (SELECT FROM packed_readings p WHERE p.channel_id = of_channel
                      AND {overlapping("t.day", "t.day + t.days - 1")})
    ORDER BY day;
    GET DIAGNOSTICS packed = ROW_COUNT;
    IF packed <> cardinality(its_days) THEN
        RAISE EXCEPTION 'a day of channel % was not taken, or is packed, and cannot be packed',
            of_channel;
    END IF;
END $$
"""  # noqa: S608 - constants

#: No transaction ends with readings that it has taken and not packed.
_TAKEN_ARE_PACKED: Final = """
CREATE OR REPLACE FUNCTION taken_readings_are_packed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM taken_readings
               WHERE channel_id = NEW.channel_id AND day = NEW.day) THEN
        RAISE EXCEPTION 'the readings of channel % on day % were taken, and are not packed',
            NEW.channel_id, NEW.day USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$
"""

#: Opens a packed day: its readings are rows again. False, and nothing is done: somebody else did.
_UNPACK_READINGS: Final = f"""
CREATE OR REPLACE FUNCTION unpack_readings(
    of_id bigint, of_channel integer, of_day integer, its_ts timestamptz[],
    its_value double precision[], is_missing boolean[], its_quality smallint[],
    its_time_source smallint[], its_received_at timestamptz[], its_known_at timestamptz[],
    is_unknown boolean[]
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stored bytea;
    present bytea;
BEGIN
    DELETE FROM packed_readings WHERE channel_id = of_channel AND day = of_day AND id = of_id
    RETURNING digest INTO stored;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    WITH back AS (
        INSERT INTO reading
            (channel_id, ts, value, quality, time_source, received_at, known_at)
        SELECT of_channel, u.ts, CASE WHEN NOT u.missing THEN u.value END, u.quality,
               u.time_source, u.received_at, CASE WHEN NOT u.unknown THEN u.known_at END
        FROM unnest(its_ts, its_value, is_missing, its_quality, its_time_source, its_received_at,
                    its_known_at, is_unknown)
             AS u(ts, value, missing, quality, time_source, received_at, known_at, unknown)
        RETURNING *)
    SELECT {_DIGEST} FROM back r INTO present;
    IF present IS DISTINCT FROM stored THEN
        RAISE EXCEPTION 'the packed readings of channel % on day % are damaged', of_channel, of_day
            USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN true;
END $$
"""  # noqa: S608 - a constant

#: Adds packed runs of days of readings that were never rows. Returns those that were left out,
#: because the channel has rows of their days, or packed ones. The caller keeps everybody else from
#: writing into the facility's packed days.
_ADD_PACKED_READINGS: Final = f"""
CREATE OR REPLACE FUNCTION add_packed_readings(
    of_channels integer[], of_days integer[], its_days integer[], its_first timestamptz[],
    its_last timestamptz[], its_readings integer[], its_usable integer[], its_known timestamptz,
    its_digest bytea[], its_series bytea[], its_arrival bytea[]
) RETURNS TABLE (channel_id integer, day integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest integer := (SELECT min(u.day) FROM unnest(of_days) AS u(day));
    stop integer := (SELECT max(u.day + u.days) FROM unnest(of_days, its_days) AS u(day, days));
BEGIN
    IF minute_start(1440 * stop) > now() - interval '2 days' THEN
        RAISE EXCEPTION 'readings less than two days old are not packed';
    END IF;
    INSERT INTO packing_horizon (id, upto_day) VALUES (1, stop)
    ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
    WHERE packing_horizon.upto_day < excluded.upto_day;
    -- the bounds are constants of this plan, so that other chunks are not looked into
    RETURN QUERY EXECUTE $sql$
        WITH brought AS (
            SELECT *, minute_start(1440 * u.day) AS begins,
                   minute_start(1440 * (u.day + u.days)) AS ends
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                AS u(channel_id, day, days, first_ts, last_ts, readings, usable, digest, series,
                     arrival)
        ), spans AS (
            SELECT b.channel_id, min(b.begins) AS begins, max(b.ends) AS ends
            FROM brought b GROUP BY 1
        ), occupied AS (
            SELECT DISTINCT s.channel_id,
                   floor(extract(epoch FROM r.ts) / 86400)::integer AS day
            FROM spans s JOIN reading r
              ON r.channel_id = s.channel_id AND r.ts >= s.begins AND r.ts < s.ends
            WHERE r.ts >= $12 AND r.ts < $13
        ), added AS (
            INSERT INTO packed_readings
                (channel_id, day, days, first_ts, last_ts, known_from, known_to, readings, usable,
                 digest, series, arrival)
            SELECT b.channel_id, b.day, b.days, b.first_ts, b.last_ts, $11, $11, b.readings,
                   b.usable, b.digest, b.series, b.arrival
            FROM brought b
            WHERE b.first_ts >= b.begins AND b.first_ts < b.begins + interval '1 day'
              AND b.last_ts >= b.ends - interval '1 day' AND b.last_ts < b.ends
              AND b.last_ts >= b.first_ts AND (b.days = 1 OR b.readings <= {MOST_READINGS})
              AND {_MONTH.replace("{day}", "b.day")}
                  = {_MONTH.replace("{day}", "(b.day + b.days - 1)")}
              AND NOT EXISTS (
                  SELECT FROM occupied o WHERE o.channel_id = b.channel_id
                  AND o.day BETWEEN b.day AND b.day + b.days - 1)
              AND NOT EXISTS (
                  SELECT FROM packed_readings p WHERE p.channel_id = b.channel_id
                  AND {overlapping("b.day", "b.day + b.days - 1")})
            RETURNING packed_readings.channel_id, packed_readings.day)
        SELECT b.channel_id, b.day FROM brought b
        WHERE (b.channel_id, b.day) NOT IN (SELECT a.channel_id, a.day FROM added a) $sql$
    USING of_channels, of_days, its_days, its_first, its_last, its_readings, its_usable, its_digest,
          its_series, its_arrival, its_known, minute_start(1440 * oldest),
          minute_start(1440 * stop);
END $$
"""  # noqa: S608 - constants

#: Packed rows that hold readings which stay when those before an instant are dropped, though all of
#: theirs are older: a row that reaches beyond the instant stays as it is. Where the archive alone
#: has them none does: nothing is computed or taken there.
_PACKED_TAILS: Final = """
CREATE OR REPLACE FUNCTION packed_tails(upto timestamptz)
RETURNS TABLE (channel_id integer, day integer)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH RECURSIVE newest AS (
        SELECT c.id AS channel_id, n.day, n.total
        FROM channel c CROSS JOIN LATERAL (
            SELECT p.day, p.usable + (
                SELECT count(*) FROM (
                    SELECT FROM reading r
                    WHERE r.channel_id = c.id AND r.ts > p.last_ts AND r.ts < upto
                      AND r.value IS NOT NULL AND r.quality <= 1 LIMIT {kept}) q) AS total,
                p.usable, p.series IS NOT NULL AS present
            FROM packed_readings p WHERE p.channel_id = c.id AND p.last_ts < upto
            ORDER BY p.day DESC LIMIT 1) n
        WHERE n.total - n.usable < {kept} AND n.present
        UNION ALL
        SELECT w.channel_id, n.day, w.total + n.usable
        FROM newest w CROSS JOIN LATERAL (
            SELECT p.day, p.usable, p.series IS NOT NULL AS present
            FROM packed_readings p
            WHERE p.channel_id = w.channel_id AND p.day < w.day
            ORDER BY p.day DESC LIMIT 1) n
        WHERE w.total < {kept} AND n.present)
    SELECT channel_id, day FROM newest
$$
"""

#: Gives back the room of chunks whose rows are all packed. That a chunk has no page left says
#: that nobody can see a row of it any more, however old his snapshot is.
_FREE_EMPTY_CHUNKS: Final = """
CREATE OR REPLACE FUNCTION free_empty_chunks() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    chunk regclass;
    freed integer := 0;
BEGIN
    FOR chunk IN
        SELECT format('%I.%I', c.chunk_schema, c.chunk_name)::regclass
        FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = 'public' AND c.hypertable_name IN ('reading', 'emission_minute')
          AND c.range_end < now() - interval '2 days'
    LOOP
        CONTINUE WHEN pg_relation_size(chunk) > 0 OR pg_indexes_size(chunk) <= 65536;
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', chunk);
            IF pg_relation_size(chunk) = 0 THEN
                EXECUTE format('TRUNCATE %s', chunk);
                freed := freed + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN freed;
END $$
"""

#: What a session has unpacked; its body names tables of the session, which are not there yet.
_UNPACKED: Final = """
CREATE OR REPLACE FUNCTION unpacked_readings() RETURNS SETOF reading LANGUAGE sql STABLE AS $$
    SELECT u.ts, u.value, u.received_at, u.channel_id, u.quality, u.time_source, u.known_at
    FROM pg_temp.unpacked_reading u
$$
"""

#: That readings that a session unpacked are still packed, in the snapshot of the statement that
#: asks. Else they are rows again, and the statement would see them twice.
_STILL_PACKED: Final = """
CREATE OR REPLACE FUNCTION still_packed() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_temp.opened_day o WHERE o.kind = 1 AND NOT EXISTS (
            SELECT FROM public.packed_readings p
            WHERE p.channel_id = o.owner AND p.day = o.day AND p.id = o.id))
    THEN
        RAISE EXCEPTION 'a packed day was opened while it was read; try again'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$
"""

# The condition has no column in it: PostgreSQL looks at it once for each statement, and goes on to
# use the indexes and leave out the chunks of both parts as of one table.
_READING: Final = """
CREATE OR REPLACE VIEW history.reading AS
SELECT ts, value, received_at, channel_id, quality, time_source, known_at
FROM (SELECT ts, value, received_at, channel_id, quality, time_source, known_at
      FROM public.reading
      UNION ALL
      SELECT ts, value, received_at, channel_id, quality, time_source, known_at
      FROM public.unpacked_readings()) r
WHERE (SELECT public.still_packed())
"""

_STORAGE: Final = """
ALTER TABLE packed_readings ALTER COLUMN series SET STORAGE EXTERNAL,
                            ALTER COLUMN arrival SET STORAGE EXTERNAL
"""

#: In order: a view needs its functions.
STATEMENTS: Final = (
    _STORAGE,
    "CREATE SCHEMA IF NOT EXISTS history",
    # a body that names tables of the session cannot be checked
    "SET LOCAL check_function_bodies = off",
    _UNPACKED,
    _STILL_PACKED,
    "SET LOCAL check_function_bodies = on",
    _READING,
    *minute_packing.STATEMENTS,
    *hour_packing.STATEMENTS,
)

#: Created once, after its function.
TAKEN_ARE_PACKED: Final = (
    _TAKEN_ARE_PACKED,
    (
        "CREATE CONSTRAINT TRIGGER taken_readings_are_packed AFTER INSERT ON taken_readings"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION taken_readings_are_packed()"
    ),
)

#: By name: what creates it, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    **minute_packing.FUNCTIONS,
    **hour_packing.FUNCTIONS,
    "take_readings": (_TAKE_READINGS, ("tonne_aggregate",)),
    "take_packed_readings": (_TAKE_PACKED_READINGS, ("tonne_aggregate",)),
    "pack_readings": (_PACK_READINGS, ("tonne_aggregate",)),
    "taken_readings_are_packed": (_TAKEN_ARE_PACKED, ()),
    "add_packed_readings": (_ADD_PACKED_READINGS, ("tonne_ingest",)),
    "unpack_readings": (_UNPACK_READINGS, ("tonne_ingest", "tonne_aggregate", "tonne_admin")),
    "packed_tails": (_PACKED_TAILS, ("tonne_aggregate",)),
    "free_empty_chunks": (_FREE_EMPTY_CHUNKS, ("tonne_aggregate",)),
}
