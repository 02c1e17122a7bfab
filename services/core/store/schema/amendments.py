"""The functions by which people correct and withdraw readings; no role may UPDATE them."""

from __future__ import annotations

from typing import Final

#: A reading as a person states it, in the place of what is stored, which is kept, or where nothing
#: is. Returns false, and nothing is done, if what is stored is not what the caller saw.
_AMEND: Final = """
CREATE OR REPLACE FUNCTION amend_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    is_stored boolean, was_value double precision, was_quality smallint, by text, why text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := known_now();
BEGIN
    IF NOT is_stored THEN
        INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
        VALUES (of_channel, at, now_value, now_quality, 0, present)
        ON CONFLICT (channel_id, ts) DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        INSERT INTO reading_correction
            (channel_id, ts, new_value, new_quality, corrected_by, note, by_person, corrected_at)
        VALUES (of_channel, at, now_value, now_quality, by, why, true, present);
        RETURN true;
    END IF;
    INSERT INTO reading_correction
        (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
         new_quality, corrected_by, note, old_known_at, by_person, corrected_at)
    SELECT channel_id, ts, value, quality, time_source, received_at, now_value, now_quality, by,
           why, known_at, true, greatest(present, known_at, received_at)
    FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS NOT DISTINCT FROM (was_value, was_quality)
    FOR UPDATE
    RETURNING corrected_at INTO present;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE reading SET value = now_value, quality = now_quality, time_source = 0,
                       received_at = present, known_at = present
    WHERE channel_id = of_channel AND ts = at;
    RETURN true;
END $$
"""

#: Takes away what an activity counts, at the given instants from ``since`` to before ``until``, in
#: the transaction that withdraws it and no other. Returns the times of what there was.
_DISCARD_ACTIVITY: Final = """
CREATE OR REPLACE FUNCTION discard_activity(
    of_facility integer, entry text, since timestamptz, until timestamptz, instants timestamptz[]
) RETURNS SETOF timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH withdrawn AS (
        SELECT e.channel_id, e.first_day - 1 AS first_day, e.end_day + 1 AS end_day,
               w.withdrawn_by, w.reason
        FROM activity_entry e
        JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
        WHERE e.facility_id = of_facility AND e.id = entry AND w.withdrawn_at = now()),
    gone AS (
        DELETE FROM reading r USING withdrawn w
        WHERE r.channel_id = w.channel_id AND r.ts >= since AND r.ts < until
          AND r.ts = ANY(instants) AND r.ts >= w.first_day AND r.ts < w.end_day
        RETURNING r.channel_id, r.ts, r.value, r.quality, r.time_source, r.received_at, r.known_at,
                  w.withdrawn_by, w.reason)
    INSERT INTO discarded_reading
        (channel_id, ts, value, quality, time_source, received_at, discarded_by, reason, known_at,
         discarded_at)
    SELECT channel_id, ts, value, quality, time_source, received_at, withdrawn_by, reason, known_at,
           greatest(known_now(), known_at, received_at)
    FROM gone ORDER BY ts
    RETURNING ts
$$
"""

#: By name: how it is made, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "amend_reading": (_AMEND, ("tonne_ingest", "tonne_admin")),
    "discard_activity": (_DISCARD_ACTIVITY, ("tonne_ingest", "tonne_admin")),
}
