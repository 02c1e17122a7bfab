"""A facility taken out of force, brought back, and deleted for ever in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError

from services.core.facility.errors import ApplyError
from services.core.store.database import locks
from services.core.store.database.connect import engine
from services.core.store.operations.purge_facility import NotRetiredError, purge, stored_by_table
from services.core.store.operations.removed_facilities import removed_facilities
from services.core.store.operations.retire_facility import (
    RetiredFacility,
    UnknownFacilityError,
    look_up,
    retire_facility,
    stored_rows,
)
from services.core.store.registry import read
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant
from tests.patience import until
from tests.services import as_login

T0 = instant("2026-11-20T10:00:00Z")
OTHER = FILE.replace("id: works, name", "id: other, name")

#: Tables that belong to no facility.
_SHARED = {
    "alembic_version", "api_key", "audit_entry", "broker_session", "dropped_readings",
    "facility_purge", "factor", "process_progress", "reading_horizon", "registry_revision",
    "replay_request", "schema_compatibility",
}  # fmt: skip

_WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

#: Something in every other table that a purge empties.
_FILLING = """
INSERT INTO threshold (facility_id, slug, origin, version, spec, in_force_from) VALUES
(%(facility)s, 'high', 'api', 1, '{}', now());
INSERT INTO threshold_revision (threshold_id, version) SELECT id, 1 FROM threshold;
INSERT INTO maintenance (facility_id, slug, origin, from_ts, to_ts, reason) VALUES
(%(facility)s, 'rest', 'api', now(), now() + interval '1 h', 'a');
INSERT INTO alert (facility_id, threshold_id, threshold_version, state, projected, started_at,
fired_at, limit_value, data_version, told, maintenance_id) SELECT %(facility)s, t.id, 1,
'resolved', false, now(), now(), 1, 1, true, m.id FROM threshold t, maintenance m;
INSERT INTO alert_comment (alert_id, made_by, comment) SELECT id, 'a', 'b' FROM alert;
INSERT INTO alert_transition (threshold_id, at, state, projected, since, limit_value,
data_version) SELECT id, now(), 'firing', false, now(), 1, 1 FROM threshold;
INSERT INTO threshold_state (threshold_id, facility_id, state, projected, since, at) SELECT id,
%(facility)s, 'resolved', false, now(), now() FROM threshold;
INSERT INTO outbox (facility_id, kind, target, lane, alert_id, body, key) SELECT %(facility)s,
'firing', 'mqtt', 'l', id, '{}', 'k' FROM alert;
INSERT INTO facility_version (facility_id, number, sha256, file, changes) VALUES
(%(facility)s, 1, '', '', '[]');
INSERT INTO quarantine (reason, detail, topic, payload, facility) VALUES ('bad_time', '', 't',
'', 'works');
INSERT INTO reading_correction (channel_id, ts, old_quality, old_time_source, old_received_at,
new_quality, corrected_by) VALUES (%(channel)s, now(), 0, 0, now(), 0, 'a');
INSERT INTO discarded_reading (channel_id, ts, quality, time_source, received_at, discarded_by,
reason) VALUES (%(channel)s, now(), 0, 0, now(), 'a', 'b');
INSERT INTO calibration_test (channel_id, ended_at, passed, detail) VALUES (%(channel)s, now(),
true, '');
INSERT INTO channel_horizon (channel_id, horizon) VALUES (%(channel)s, '-infinity');
INSERT INTO emission_hour_history (source_id, hour, version, co2_ug, co2e_ug, market_ug,
covered_ms, final, quality, reason) VALUES (%(source)s, now(), 1, 0, 0, 0, 0, true, 'measured',
'a');
INSERT INTO emission_day (source_id, begins, ends, co2_ug, co2e_ug, market_ug, covered_ms,
measured_ms, version, hours, known_hours, voided_hours, missing_hours, partial_hours,
substituted_hours) VALUES (%(source)s, '2026-03-01', '2026-03-02', 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0,
0);
INSERT INTO emission_month (source_id, begins, ends, co2_ug, co2e_ug, market_ug, covered_ms,
measured_ms, version, hours, known_hours, voided_hours, missing_hours, partial_hours,
substituted_hours) SELECT source_id, begins, ends, co2_ug, co2e_ug, market_ug, covered_ms,
measured_ms, version, hours, known_hours, voided_hours, missing_hours, partial_hours,
substituted_hours FROM emission_day;
INSERT INTO source_hour_input (source_id, role, hour, covered_ms, operating_ms, valid, verdict,
verdict_reason, code, reason) VALUES (%(source)s, 'co2', now(), 0, 0, true, '', '', '', '');
INSERT INTO touched (facility_id, channel_ids, minutes) VALUES (%(facility)s,
ARRAY[%(channel)s], ARRAY[1]);
INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason) VALUES
(%(facility)s, %(source)s, 1, 2, 'a');
INSERT INTO following_minutes (facility_id, source_id, begins, ends, co2_kg, co2e_kg, market_kg)
VALUES (%(facility)s, %(source)s, now(), now(), '{0}', '{0}', '{0}');
INSERT INTO set_aside (service, facility_id, kind, name, reason) VALUES ('notify', %(facility)s,
'x', 'y', 'z');
INSERT INTO facility_grant (facility_id, kind, name, granted_by) VALUES (%(facility)s, 'topic',
'a', 'b')
"""


@pytest.fixture
def bind(database_url: str) -> Iterator[Engine]:
    made = engine(database_url, process="test")
    yield made
    made.dispose()


def retired(bind: Engine, facility: str = "works", reason: str | None = None) -> RetiredFacility:
    with bind.begin() as connection:
        return retire_facility(connection, facility, by="user anna", reason=reason)


def filled(url: str) -> None:
    """The facility with something in every table that a purge empties, beside another one."""
    plant = Plant(url, FILE)
    readings = [
        Reading("meter.power", T0.replace(month=month, hour=hour), 60.0)
        for month in (1, 6, 11)
        for hour in range(20)
    ]
    plant.store(readings)
    plant.tick(instant("2026-11-21T10:00:00Z"))
    of = {
        "facility": plant.facility_id,
        "channel": plant.channels["meter.power"],
        "source": plant.sources["by-gauge"],
    }
    for statement in _FILLING.split(";"):
        plant.connection.execute(statement, of)
    plant.close()
    apply_text(url, OTHER)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT c.id, r.ts, 1, 0, now(), 0 FROM reading r, channel c"
            " JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id"
            " WHERE f.slug = 'other' AND c.slug = 'power'"
        )
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility)"
            " VALUES ('bad_time', '', 't', '', 'other')"
        )


def counted(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The rows of every table."""
    names = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    ).fetchall()
    return {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
        for (name,) in names
    }


def test_retired_twice_is_retired_once(bind: Engine, database_url: str) -> None:
    apply_text(database_url)
    first = retired(bind, reason="kiln sold")
    assert first.retirement is not None
    assert (first.retirement.by, first.retirement.reason) == ("user anna", "kiln sold")
    assert first.sources == ("by-counter", "by-gauge", "by-interval", "stack")
    assert first.devices == ("cems", "meter")
    with psycopg.connect(database_url, autocommit=True) as connection:
        revision = read.revision(connection)
        assert retired(bind, reason="another") == first
        assert read.revision(connection) == revision
        known = read.devices(connection)
        assert known.by_name == {}
        assert known.facilities == {"works"}
        assert known.retired == {"works": first.retirement.instant}
        plan = next(iter(facility_plans(connection).values()))
    assert plan.retirement == first.retirement
    # what arrived before is computed yet
    assert len(plan.sources) == 4
    assert plan.watch.thresholds == ()


def test_an_unknown_facility_is_named_by_its_nearest(bind: Engine, database_url: str) -> None:
    apply_text(database_url)
    with pytest.raises(UnknownFacilityError, match="no facility work; did you mean works"):
        retired(bind, "work")


def test_a_source_that_the_file_had_dropped_before_stays_dropped(
    bind: Engine, database_url: str
) -> None:
    apply_text(database_url)
    apply_text(database_url, FILE[: FILE.index("  - id: stack\n")])
    assert retired(bind).sources == ("by-counter", "by-gauge", "by-interval")
    apply_text(database_url, FILE[: FILE.index("  - id: stack\n")])
    with psycopg.connect(database_url) as connection:
        active = connection.execute("SELECT slug FROM source WHERE active ORDER BY 1").fetchall()
        was = connection.execute(
            "SELECT returned_at IS NOT NULL, returned_by FROM facility_retirement"
        ).fetchall()
    assert [slug for (slug,) in active] == ["by-counter", "by-gauge", "by-interval"]
    assert was == [(True, None)]


def test_only_a_retired_facility_is_purged(bind: Engine, database_url: str) -> None:
    apply_text(database_url)
    with pytest.raises(NotRetiredError, match="retire it first with `tonne remove works`"):
        purge(bind, "works", by="a", reason="b")


def test_no_login_of_a_service_may_purge(bind: Engine, database_url: str) -> None:
    apply_text(database_url)
    retired(bind)
    for login in ("tonne_admin", "tonne_api", "tonne_aggregate", "tonne_ingest"):
        other = engine(as_login(database_url, login), process="test")
        with pytest.raises(ProgrammingError, match="permission denied"):
            purge(other, "works", by="a", reason="b")
        other.dispose()


def test_a_purge_leaves_the_others_and_a_record(bind: Engine, database_url: str) -> None:
    filled(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        others = _of_others(connection)
        retired(bind)
        with bind.connect() as reads:
            facility_id = look_up(reads, "works").id
            assert stored_rows(reads, facility_id).readings == 60
            expected = stored_by_table(reads, "works")
        assert expected["reading"] == 60
        assert expected["quarantine"] == 1
        rests: list[float] = []
        gone = purge(bind, "works", by="user anna", reason="sold", max_rows=7, rest=rests.append)
        assert gone == expected
        # 60 readings in three chunks at 7 a piece, and more
        assert len(rests) > 9
        assert _of_others(connection) == others
        left = counted(connection)
        assert left["facility"] == 1
        # what belongs to one facility is there for the other one alone
        for name in set(left) - _SHARED - set(others):
            assert left[name] == 0, name
        (record,) = removed_facilities_of(bind)
        assert (record.facility, record.state, record.by, record.reason) == (
            "works", "purged", "user anna", "sold",
        )  # fmt: skip
        assert record.rows == sum(gone.values())
    # the name is free again
    assert "+ facility works" in apply_text(database_url)


def _of_others(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The rows of the other facility, in tables that have any."""
    found = connection.execute(
        "SELECT 'reading', count(*) FROM reading r JOIN channel c ON c.id = r.channel_id"
        " JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id"
        " WHERE f.slug = 'other' UNION ALL"
        " SELECT 'quarantine', count(*) FROM quarantine WHERE facility = 'other' UNION ALL"
        " SELECT 'device', count(*) FROM device d JOIN facility f ON f.id = d.facility_id"
        " WHERE f.slug = 'other' UNION ALL"
        " SELECT 'channel', count(*) FROM channel c JOIN device d ON d.id = c.device_id"
        " JOIN facility f ON f.id = d.facility_id WHERE f.slug = 'other' UNION ALL"
        " SELECT 'source', count(*) FROM source s JOIN facility f ON f.id = s.facility_id"
        " WHERE f.slug = 'other' UNION ALL"
        " SELECT x, 0 FROM unnest(ARRAY['facility', 'facility_progress', 'channel_revision',"
        " 'source_revision', 'source_input', 'recompute']) AS x"
    ).fetchall()
    return dict(found)


def removed_facilities_of(bind: Engine) -> list[Any]:
    with bind.connect() as connection:
        return removed_facilities(connection)


class Killed(BaseException):
    """The process ends here."""


def test_a_killed_purge_goes_on_where_it_was(bind: Engine, database_url: str) -> None:
    filled(database_url)
    retired(bind)
    with bind.connect() as reads:
        expected = stored_by_table(reads, "works")
    pieces = 0

    def die(_took_s: float) -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 8:
            raise Killed

    with pytest.raises(Killed):
        purge(bind, "works", by="user anna", reason="sold", max_rows=7, rest=die)
    states = {each.state for each in removed_facilities_of(bind)}
    assert states == {"retired", "being purged"}
    with psycopg.connect(database_url) as connection:
        # nobody computes what is half gone, and nobody brings it back
        assert {plan.slug for plan in facility_plans(connection).values()} == {"other"}
    with pytest.raises(ApplyError, match=r"being purged since .*finish it"):
        apply_text(database_url)
    gone = purge(bind, "works", by="user bert", reason="again", max_rows=7, rest=lambda _s: None)
    assert {name: gone[name] for name in expected} == expected
    (record,) = removed_facilities_of(bind)
    assert (record.state, record.by, record.reason) == ("purged", "user anna", "sold")


def test_a_purge_waits_for_whoever_computes_the_facility(bind: Engine, database_url: str) -> None:
    apply_text(database_url)
    facility_id = retired(bind).id
    with (
        psycopg.connect(database_url, autocommit=True) as looks,
        psycopg.connect(database_url) as computes,
        ThreadPoolExecutor() as beside,
    ):
        computes.execute("SELECT pg_advisory_xact_lock(%s, %s)", (locks.FACILITY, facility_id))
        purging = beside.submit(purge, bind, "works", by="a", reason="b")
        until(
            lambda: looks.execute(_WAITS).fetchone() == (1,),
            "the purge waits",
        )
        assert not purging.done()
        computes.commit()
        assert purging.result()["facility"] == 1
