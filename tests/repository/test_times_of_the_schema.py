"""Each time that the database gives a row by itself is of one of two clocks; see ADR 0142."""

from __future__ import annotations

from sqlalchemy.sql.schema import DefaultClause

from services.core.store.schema import ddl
from services.core.store.schema.tables import metadata

assert ddl

#: Times by the database's own clock, whether that is believed or not: they say who did what, end
#: what somebody may do, or begin what a process does, and nothing known is compared with them.
OF_ITS_CLOCK = {
    "activity_withdrawal.withdrawn_at",
    "alert_comment.made_at",
    "api_key.created_at",
    "archive_file.archived_at",
    "audit_entry.made_at",
    "cell.added_at",
    "cell_arrival.begun_at",
    "cell_departure.begun_at",
    "cell_facility.claimed_at",
    "certificate_use.since",
    "dropped_readings.dropped_at",
    "facility_grant.granted_at",
    "facility_purge.begun_at",
    "outbox.created_at",
    "outbox.next_try_at",
    "person.created_at",
    "person_password.changed_at",
    "person_session.began_at",
    "quarantine.received_at",
    "reading_horizon.raised_at",
    "registry_revision.changed_at",
    "replay_request.requested_at",
    "sent_readings.made_at",
}


def test_every_time_is_of_a_clock_that_was_chosen_for_it() -> None:
    of_its_clock = set()
    for table in metadata.sorted_tables:
        for column in table.columns:
            default = column.server_default
            if isinstance(default, DefaultClause) and str(default.arg) in {
                "now()",
                "clock_timestamp()",
            }:
                of_its_clock.add(f"{table.name}.{column.name}")
    assert of_its_clock == OF_ITS_CLOCK, "use known_now(), or say here why not; see ADR 0142"
