"""The DDL that keeps sums of hours exact: who changes an hour that is in one removes the sum.

Only hours that are final are summed, so that a statement which changes open hours alone, as that of
every tick does, is done when it has looked for a final one. Whoever sums holds the facility's lock
``SUMS`` alone, and whoever removes shares it: nobody sums what another is about to change.
"""

from __future__ import annotations

from typing import Final

from services.core.store.database import locks
from services.core.store.schema.sum_tables import LONGEST

_DELETES: Final = "".join(
    f"""
    DELETE FROM {table} s USING (
        SELECT x.source_id, min(x.hour) AS first, max(x.hour) AS last
        FROM unnest(of_sources, of_hours) AS x(source_id, hour)
        GROUP BY x.source_id, floor(extract(epoch FROM x.hour) / 86400)) c
    WHERE s.source_id = c.source_id AND s.begins <= c.last AND s.ends > c.first
      AND s.begins > c.first - interval '{longest}';"""  # noqa: S608 - constants
    for table, longest in LONGEST.items()
)

#: Removes the sums that hold any of these hours. It runs with its owner's rights: whoever may
#: change an hour must not be able to leave its sums.
_REMOVE_SUMS: Final = f"""
CREATE OR REPLACE FUNCTION remove_sums(of_sources integer[], of_hours timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({locks.SUMS}, f.id)
    FROM (SELECT DISTINCT facility_id AS id FROM source WHERE id = ANY(of_sources) ORDER BY 1) f;{_DELETES}
END $$
"""  # noqa: E501, S608 - constants

#: Of a statement on hours; ``changed`` are the rows as they were, or those that were inserted.
#: An hour that is packed or unpacked does not change: the functions that do that say so, and nobody
#: but the owner, with whose rights they run, is believed.
_FOLLOW_HOURS: Final = """
CREATE OR REPLACE FUNCTION sums_follow_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('tonne.moving_hours', true) = 'on' THEN
        IF current_user = (SELECT tableowner FROM pg_tables
                           WHERE schemaname = 'public' AND tablename = 'emission_hour') THEN
            RETURN NULL;
        END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM changed) THEN
            PERFORM public.remove_sums(array_agg(source_id), array_agg(hour)) FROM changed;
        END IF;
    ELSIF EXISTS (SELECT FROM changed WHERE final) THEN
        PERFORM public.remove_sums(array_agg(source_id), array_agg(hour)) FROM changed WHERE final;
    END IF;
    RETURN NULL;
END $$
"""

#: Of an hour that was given to another source or time.
_FOLLOW_MOVED_HOUR: Final = """
CREATE OR REPLACE FUNCTION sums_follow_moved_hour() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.remove_sums(ARRAY[NEW.source_id], ARRAY[NEW.hour]);
    RETURN NULL;
END $$
"""

_FOLLOW_TRUNCATION: Final = """
CREATE OR REPLACE FUNCTION sums_follow_truncation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM emission_day;
    DELETE FROM emission_month;
    RETURN NULL;
END $$
"""

#: Another time zone has other days and months.
_FOLLOW_TIMEZONE: Final = f"""
CREATE OR REPLACE FUNCTION sums_follow_timezone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({locks.SUMS}, NEW.id);
    DELETE FROM emission_day WHERE source_id IN (SELECT id FROM source WHERE facility_id = NEW.id);
    DELETE FROM emission_month
    WHERE source_id IN (SELECT id FROM source WHERE facility_id = NEW.id);
    RETURN NULL;
END $$
"""  # noqa: S608 - a number

#: By name: what creates it, and who may call it beside its owner. Triggers are called by nobody.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "remove_sums": (_REMOVE_SUMS, ("tonne_aggregate",)),
    "sums_follow_hours": (_FOLLOW_HOURS, ()),
    "sums_follow_moved_hour": (_FOLLOW_MOVED_HOUR, ()),
    "sums_follow_truncation": (_FOLLOW_TRUNCATION, ()),
    "sums_follow_timezone": (_FOLLOW_TIMEZONE, ()),
}

#: Created once, when the functions are there.
TRIGGERS: Final = (
    (
        "CREATE TRIGGER sums_follow_inserts AFTER INSERT ON emission_hour"
        " REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_updates AFTER UPDATE ON emission_hour"
        " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_deletes AFTER DELETE ON emission_hour"
        " REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_hours()"
    ),
    (
        "CREATE TRIGGER sums_follow_moves AFTER UPDATE OF source_id, hour ON emission_hour"
        " FOR EACH ROW EXECUTE FUNCTION sums_follow_moved_hour()"
    ),
    (
        "CREATE TRIGGER sums_follow_truncation AFTER TRUNCATE ON emission_hour"
        " FOR EACH STATEMENT EXECUTE FUNCTION sums_follow_truncation()"
    ),
    (
        "CREATE TRIGGER sums_follow_timezone AFTER UPDATE OF timezone ON facility"
        " FOR EACH ROW WHEN (OLD.timezone IS DISTINCT FROM NEW.timezone)"
        " EXECUTE FUNCTION sums_follow_timezone()"
    ),
)
