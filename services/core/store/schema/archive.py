"""The DDL of the archive: how packed days are noted as archived, leave the database and come back.

Every function here runs with its owner's rights. What leaves keeps its row with the digest, and
nothing comes back under another one.
"""

from __future__ import annotations

from typing import Final

#: Notes a file, and marks the packed rows that it holds, as far as they still have these digests.
#: Packed rows are locked in their order, as by whoever opens days (ADR 0048).
_NOTE_ARCHIVE: Final = """
CREATE OR REPLACE FUNCTION note_archive(
    of_facility integer, of_month date, its_place text, its_path text, its_bytes bigint,
    its_sha256 bytea, its_readings bigint, its_day_count integer, its_tonne text,
    its_channels integer[], its_days integer[], its_digests bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM packed_readings p
    JOIN unnest(its_channels, its_days) AS u(channel_id, day)
      ON p.channel_id = u.channel_id AND p.day = u.day
    WHERE NOT p.archived ORDER BY p.channel_id, p.day FOR NO KEY UPDATE OF p;
    UPDATE packed_readings p SET archived = true
    FROM unnest(its_channels, its_days, its_digests) AS u(channel_id, day, digest)
    WHERE p.channel_id = u.channel_id AND p.day = u.day AND p.digest = u.digest
      AND NOT p.archived;
    INSERT INTO archive_file
        (facility_id, month, place, path, bytes, sha256, readings, days, tonne)
    VALUES (of_facility, of_month, its_place, its_path, its_bytes, its_sha256, its_readings,
            its_day_count, its_tonne)
    ON CONFLICT (facility_id, month) DO UPDATE
    SET place = excluded.place, path = excluded.path, bytes = excluded.bytes,
        sha256 = excluded.sha256, readings = excluded.readings, days = excluded.days,
        tonne = excluded.tonne, archived_at = now();
END $$
"""

#: Takes the packed columns of archived days away; their rows stay. Returns how many had some.
_REMOVE_ARCHIVED: Final = """
CREATE OR REPLACE FUNCTION remove_archived(of_channel integer, its_days integer[])
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        UPDATE packed_readings SET series = NULL, arrival = NULL
        WHERE channel_id = of_channel AND day = ANY(its_days) AND archived AND series IS NOT NULL
        RETURNING day)
    SELECT count(*) FROM gone
$$
"""

#: Fills packed columns in again where there are none, of readings that have the digest. Whoever
#: opens the day compares the readings themselves with it.
_RESTORE_ARCHIVED: Final = """
CREATE OR REPLACE FUNCTION restore_archived(
    of_channel integer, of_day integer, its_digest bytea, its_series bytea, its_arrival bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE packed_readings SET series = its_series, arrival = its_arrival
    WHERE channel_id = of_channel AND day = of_day AND digest = its_digest AND series IS NULL;
    RETURN FOUND;
END $$
"""

#: By name: what creates it, and who may call it.
FUNCTIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "note_archive": (_NOTE_ARCHIVE, ("tonne_admin",)),
    "remove_archived": (_REMOVE_ARCHIVED, ("tonne_admin",)),
    "restore_archived": (_RESTORE_ARCHIVED, ("tonne_admin",)),
}
