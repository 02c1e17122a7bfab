"""The DDL of packed hours; that of packed readings, and what both share, is in :mod:`.packing`.

As there, no function can change an hour: what goes and what comes has one digest, of the hours in
force and of the versions that they replaced together.
"""

from __future__ import annotations

from typing import Final, LiteralString

from services.core.store.database import locks
from services.core.store.schema.figures import IN_HOURS, per_figure
from services.core.store.schema.sum_tables import LONGEST

NULLABLE: Final = tuple(figure for figure in IN_HOURS if figure.nullable)

_REST: LiteralString = "version, final, quality, code, reason, known_at"

#: Columns of hours in force, and of the versions that they replaced.
IN_FORCE: LiteralString = f"source_id, hour, {per_figure(IN_HOURS)}, {_REST}, opened_at"
SUPERSEDED: LiteralString = f"source_id, hour, {per_figure(IN_HOURS)}, {_REST}, superseded_at"


def _array(value: LiteralString) -> LiteralString:
    """Return the SQL of a column as bytes; whole arrays are sent in a third of the time of rows."""
    return f"array_send(array_agg({value}))"


def _figure(name: LiteralString) -> LiteralString:
    """Return the SQL of a figure's part of the digest; of zeros there is none.

    That a figure is kept later changes no digest.
    """
    return (
        f"CASE WHEN bool_or(r.{name} IS DISTINCT FROM 0)"
        f" THEN '{name}'::bytea || {_array(f'r.{name}::int8')} ELSE ''::bytea END"
    )


def _rows(last: LiteralString) -> LiteralString:
    """Return the SQL of all that rows ``r`` hold, which come in order; empty: there are none."""
    parts = [
        _array("r.hour"),
        *(_figure(figure.name) for figure in IN_HOURS),
        *(_array(f"r.{name}") for name in ("version", "final", "known_at", last)),
        # not in the encoding of the session
        *(_array(f"convert_to(r.{name}, 'UTF8')") for name in ("quality", "code", "reason")),
    ]
    return "coalesce(" + " || ".join(parts) + ", ''::bytea)"


#: The digest of hours ``in_force`` and versions ``superseded``, which are named so.
DIGEST: LiteralString = (
    "substring(sha256("  # noqa: S608 - constants
    f"(SELECT {_rows('opened_at')} FROM (SELECT * FROM in_force ORDER BY hour) r)"
    f" || (SELECT {_rows('superseded_at')}"
    " FROM (SELECT * FROM superseded ORDER BY hour, version) r)) FOR 16)"
)

#: When a month begins, counted from the year 0, in UTC.
_BEGIN: LiteralString = "make_timestamptz({month} / 12, {month} % 12 + 1, 1, 0, 0, 0, 'UTC')"
_MONTH: LiteralString = (
    f"begins timestamptz := {_BEGIN.format(month='of_month')};"
    f" ends timestamptz := {_BEGIN.format(month='(of_month + 1)')};"
)

# Both say that hours move and do not change: sums of them stay (:mod:`.sum_triggers`).

#: Packs what a source has of a month, if that is what ``expected`` is the digest of. Nothing
#: younger than two days is packed: whoever writes it need not look for packed months.
_PACK_HOURS: LiteralString = f"""
CREATE OR REPLACE FUNCTION pack_hours(
    of_source integer, of_month integer, its_hours bytea, its_versions bytea, expected bytea
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    {_MONTH}
    gone record;
BEGIN
    IF ends > now() - interval '2 days' THEN
        RAISE EXCEPTION 'hours less than two days old are not packed';
    END IF;
    PERFORM set_config('tonne.moving_hours', 'on', true);
    WITH in_force AS (
        DELETE FROM emission_hour WHERE source_id = of_source AND hour >= begins AND hour < ends
        RETURNING {IN_FORCE}
    ), superseded AS (
        DELETE FROM emission_hour_history
        WHERE source_id = of_source AND hour >= begins AND hour < ends
        RETURNING {SUPERSEDED})
    SELECT h.*, (SELECT count(*) FROM superseded) AS versions, {DIGEST} AS digest
    FROM (SELECT count(*) AS hours, min(hour) AS first_hour, max(hour) AS last_hour,
                 min(known_at) AS known_from,
                 max(known_at) AS known_to, bool_and(final) AS final FROM in_force) h
    INTO gone;
    PERFORM set_config('tonne.moving_hours', 'off', true);
    IF gone.digest IS DISTINCT FROM expected OR gone.final IS NOT TRUE THEN
        RAISE EXCEPTION 'the hours of source % in month % changed while they were packed',
            of_source, of_month USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO packing_horizon (id, upto_day) VALUES (3, minute_of(ends) / 1440)
    ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
    WHERE packing_horizon.upto_day < excluded.upto_day;
    INSERT INTO packed_hours (source_id, month, first_hour, last_hour, known_from, known_to, hours,
                              versions, digest, in_force, superseded)
    VALUES (of_source, of_month, gone.first_hour, gone.last_hour, gone.known_from, gone.known_to,
            gone.hours, gone.versions, gone.digest, its_hours, its_versions);
    RETURN gone.hours;
END $$
"""  # noqa: S608 - a constant


ARRAYS: Final = ("hour", "version", "final", "quality", "code", "reason", "known_at", "last")
#: The types of what comes as arrays, in this order.
ARRAY_TYPES: Final[dict[LiteralString, LiteralString]] = {
    "hour": "timestamptz",
    "version": "integer",
    "final": "boolean",
    "quality": "text",
    "code": "text",
    "reason": "text",
    "known_at": "timestamptz",
    "last": "timestamptz",
    "figures": "bigint",
    "unknown": "boolean",
}


def _back(prefix: LiteralString) -> LiteralString:
    """Return the SELECT of rows from arrays with a prefix.

    Figures come one column after the other in one array, so that one more changes no signature.
    """
    size: LiteralString = f"cardinality({prefix}hour)"

    def column(array: LiteralString, place: int) -> str:
        return f"{prefix}{array}[{place} * {size} + 1:{place + 1} * {size}]"

    arrays = ", ".join(
        [prefix + name for name in ARRAYS]
        + [column("figures", place) for place in range(len(IN_HOURS))]
        + [column("unknown", place) for place in range(len(NULLABLE))]
    )
    figures = ", ".join(
        f"CASE WHEN NOT u.unknown_{f} THEN u.{f} END" if f in NULLABLE else f"u.{f}"
        for f in IN_HOURS
    )
    sql: LiteralString = (
        f"SELECT of_source, u.hour, {figures}, u.version, u.final, u.quality, u.code, u.reason,"  # noqa: S608
        f" u.known_at, u.last FROM unnest({arrays}) AS u({', '.join(ARRAYS)},"
        f" {per_figure(IN_HOURS)}, {per_figure(NULLABLE, 'unknown_{f}')})"
    )
    return sql


def _parameters(prefix: LiteralString) -> LiteralString:
    return ", ".join(f"{prefix}{name} {type_}[]" for name, type_ in ARRAY_TYPES.items())


#: Opens a packed month: its hours are rows again. False, and nothing is done: somebody else did.
_UNPACK_HOURS: LiteralString = f"""
CREATE OR REPLACE FUNCTION unpack_hours(
    of_id bigint, of_source integer, of_month integer, {_parameters("its_")},
    {_parameters("old_")}
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stored bytea;
    present bytea;
BEGIN
    DELETE FROM packed_hours WHERE source_id = of_source AND month = of_month AND id = of_id
    RETURNING digest INTO stored;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('tonne.moving_hours', 'on', true);
    WITH in_force AS (
        INSERT INTO emission_hour ({IN_FORCE})
        {_back("its_")}
        RETURNING {IN_FORCE}
    ), superseded AS (
        INSERT INTO emission_hour_history ({SUPERSEDED})
        {_back("old_")}
        RETURNING {SUPERSEDED})
    SELECT {DIGEST} INTO present;
    PERFORM set_config('tonne.moving_hours', 'off', true);
    IF present IS DISTINCT FROM stored THEN
        RAISE EXCEPTION 'the packed hours of source % in month % are damaged', of_source, of_month
            USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN true;
END $$
"""  # noqa: S608 - a constant

_DELETE_SUMS: LiteralString = "".join(
    f"""
    DELETE FROM {table} s USING packed_hours p
    WHERE p.source_id = ANY(of_sources) AND (p.source_id, p.month) IN (
        SELECT * FROM unnest(of_sources, of_months))
      AND s.source_id = p.source_id AND s.begins <= p.last_hour AND s.ends > p.first_hour
      AND s.begins > p.first_hour - interval '{longest}';"""  # noqa: S608 - constants
    for table, longest in LONGEST.items()
)

#: Puts packed months in the place of packed months, those that ``of_ids`` tell: hours that changed
#: have new versions, and the old ones are among those that were replaced. All sums that hold an
#: hour of them go, as they do when rows change: whoever calls it need not be believed.
_REPLACE_HOURS: LiteralString = f"""
CREATE OR REPLACE FUNCTION replace_hours(
    of_sources integer[], of_months integer[], of_ids bigint[], its_known_from timestamptz[],
    its_known_to timestamptz[], its_versions integer[], its_digest bytea[], its_hours bytea[],
    its_superseded bytea[]
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    replaced integer;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({locks.SUMS}, f.id)
    FROM (SELECT DISTINCT facility_id AS id FROM source WHERE id = ANY(of_sources) ORDER BY 1) f;
    UPDATE packed_hours p
    SET id = DEFAULT, known_from = u.known_from, known_to = u.known_to, versions = u.versions,
        digest = u.digest, in_force = u.in_force, superseded = u.superseded
    FROM unnest(of_sources, of_months, of_ids, its_known_from, its_known_to, its_versions,
                its_digest, its_hours, its_superseded)
         AS u(source_id, month, id, known_from, known_to, versions, digest, in_force, superseded)
    WHERE p.source_id = u.source_id AND p.month = u.month AND p.id = u.id
      AND u.versions > p.versions AND u.versions <= p.versions + p.hours
      AND u.known_from >= p.known_from AND u.known_to >= p.known_to;
    GET DIAGNOSTICS replaced = ROW_COUNT;
    IF replaced <> cardinality(of_ids) THEN
        RAISE EXCEPTION 'packed hours changed while they were restated'
            USING ERRCODE = 'serialization_failure';
    END IF;{_DELETE_SUMS}
    RETURN replaced;
END $$
"""  # noqa: S608 - constants

#: What a session has unpacked, in tables with the columns of these in their order. The bodies name
#: tables of the session, which are not there yet.
_UNPACKED: Final = """
CREATE OR REPLACE FUNCTION unpacked_hours() RETURNS SETOF emission_hour
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_hour $$
"""
_UNPACKED_VERSIONS: Final = """
CREATE OR REPLACE FUNCTION unpacked_hour_versions() RETURNS SETOF emission_hour_history
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_hour_version $$
"""

#: Whoever reads them holds the facility or is in a snapshot: no month is opened meanwhile.
_VIEWS: Final = (
    f"""
CREATE VIEW history.emission_hour AS
SELECT {IN_FORCE} FROM public.emission_hour
UNION ALL SELECT {IN_FORCE} FROM public.unpacked_hours()
""",  # noqa: S608 - a constant
    f"""
CREATE VIEW history.emission_hour_history AS
SELECT {SUPERSEDED} FROM public.emission_hour_history
UNION ALL SELECT {SUPERSEDED} FROM public.unpacked_hour_versions()
""",  # noqa: S608 - a constant
)

#: In order: a view needs its functions. Views are made anew: one more figure is in their midst.
STATEMENTS: Final = (
    "ALTER TABLE packed_hours ALTER COLUMN in_force SET STORAGE EXTERNAL",
    "ALTER TABLE packed_hours ALTER COLUMN superseded SET STORAGE EXTERNAL",
    "DROP VIEW IF EXISTS history.emission_hour, history.emission_hour_history",
    # a body that names tables of the session cannot be checked
    "SET LOCAL check_function_bodies = off",
    _UNPACKED,
    _UNPACKED_VERSIONS,
    "SET LOCAL check_function_bodies = on",
    *_VIEWS,
)

#: By name: what creates it, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "pack_hours": (_PACK_HOURS, ("tonne_aggregate",)),
    "unpack_hours": (_UNPACK_HOURS, ("tonne_aggregate",)),
    "replace_hours": (_REPLACE_HOURS, ("tonne_aggregate",)),
}
