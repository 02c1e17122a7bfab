"""The DDL of packed minutes; that of packed readings, and what both share, is in :mod:`.packing`.

As there, no function can change a minute: what goes and what comes has one digest.
"""

from __future__ import annotations

from typing import Final, LiteralString

from services.core.store.schema.figures import (
    CLOSING_SHARES,
    FIGURES,
    MASSES,
    Figure,
    names,
    per_figure,
)
from services.core.store.schema.minute_mass import followed_factor, minute_mass

_COLUMNS: Final = (*FIGURES, *CLOSING_SHARES)
_NULLABLE: Final = tuple(figure for figure in _COLUMNS if figure.nullable)

#: All columns of ``emission_minute``, in the order of the table.
_ALL: LiteralString = f"minute, {per_figure(_COLUMNS)}, source_id, activity"


def _digested(name: LiteralString, value: LiteralString, send: LiteralString) -> LiteralString:
    """Return the SQL of a column's part of the digest; of zeros there is none."""
    return (
        f"CASE WHEN bool_or({value} <> {'false' if send == 'boolsend' else '0'})"
        f" THEN '{name}'::bytea || string_agg({send}({value}), '') ELSE ''::bytea END"
    )


#: The digest of the minutes ``r``, which come in order; see ``MinuteColumns.digest``.
_DIGEST: LiteralString = (
    "substring(sha256("
    + " || ".join(
        [
            "string_agg(timestamptz_send(r.minute), '')",
            *(
                _digested(name, f"coalesce(r.{name}, 0)::int8", "int8send")
                for name in names(_COLUMNS)
            ),
            *(
                _digested(f"unknown_{name}", f"(r.{name} IS NULL)", "boolsend")
                for name in names(_NULLABLE)
            ),
            "string_agg(float8send(coalesce(r.activity, 0)), '')",
            "string_agg(boolsend(r.activity IS NULL), '')",
        ]
    )
    + ") FOR 16)"
)

#: Packs what a source has of a day, if that is what ``expected`` is the digest of. Nothing younger
#: than two days is packed: whoever writes it need not look for packed days.
_PACK_MINUTES: LiteralString = f"""
CREATE OR REPLACE FUNCTION pack_minutes(
    of_source integer, of_day integer, its_minutes bytea, expected bytea
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    begins timestamptz := minute_start(1440 * of_day);
    ends timestamptz := minute_start(1440 * (of_day + 1));
    gone record;
BEGIN
    IF ends > now() - interval '2 days' THEN
        RAISE EXCEPTION 'minutes less than two days old are not packed';
    END IF;
    EXECUTE $sql$
        WITH gone AS (
            DELETE FROM emission_minute WHERE source_id = $1 AND minute >= $2 AND minute < $3
            RETURNING {_ALL})
        SELECT count(*) AS rows, min(r.minute) AS first_minute, max(r.minute) AS last_minute,
               {_DIGEST} AS digest
        FROM (SELECT * FROM gone ORDER BY minute) r $sql$
    INTO gone USING of_source, begins, ends;
    IF gone.digest IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'the minutes of source % on day % changed while they were packed',
            of_source, of_day USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO packing_horizon (id, upto_day) VALUES (2, of_day + 1)
    ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
    WHERE packing_horizon.upto_day < excluded.upto_day;
    INSERT INTO packed_minutes (source_id, day, first_minute, last_minute, digest, minutes)
    VALUES (of_source, of_day, gone.first_minute, gone.last_minute, gone.digest, its_minutes);
    RETURN gone.rows;
END $$
"""  # noqa: S608 - a constant

_FIGURES_BACK: LiteralString = ", ".join(
    f"CASE WHEN NOT is_unknown[{names(_NULLABLE).index(figure.name)} * n + u.k]"
    f" THEN its_figures[{i} * n + u.k] END"
    if figure.nullable
    else f"its_figures[{i} * n + u.k]"
    for i, figure in enumerate(_COLUMNS)
)

#: Opens a packed day: its minutes are rows again. False, and nothing is done: somebody else did.
#: Figures come one column after the other in one array, so that one more changes no signature.
_UNPACK_MINUTES: LiteralString = f"""
CREATE OR REPLACE FUNCTION unpack_minutes(
    of_id bigint, of_source integer, of_day integer, its_minute timestamptz[],
    its_figures bigint[], is_unknown boolean[], its_activity double precision[],
    without_activity boolean[]
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stored bytea;
    present bytea;
    n integer := cardinality(its_minute);
BEGIN
    DELETE FROM packed_minutes WHERE source_id = of_source AND day = of_day AND id = of_id
    RETURNING digest INTO stored;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    WITH back AS (
        INSERT INTO emission_minute ({_ALL})
        SELECT u.minute, {_FIGURES_BACK}, of_source,
               CASE WHEN NOT u.without_activity THEN u.activity END
        FROM unnest(its_minute, its_activity, without_activity)
             WITH ORDINALITY AS u(minute, activity, without_activity, k)
        RETURNING *)
    SELECT {_DIGEST} FROM (SELECT * FROM back ORDER BY minute) r INTO present;
    IF present IS DISTINCT FROM stored THEN
        RAISE EXCEPTION 'the packed minutes of source % on day % are damaged', of_source, of_day
            USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN true;
END $$
"""  # noqa: S608 - a constant

#: Puts packed days in the place of packed days, those that ``of_ids`` tell: what was computed of
#: them again is not written as rows first. None loses its first minute or its last.
_REPLACE_MINUTES: Final = """
CREATE OR REPLACE FUNCTION replace_minutes(
    of_sources integer[], of_days integer[], of_ids bigint[], its_first timestamptz[],
    its_last timestamptz[], its_digest bytea[], its_minutes bytea[]
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    replaced integer;
BEGIN
    UPDATE packed_minutes p
    SET id = DEFAULT, first_minute = u.first_minute, last_minute = u.last_minute,
        digest = u.digest, minutes = u.minutes
    FROM unnest(of_sources, of_days, of_ids, its_first, its_last, its_digest, its_minutes)
         AS u(source_id, day, id, first_minute, last_minute, digest, minutes)
    WHERE p.source_id = u.source_id AND p.day = u.day AND p.id = u.id
      AND u.first_minute BETWEEN minute_start(1440 * u.day) AND p.first_minute
      AND u.last_minute >= p.last_minute AND u.last_minute < minute_start(1440 * (u.day + 1));
    GET DIAGNOSTICS replaced = ROW_COUNT;
    IF replaced <> cardinality(of_ids) THEN
        RAISE EXCEPTION 'packed minutes changed while they were computed'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN replaced;
END $$
"""

#: Puts packed days where sources have nothing, as rows or packed: what was computed of them is not
#: written as rows first.
_ADD_PACKED_MINUTES: Final = """
CREATE OR REPLACE FUNCTION add_packed_minutes(
    of_sources integer[], of_days integer[], its_first timestamptz[], its_last timestamptz[],
    its_digest bytea[], its_minutes bytea[]
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    newest integer := (SELECT max(day) FROM unnest(of_days) AS u(day));
    added integer;
BEGIN
    IF minute_start(1440 * (newest + 1)) > now() - interval '2 days' THEN
        RAISE EXCEPTION 'minutes less than two days old are not packed';
    END IF;
    INSERT INTO packing_horizon (id, upto_day) VALUES (2, newest + 1)
    ON CONFLICT (id) DO UPDATE SET upto_day = excluded.upto_day
    WHERE packing_horizon.upto_day < excluded.upto_day;
    INSERT INTO packed_minutes (source_id, day, first_minute, last_minute, digest, minutes)
    SELECT u.source_id, u.day, u.first_minute, u.last_minute, u.digest, u.minutes
    FROM unnest(of_sources, of_days, its_first, its_last, its_digest, its_minutes)
         AS u(source_id, day, first_minute, last_minute, digest, minutes)
    WHERE u.first_minute >= minute_start(1440 * u.day) AND u.last_minute >= u.first_minute
      AND u.last_minute < minute_start(1440 * (u.day + 1))
      AND NOT EXISTS (
          SELECT FROM emission_minute e
          WHERE e.source_id = u.source_id AND e.minute >= minute_start(1440 * u.day)
            AND e.minute < minute_start(1440 * (u.day + 1)));
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added <> cardinality(of_days) THEN
        RAISE EXCEPTION 'there are minutes of days that were to be added'
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN added;
END $$
"""

#: What a session has unpacked, in the order of the table's own columns; its body names a table of
#: the session, which is not there yet.
_UNPACKED: Final = """
CREATE OR REPLACE FUNCTION unpacked_minutes() RETURNS SETOF emission_minute
LANGUAGE sql STABLE AS $$ SELECT * FROM pg_temp.unpacked_minute $$
"""

#: Whoever reads it holds the facility or is in a snapshot: no day is opened meanwhile.
_EMISSION_MINUTE: LiteralString = f"""
CREATE VIEW history.emission_minute AS
SELECT {_ALL} FROM public.emission_minute
UNION ALL SELECT {_ALL} FROM public.unpacked_minutes()
"""  # noqa: S608 - a constant


def minute_in_force(schema: LiteralString) -> LiteralString:
    """Return the view of minutes as hours and windows count them, over those of a schema.

    What reads masses of minutes reads them there.
    """
    not_masses = [figure for figure in FIGURES if figure not in MASSES]
    masses = per_figure(
        MASSES,
        "CASE WHEN f.id IS NULL OR m.activity IS NULL THEN m.{f}"
        " ELSE " + minute_mass(followed_factor("{f.in_kg}")) + " END AS {f}",
    )
    return (
        f"CREATE OR REPLACE VIEW {schema}.minute_in_force AS"  # noqa: S608
        f" SELECT m.source_id, m.minute, {masses}, {_of_row(CLOSING_SHARES)}, {_of_row(not_masses)}"
        f" FROM {schema}.emission_minute m"
        " LEFT JOIN following_minutes f"
        " ON f.source_id = m.source_id AND m.minute >= f.begins AND m.minute < f.ends"
    )


def _of_row(figures: tuple[Figure, ...] | list[Figure]) -> LiteralString:
    return per_figure(figures, "m.{f}")


#: Of minutes as rows alone.
MINUTE_IN_FORCE: Final = minute_in_force("public")

#: In order: a view needs its functions. Views are made anew: one more figure stands in their midst.
STATEMENTS: Final = (
    "ALTER TABLE packed_minutes ALTER COLUMN minutes SET STORAGE EXTERNAL",
    "DROP VIEW IF EXISTS history.minute_in_force, history.emission_minute",
    # a body that names tables of the session cannot be checked
    "SET LOCAL check_function_bodies = off",
    _UNPACKED,
    "SET LOCAL check_function_bodies = on",
    _EMISSION_MINUTE,
    minute_in_force("history"),
)

#: By name: what creates it, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "pack_minutes": (_PACK_MINUTES, ("tonne_aggregate",)),
    "unpack_minutes": (_UNPACK_MINUTES, ("tonne_aggregate",)),
    "replace_minutes": (_REPLACE_MINUTES, ("tonne_aggregate",)),
    "add_packed_minutes": (_ADD_PACKED_MINUTES, ("tonne_aggregate",)),
}
