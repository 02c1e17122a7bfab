"""The function by which people correct readings; no role may UPDATE them."""

from __future__ import annotations

from typing import Final

#: A reading as a person states it, in the place of what is stored, which is kept, or where nothing
#: is. Returns false, and nothing is done, if what is stored is not what the caller saw.
_AMEND: Final = """
CREATE OR REPLACE FUNCTION amend_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    is_stored boolean, was_value double precision, was_quality smallint, by text, why text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT is_stored THEN
        INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)
        VALUES (of_channel, at, now_value, now_quality, 0, now())
        ON CONFLICT (channel_id, ts) DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        INSERT INTO reading_correction
            (channel_id, ts, new_value, new_quality, corrected_by, note, by_person)
        VALUES (of_channel, at, now_value, now_quality, by, why, true);
        RETURN true;
    END IF;
    INSERT INTO reading_correction
        (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
         new_quality, corrected_by, note, old_known_at, by_person)
    SELECT channel_id, ts, value, quality, time_source, received_at, now_value, now_quality, by,
           why, known_at, true
    FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS NOT DISTINCT FROM (was_value, was_quality)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE reading SET value = now_value, quality = now_quality, time_source = 0,
                       received_at = now(), known_at = now()
    WHERE channel_id = of_channel AND ts = at;
    RETURN true;
END $$
"""

#: By name: how it is made, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "amend_reading": (_AMEND, ("tonne_ingest", "tonne_admin"))
}
