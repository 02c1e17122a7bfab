"""A facility moved between two databases: everything of it, once, wherever the move is killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from services.cli.verify import verified
from services.core.facility.errors import ApplyError
from services.core.store.cells import departure, directory, identity, numbers
from services.core.store.cells.errors import CellError, UnequalError
from services.core.store.cells.move import Move, Side, cancel, move
from services.core.store.cells.parts import HISTORY, PARTS, WAITING
from services.core.store.database.connect import connect
from services.core.store.operations import keys
from services.core.store.operations.facility_rows import ALL
from services.core.store.schema.cell_tables import STEP
from services.core.store.schema.tables import metadata
from tests.faults.proxy import Proxy
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    instant,
    some_readings,
)
from tests.integration.aggregator.test_closing import close_all
from tests.integration.store.test_retire_facility import filled
from tests.patience import until
from tests.services import Postgres

T0 = instant("2026-11-20T10:00:00Z")
LATER = instant("2026-11-22T10:00:00Z")
OTHER = FILE.replace("id: works, name", "id: other, name")

#: Tables that are of no facility, or of many.
_OF_NONE = {
    "api_key", "api_key_use", "audit_entry", "broker_session", "candidate_message", "cell",
    "cell_arrival", "cell_departure", "cell_facility", "device_candidate", "dropped_readings",
    "facility_purge", "organisation", "organisation_base_figure", "organisation_revision",
    "packing_horizon", "person", "person_password", "person_role", "person_session",
    "process_progress", "reading_horizon", "registry_revision", "replay_request",
    "schema_compatibility", "sent_readings",
    "sparkplug_birth", "taken_readings",
}  # fmt: skip

STEPS = (
    "departure begun", "arrival begun", "copied", "verified", "frozen", "staged", "about to leave",
    "left", "arrived", "late messages handed over", "old rows compared", "old rows deleted",
)  # fmt: skip


class KilledError(Exception):
    """The move ended here, as if its process had been killed."""


def killed_at(last: str) -> Callable[[str], None]:
    """What a move does at each step: go on, until its process is killed after the last one."""

    def step(name: str) -> None:
        if name == last:
            raise KilledError(name)

    return step


class Cells:
    """Home and another cell, b."""

    def __init__(self, home: str, b: str) -> None:
        self.urls = {"home": home, "b": b}

    def __getitem__(self, name: str) -> psycopg.Connection[Any]:
        return connect(self.urls[name], process="test", autocommit=True)

    def add(self) -> None:
        with self["home"] as home, self["b"] as b:
            identity.add(home, b, "b")

    def claim(self, facility: str, cell: str) -> None:
        with self["home"] as home, self[cell] as other:
            directory.claim(home, facility, cell, is_nowhere=True)
            directory.note(other, facility, cell)

    def move(
        self,
        facility: str = "works",
        *,
        old: str = "home",
        new: str = "b",
        step: Callable[[str], None] = lambda _step: None,
        verify: Callable[[psycopg.Connection[Any], str], int] | None = None,
    ) -> int:
        with self.task(facility, old, new, step) as task:
            return move(task, _verified if verify is None else verify).rows

    def cancel(self, facility: str = "works") -> int:
        with self.task(facility, "home", "b") as task:
            return cancel(task)

    @contextmanager
    def task(
        self,
        facility: str,
        old: str,
        new: str,
        step: Callable[[str], None] = lambda _step: None,
    ) -> Iterator[Move]:
        with self[old] as leaving, self[new] as coming:
            yield Move(
                facility=facility,
                old=Side(name=old, connection=leaving),
                new=Side(name=new, connection=coming),
                by="user anna",
                step=step,
                copied=lambda _rows: None,
            )

    def homes(self, facility: str = "works") -> list[str]:
        with self["home"] as home, self["b"] as b:
            return identity.whereabouts({"home": home, "b": b}, facility)

    def everything(self, name: str) -> dict[str, list[str]]:
        """Every row of the tables that belong to facilities."""
        with self[name] as connection:
            return {
                part.table: sorted(
                    line
                    for (line,) in connection.execute(
                        sql.SQL("SELECT ROW({})::text FROM {}").format(part.names, part.place)
                    )
                )
                for part in PARTS
            }


def _verified(connection: psycopg.Connection[Any], facility: str) -> int:
    result = verified(connection, [facility])
    assert [d for d in result.listed if d.facility == facility] == []
    assert result.checked > 0
    return result.checked


@pytest.fixture
def cells(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Cells]:
    with (
        postgres_cluster.fresh_database(template=migrated_template) as home,
        postgres_cluster.fresh_database(template=migrated_template) as b,
    ):
        yield Cells(home, b)


@pytest.fixture
def plant(cells: Cells) -> Iterator[Plant]:
    """Hours of a facility with every kind of channel, computed, at home."""
    with closing(Plant(cells.urls["home"])) as made:
        made.store(some_readings(random.Random(20), T0, 8))
        close_all(made, LATER)
        cells.add()
        yield made


def test_every_table_is_moved_or_is_of_no_facility() -> None:
    import services.core.store.schema.ddl  # noqa: F401, PLC0415 - it brings every table

    tables = {table.name for table in metadata.sorted_tables}
    assert tables - _OF_NONE == set(ALL)
    assert {part.table for part in PARTS} == set(ALL) - {"quarantine"}
    # what waits is found by nobody; history refers to nothing and nothing refers to it
    of_history = {part.table for part in HISTORY}
    for table in metadata.sorted_tables:
        targets = {key.column.table.name for key in table.foreign_keys}
        assert not targets & of_history
        assert table.name not in of_history or not targets


def test_all_of_it_moves_and_is_computed_on(cells: Cells, plant: Plant) -> None:
    before, totals = cells.everything("home"), plant.totals()
    apply_text(cells.urls["home"], OTHER)
    rows = cells.move()
    assert cells.homes() == ["b"]
    after = cells.everything("b")
    assert {name: len(lines) for name, lines in after.items()} == {
        name: len(lines) for name, lines in before.items()
    } | {"factor": len(after["factor"])}
    assert after == before | {"factor": after["factor"]}
    assert rows == sum(map(len, before.values()))
    with cells["b"] as b, cells["home"] as home:
        assert b.execute("SELECT to_regnamespace(%s)", (WAITING,)).fetchone() == (None,)
        for connection in (b, home):
            assert connection.execute(
                "SELECT count(*) FROM audit_entry WHERE action = 'facility.move'"
            ).fetchone() == (1,)
    remaining = cells.everything("home")
    assert all(not remaining[part.table] for part in HISTORY)
    assert cells.homes("other") == ["home"]
    with closing(Plant(cells.urls["b"])) as arrived:
        assert arrived.totals() == totals
        arrived.store([Reading("meter.power", LATER, 60.0)])
        arrived.tick(LATER.replace(hour=11))
        highest = max(arrived.rows("SELECT id FROM threshold UNION SELECT id FROM source"))[0]
        assert arrived.totals() != totals
    assert highest % STEP != 1 or highest < STEP


def test_every_table_comes_over(cells: Cells) -> None:
    filled(cells.urls["home"])
    cells.add()
    before = cells.everything("home")
    assert not [name for name, lines in before.items() if not lines and name in _FILLED]
    with cells["home"] as home:
        (waiting,) = home.execute("SELECT count(*) FROM quarantine WHERE facility = 'works'")
        others = home.execute("SELECT id FROM quarantine WHERE facility = 'other'").fetchall()
    cells.move(verify=lambda _connection, _facility: 0)
    after, remaining = cells.everything("b"), cells.everything("home")
    for name in before:
        if name != "factor":
            assert sorted(after[name] + remaining[name]) == before[name], name
    with cells["b"] as b, cells["home"] as home:
        assert b.execute("SELECT count(*) FROM quarantine").fetchone() == waiting
        assert home.execute("SELECT id FROM quarantine").fetchall() == others


_FILLED = {
    "reading", "touched", "recompute", "alert", "alert_comment", "outbox", "threshold",
    "emission_hour", "emission_day", "discarded_reading", "facility_version", "maintenance",
}  # fmt: skip


def test_killed_at_each_step_it_goes_on(cells: Cells, plant: Plant) -> None:
    before = cells.everything("home")
    for last in STEPS:
        with pytest.raises(KilledError, match=last):
            cells.move(step=killed_at(last))
        lives = cells.homes()
        if last == "left":
            # between the two commits: all of it waits in the new cell
            assert lives == []
        else:
            has_left = STEPS.index(last) > STEPS.index("left")
            assert lives == (["b"] if has_left else ["home"])
        if lives == ["home"]:
            # it goes on while it moves
            minute = STEPS.index(last)
            plant.store([Reading("meter.power", LATER.replace(minute=minute), 60.0)])
            plant.tick(LATER.replace(hour=11))
            before = cells.everything("home")
        if last == STEPS[-1]:
            break
    after = cells.everything("b")
    assert after == before | {"factor": after["factor"]}
    assert all(not lines for name, lines in cells.everything("home").items() if name != "factor")


def test_it_comes_back_to_where_it_was(cells: Cells, plant: Plant) -> None:
    del plant
    before = cells.everything("home")
    cells.move()
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="lives in cell b"):
        _apply_as_sql(cells)
    cells.move(old="b", new="home")
    assert cells.homes() == ["home"]
    after = cells.everything("home")
    assert after == before | {"factor": after["factor"]}
    cells.move()
    assert cells.homes() == ["b"]


def _apply_as_sql(cells: Cells) -> None:
    with cells["home"] as home:
        home.execute(
            "INSERT INTO facility (slug, name, timezone, document)"
            " VALUES ('works', 'a', 'UTC', '{}')"
        )


def test_readings_are_refused_while_it_is_frozen_and_when_it_has_left(
    cells: Cells, plant: Plant
) -> None:
    late = [Reading("meter.power", LATER, 61.0)]
    refused: list[str] = []

    def step(name: str) -> None:
        if name in {"frozen", "left"}:
            with pytest.raises(psycopg.errors.ForeignKeyViolation) as error:
                plant.store(late)
            refused.append(str(error.value))
        if name == "frozen":
            # nobody else waits for it
            other.store([Reading("meter.power", LATER, 5.0)])

    with closing(_other(cells)) as other:
        cells.move(step=step)
    first, second = refused
    assert "just moving to another cell" in first
    assert "does not live in this cell" in second
    with cells["home"] as home:
        assert home.execute("SELECT count(*) FROM reading WHERE value = 61").fetchone() == (0,)


def _other(cells: Cells) -> Plant:
    apply_text(cells.urls["home"], OTHER)
    with closing(Plant(cells.urls["home"], OTHER)) as plant:
        (facility,) = plant.rows("SELECT id FROM facility WHERE slug = 'other'")[0]
        channels = plant.rows(
            "SELECT d.slug || '.' || c.slug, c.id FROM channel c JOIN device d"
            " ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id"
            " WHERE f.slug = 'other'"
        )
    made = Plant(cells.urls["home"], OTHER)
    made.facility_id, made.channels = facility, dict(channels)
    return made


def test_a_total_that_does_not_follow_keeps_it_where_it_is(cells: Cells, plant: Plant) -> None:
    plant.connection.execute(
        "UPDATE emission_hour SET co2_ug = co2_ug + 1 WHERE final AND hour ="
        " (SELECT min(hour) FROM emission_hour WHERE final AND co2_ug > 0)"
    )

    def verify(connection: psycopg.Connection[Any], facility: str) -> int:
        result = verified(connection, [facility])
        if any(d.facility == facility for d in result.listed):
            raise CellError("it differs")
        return result.checked

    with pytest.raises(CellError, match="it differs"):
        cells.move(verify=verify)
    assert cells.homes() == ["home"]


def test_a_new_cell_that_hangs_holds_nobody_up(
    cells: Cells, plant: Plant, postgres_cluster: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    del plant
    gives_up = "SET LOCAL idle_in_transaction_session_timeout = '1s'"
    monkeypatch.setattr(departure, "_GIVES_UP", gives_up)
    direct = cells.urls["b"]
    network = Proxy(postgres_cluster.port)
    cells.urls["b"] = direct.replace(f":{postgres_cluster.port}/", f":{network.port}/")

    def step(name: str) -> None:
        if name == "frozen":
            network.stall()

    with ThreadPoolExecutor(1) as threads:
        moved = threads.submit(cells.move, step=step)
        # whoever applies a file waits, and goes on by itself
        until(lambda: network.is_stalled, "the facility is frozen")
        apply_text(cells.urls["home"], OTHER)
        assert not moved.done()
        network.cut()
        network.flow()
        with pytest.raises(psycopg.Error):
            moved.result()
    network.close()
    cells.urls["b"] = direct
    assert cells.homes() == ["home"]
    cells.move()
    assert cells.homes() == ["b"]


def test_what_is_purged_does_not_move(cells: Cells, plant: Plant) -> None:
    del plant
    begin = (
        "INSERT INTO facility_purge (facility, name, retired_at, begun_by, reason)"
        " VALUES ('works', 'Works', now(), 'user anna', 'test')"
    )

    def step(name: str) -> None:
        if name == "verified":
            with cells["home"] as home:
                home.execute(begin)

    for while_it_moves in (step, lambda _step: None):
        with pytest.raises(CellError, match="works is being purged, and part of it is gone"):
            cells.move(step=while_it_moves)
        assert cells.homes() == ["home"]


def test_a_cancelled_move_leaves_nothing(cells: Cells, plant: Plant) -> None:
    del plant
    before = cells.everything("home")

    with pytest.raises(KilledError):
        cells.move(step=killed_at("verified"))
    assert cells.cancel() > 0
    with cells["home"] as home:
        assert departure.departures(home) == []
    with pytest.raises(CellError, match="is not moving"):
        cells.cancel()
    assert cells.everything("home") == before
    rest = cells.everything("b")
    assert all(not lines for name, lines in rest.items() if name != "factor")


def test_a_move_that_is_cancelled_takes_nothing_of_another(cells: Cells, plant: Plant) -> None:
    del plant
    apply_text(cells.urls["home"], OTHER)
    before = cells.everything("home")

    with pytest.raises(KilledError):
        cells.move(step=killed_at("left"))
    with pytest.raises(CellError, match="facility works is moving to this cell"):
        cells.move("other")
    # all that there is of works waits in b
    assert cells.cancel("other") == 0
    cells.move()
    assert cells.homes() == ["b"]
    cells.move("other", verify=lambda _connection, _facility: 0)
    after = cells.everything("b")
    assert after == before | {"factor": after["factor"]}


def test_what_left_goes_on_to_the_cell_that_it_left_for(
    cells: Cells, plant: Plant, postgres_cluster: Postgres, migrated_template: str
) -> None:
    del plant
    with postgres_cluster.fresh_database(template=migrated_template) as c:
        cells.urls["c"] = c
        with cells["home"] as home, cells["c"] as third:
            identity.add(home, third, "c")
        # it has arrived in c before
        cells.move(new="c")
        cells.move(old="c", new="home")
        before = cells.everything("home")
        with pytest.raises(KilledError):
            cells.move(step=killed_at("left"))
        with pytest.raises(CellError, match="works left for cell b"):
            cells.move(new="c")
        cells.move()
        assert cells.homes() == ["b"]
        after = cells.everything("b")
        assert after == before | {"factor": after["factor"]}


def test_one_move_at_a_time(cells: Cells, plant: Plant) -> None:
    del plant

    def step(name: str) -> None:
        if name == "copied":
            with pytest.raises(CellError, match="is being moved from or to cell home just now"):
                cells.move("other")

    apply_text(cells.urls["home"], OTHER)
    cells.move(step=step)
    cells.move("other", verify=lambda _connection, _facility: 0)
    assert cells.homes("other") == ["b"]


def test_what_is_applied_while_it_moves_comes_too(cells: Cells, plant: Plant) -> None:
    del plant
    more = "      - {id: heat, quantity: energy, unit: kWh, kind: counter}\n  - id: cems"

    def step(name: str) -> None:
        if name == "arrival begun":
            apply_text(cells.urls["home"], FILE.replace("  - id: cems", more))

    cells.move(step=step)
    with cells["b"] as b, cells["home"] as home:
        assert b.execute("SELECT count(*) FROM channel WHERE slug = 'heat'").fetchone() == (1,)
        (left,) = departure.departures(home)
        assert len(left.rows_of["channels"]) == 6


def test_rows_that_did_not_move_are_not_deleted(cells: Cells, plant: Plant) -> None:
    channel = plant.channels["meter.power"]

    def step(name: str) -> None:
        if name == "arrived":
            # past every lock, as nobody of tonne can
            plant.connection.execute(
                "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
                " VALUES (%s, now(), 1, 0, now(), 0)",
                (channel,),
            )

    with pytest.raises(UnequalError, match="reading: "):
        cells.move(step=step)
    assert cells.homes() == ["b"]
    with cells["home"] as home:
        row = home.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    assert row[0] > 1


def test_numbers_are_given_once(cells: Cells, plant: Plant) -> None:
    del plant
    with cells["home"] as home, cells["b"] as b:
        first = numbers.counters(home)
        assert identity.add(home, b, "b").number == 1
        assert numbers.counters(home) == first
    apply_text(cells.urls["home"], OTHER)
    cells.claim("third", "b")
    apply_text(cells.urls["b"], OTHER.replace("other", "third"))
    taken: dict[str, set[int]] = {}
    for name in cells.urls:
        with cells[name] as connection:
            for table in ("facility", "device", "channel", "source"):
                ids = {i for (i,) in connection.execute(f"SELECT id FROM {table}")}  # noqa: S608
                assert not ids & taken.setdefault(table, set())
                taken[table] |= ids
    with cells["b"] as b:
        assert {i % STEP for (i,) in b.execute("SELECT id FROM channel")} == {1}


def test_what_is_no_empty_cell_is_not_added(cells: Cells, plant: Plant) -> None:
    del plant
    with cells["home"] as home, cells["b"] as b:
        with pytest.raises(CellError, match="is cell b already"):
            identity.add(home, b, "c")
        with pytest.raises(CellError, match="calls c is cell b"):
            identity.check("c", b)
        with pytest.raises(CellError, match="is cell b; cells are added to home"):
            identity.add(b, home, "d")


def test_a_used_database_is_not_added(cells: Cells) -> None:
    apply_text(cells.urls["b"])
    with (
        cells["home"] as home,
        cells["b"] as b,
        pytest.raises(CellError, match="has been used"),
    ):
        identity.add(home, b, "b")


def test_one_database_alone_has_nothing_of_it(database_url: str) -> None:
    with connect(database_url, process="test") as connection:
        assert identity.cells(connection) == []
        assert connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%of_this_cell'"
        ).fetchone() == (0,)


def test_another_version_of_a_factor_keeps_it_where_it_is(cells: Cells) -> None:
    apply_text(
        cells.urls["home"],
        FILE.replace("input: meter.power, factor: f", "input: meter.power, factor: grid-gb"),
    )
    cells.add()
    with cells["b"] as b:
        assert b.execute("SELECT count(*) > 0 FROM factor").fetchone() == (True,)
        b.execute("UPDATE factor SET co2_kg = co2_kg + 1 WHERE slug = 'grid-gb'")
    with pytest.raises(CellError, match="other versions of the factor grid-gb"):
        cells.move()
    assert cells.homes() == ["home"]


def test_a_factor_that_nobody_used_there_comes_along(cells: Cells) -> None:
    """A release's factors are in a database once somebody uses them."""
    cells.add()
    text = FILE.replace("input: meter.power, factor: f", "input: meter.power, factor: grid-gb")
    factors = "SELECT f::text FROM factor f WHERE slug = 'grid-gb' ORDER BY id"
    with closing(Plant(cells.urls["home"], text)) as plant, cells["b"] as b:
        plant.store(some_readings(random.Random(20), T0, 8))
        close_all(plant, LATER)
        expected = plant.rows(factors)
        assert expected
        assert b.execute(factors).fetchall() == []
    cells.move()
    assert cells.homes() == ["b"]
    with cells["b"] as b:
        assert b.execute(factors).fetchall() == expected


def test_readings_dropped_there_keep_it_where_it_is(cells: Cells, plant: Plant) -> None:
    del plant
    with cells["b"] as b:
        b.execute(
            "INSERT INTO reading_horizon (id, horizon, raised_at) VALUES (1, '2026-01-01', now())"
        )
    with pytest.raises(CellError, match="has dropped readings from before 2026-01-01"):
        cells.move()


def test_a_file_is_not_applied_where_it_left(cells: Cells, plant: Plant) -> None:
    del plant
    cells.move()
    with pytest.raises(ApplyError, match="lives in cell b"):
        apply_text(cells.urls["home"])


def test_an_id_is_given_once_over_all_cells(cells: Cells, plant: Plant) -> None:
    del plant
    url = cells.urls["b"]
    with pytest.raises(ApplyError, match="the id third may be another cell's: claim it first"):
        apply_text(url, OTHER.replace("other", "third"))
    with cells["b"] as b, pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="claim"):
        b.execute(
            "INSERT INTO facility (slug, name, timezone, document) VALUES ('x', 'x', 'UTC', '{}')"
        )
    cells.claim("third", "b")
    cells.claim("third", "b")
    # before it lives there, and afterwards
    for _ in range(2):
        with pytest.raises(ApplyError, match="the id third is of cell b"):
            apply_text(cells.urls["home"], OTHER.replace("other", "third"))
        apply_text(url, OTHER.replace("other", "third"))
    apply_text(cells.urls["home"], OTHER)
    with pytest.raises(CellError, match="the id other is of cell home"):
        cells.claim("other", "b")
    cells.claim("unused", "b")
    with cells["home"] as home:
        home.execute("UPDATE cell_facility SET claimed_at = now() - interval '2 hours'")
    apply_text(cells.urls["home"], OTHER.replace("other", "fourth"))
    with cells["home"] as home:
        # a claim that nobody used for an hour
        directory.claim(home, "unused", "home", is_nowhere=True)
        with pytest.raises(CellError, match="the id third is of cell b"):
            directory.claim(home, "third", "home", is_nowhere=False)


def test_an_id_moves_with_its_facility(cells: Cells, plant: Plant) -> None:
    del plant
    cells.move()
    with cells["b"] as b:
        owner = b.execute("SELECT cell FROM cell_facility WHERE slug = 'works'").fetchone()
    assert owner == ("b",)
    cells.move(old="b", new="home")
    with cells["home"] as home:
        owner = home.execute("SELECT cell FROM cell_facility WHERE slug = 'works'").fetchone()
    assert owner == ("home",)


def test_people_and_keys_may_be_limited_to_facilities_of_other_cells(
    cells: Cells, plant: Plant
) -> None:
    del plant
    cells.claim("third", "b")
    with cells["home"] as home:
        keys.create(home, name="third", scopes=["read"], facilities=["third", "works"])
        with pytest.raises(keys.KeyRequestError, match="no such facility: nowhere"):
            keys.create(home, name="nowhere", scopes=["read"], facilities=["nowhere"])
