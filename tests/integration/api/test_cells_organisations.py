"""An organisation whose facilities live in two cells is answered as by one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.aggregator.base_years import BaseYears
from services.aggregator.summing import Summing
from services.api.app import create_app
from services.api.cells import all_cells
from services.core.facility.organisation_file import parse_organisation
from services.core.store.cells import directory
from services.core.store.database.connect import connect, engine
from services.core.store.emissions.organisation_base_years import recalculate_organisations
from services.core.store.operations import keys
from services.core.store.registry.organisations import apply_organisation
from tests.command import Ended, tonne
from tests.faults.proxy import Proxy
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.cells_plant import (
    NOW,
    Databases,
    both_clients,
    filled,
    let_in,
    move_it,
    settings,
    silence,
)
from tests.integration.api.server import serving
from tests.integration.api.test_cells_answers import (
    a_busy_cell_is_not_away,
    cells_of,
    first_difference,
    pages,
    pdf_text,
)
from tests.integration.api.test_pathway_organisation import FILE as SMALL
from tests.patience import PATIENCE_S, pauses, until
from tests.services import Postgres, as_login

__all__ = ["a_busy_cell_is_not_away"]

pytestmark = pytest.mark.database

_SINCE = "2024-01-01T00:00:00Z"

GROUP = """
organisation: {id: group, name: Group}
facilities: [{id: linz}, {id: graz, joined: 2026-06-01}]
pathway:
  - scope: 1
    figure: co2
    base: {year: 2024}
    policy: stated
    milestones: [{year: 2030, tonnes: 0}]
  - scope: 2
    figure: co2
    base: {year: 2024, tonnes: 70}
    policy: stated
    milestones: [{year: 2026, tonnes: 30}, {year: 2030, tonnes: 0}]
    actual: [{year: 2025, tonnes: 50}]
"""
#: All of which live at home.
ALONE = "organisation: {id: alone, name: Alone}\nfacilities: [{id: linz}]\n"
#: Of whom nobody belongs to it yet.
LATER = "organisation: {id: later, name: Later}\nfacilities: [{id: graz, joined: 2027-01-01}]\n"

_REPORT = "/v1/reports/emissions?period=2026-11&organisation=group"
#: What adds up.
SUMS = (
    "/v1/pathway?organisation=group",
    "/v1/pathway?organisation=group&scope=2&as_of=2026-11-20T00:00:00Z",
    "/v1/pathway/years?organisation=group",
    "/v1/forecast?organisation=group",
    "/v1/forecast?organisation=group&horizon=year&scope=2&figure=co2e",
    "/v1/reports/emissions?period=2025&organisation=group",
    _REPORT,
)
CALLS = (
    *SUMS,
    "/v1/organisations",
    "/v1/organisations?as_of=2023-06-01T00:00:00Z",
    "/v1/pathway?organisation=group&format=csv",
    "/v1/pathway?organisation=group&as_of=2026-05-01T00:00:00Z",
    "/v1/pathway?organisation=group&as_of=-1d",
    "/v1/pathway/years?organisation=group&scope=1&format=csv",
    "/v1/pathway?organisation=alone",
    "/v1/forecast?organisation=group&format=csv",
    "/v1/forecast?organisation=alone",
    "/v1/forecast?organisation=later",
    "/v1/pathway?organisation=later",
    "/v1/reports/emissions?period=2026-11&organisation=later",
    *(f"{_REPORT}&format=csv&table={table}" for table in ("totals", "months", "facilities")),
    f"{_REPORT}&language=de",
    # refused in the same words
    *(
        f"/v1/{call}organisation={asked}"
        for call in ("pathway?", "forecast?", "reports/emissions?period=2026&")
        for asked in (
            "nobody",
            "group&facility=linz",
            "group&as_of=nonsense",
            "group&as_of=2023-06-01T00:00:00Z",
            "",
        )
    ),
    "/v1/pathway?organisation=group&total=true",
    "/v1/emissions?organisation=group",
)  # fmt: skip


@pytest.fixture(scope="module")
def databases(
    postgres_cluster: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    """Years of `linz` and `graz`, and organisations that are stated at home alone.

    Each test leaves them as they were.
    """
    tmp_path = tmp_path_factory.mktemp("organisations")
    with filled(postgres_cluster, migrated_template) as made:
        made.lengthen()
        for text in (GROUP, ALONE, LATER):
            for url, cells in ((made.single, None), (made.home, f"b={made.b}")):
                assert apply(url, tmp_path, text, cells=cells).code == 0
        for url in (made.single, made.home):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE organisation_revision SET known_at = %s", (_SINCE,))
        yield made


def apply(url: str, folder: Path, text: str, *, cells: str | None = None) -> Ended:
    file = folder / "organisation.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        if cells is not None:
            patch.setenv("TONNE_CELLS", cells)
        return tonne(url, "apply", file)


@pytest.fixture
async def clients(
    databases: Databases,
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of the API over one database, and one of that over cells."""
    async with both_clients(databases) as both:
        yield both


async def differences(
    one: httpx.AsyncClient, over: httpx.AsyncClient, calls: tuple[str, ...]
) -> list[str]:
    different = []
    for call in calls:
        wanted, answered = await pages(one, call), await pages(over, call)
        if wanted != answered:
            different.append(f"{call}\n  {first_difference(wanted, answered)}")
    return different


async def test_every_answer_is_that_of_one_database(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    one, over = clients
    different = await differences(one, over, CALLS)
    assert not different, "\n\n".join(different)
    # they are of both, and not of nothing
    (row,) = (await over.get("/v1/pathway?organisation=group&scope=2")).json()
    assert (row["organisation"], row["facility"], row["peak"]) == ("group", "graz linz", "peaked")
    assert row["base_kg"] == 70_000
    (total, *_) = (await over.get(_REPORT)).json()["totals"]
    assert total["facility"] is None
    assert (await over.get(_REPORT)).json()["name"] == "Group"
    rows = (await over.get("/v1/forecast?organisation=group&scope=2")).json()
    assert rows[2]["total_kg"] > 0
    # wherever they live, also where all of them are in another cell than their organisation
    for facility, old, new in (("linz", "home", "b"), ("graz", "b", "home")):
        await asyncio.to_thread(move_it, databases, facility, old, new)
        different = await differences(one, over, SUMS)
        assert not different, "\n\n".join(different)
    for facility, old, new in (("linz", "b", "home"), ("graz", "home", "b")):
        await asyncio.to_thread(move_it, databases, facility, old, new)


async def test_its_report_is_one_document(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    workbooks, texts = [], []
    for api in clients:
        answer = await api.get(f"{_REPORT}&format=xlsx")
        assert 'filename="group-2026-11.xlsx"' in answer.headers["content-disposition"]
        workbooks.append(cells_of(answer.content))
        texts.append(pdf_text((await api.get(f"{_REPORT}&format=pdf")).content))
    for title, rows in workbooks[0].items():
        assert rows == workbooks[1][title], title
    assert texts[0] == texts[1]
    # where each facility lives
    noted = (await clients[1].get("/v1/audit?action=report.export&limit=4")).json()
    assert sorted(row["facility"] for row in noted) == ["graz", "graz", "linz", "linz"]


def test_the_command_writes_the_report_of_all_cells(databases: Databases, tmp_path: Path) -> None:
    def report(url: str, *words: str, cells: str | None = None) -> tuple[Ended, str]:
        file = tmp_path / "report.csv"
        file.write_text("")
        with pytest.MonkeyPatch.context() as patch:
            if cells is not None:
                patch.setenv("TONNE_CELLS", cells)
            options = ("--format", "csv", "--table", "totals", "--output", file)
            ended = tonne(url, "report", "emissions", "2025", *words, *options)
        return ended, file.read_text()

    both = f"b={databases.b}"
    of_group = ("--organisation", "group")
    for words, rows in ((of_group, 10), ((), 10), (("--organisation", "later"), 1)):
        wanted = report(databases.single, *words)
        assert wanted[0].code == 0
        assert len(wanted[1].splitlines()) == rows
        assert report(databases.home, *words, cells=both)[1] == wanted[1]
    for url, facility in ((databases.home, "linz"), (databases.b, "graz")):
        with psycopg.connect(url) as connection:
            noted = connection.execute(
                "SELECT DISTINCT facility FROM audit_entry WHERE action = 'report.export' AND"
                " after->>'period' = '2025'"
            ).fetchall()
        assert noted == [(facility,)]
    blind, _ = report(databases.home, *of_group)
    assert (blind.code, "there is no facility graz here: name cell b in TONNE_CELLS" in (
        blind.stderr
    )) == (1, True)  # fmt: skip
    assert "name the other cells in TONNE_CELLS" in report(databases.home)[0].stderr


def test_a_report_counts_nobody_twice_and_names_the_cell_that_it_lacks(
    databases: Databases,
    postgres_cluster: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TONNE_CELLS", f"b={databases.b}")
    file = tmp_path / "report.csv"

    def refused() -> str:
        options = ("--organisation", "group", "--format", "csv", "--output", file)
        ended = tonne(databases.home, "report", "emissions", "2025", *options)
        assert (ended.code, file.exists()) == (1, False)
        return ended.stderr

    with psycopg.connect(databases.b, autocommit=True) as b:
        # as after a restore of a cell from before a move: nobody may write it there
        b.execute("SET session_replication_role = replica")
        b.execute(
            "INSERT INTO facility (slug, name, timezone, document)"
            " VALUES ('linz', 'Linz', 'UTC', '{}')"
        )
        assert "facility linz is in the cells home and b, and would count twice" in refused()
        # the one that is not meant may go, whoever counts with the other
        assert tonne(databases.b, "remove", "linz").code == 0
        purge = ("remove", "linz", "--purge", "--reason", "test", "--dry-run")
        counted = tonne(databases.home, *purge)
        assert "retire it first" in counted.stderr
        assert tonne(databases.home, *purge, "--cell", "b").code == 0
        b.execute("DELETE FROM facility_retirement")
        b.execute("DELETE FROM facility WHERE slug = 'linz'")
        (revision,) = b.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        b.execute("UPDATE alembic_version SET version_num = '0001'")
        assert "tonne: cell b: " in refused()
        assert "`tonne migrate`" in refused()
        b.execute("UPDATE alembic_version SET version_num = %s", (revision,))
    silence(postgres_cluster, databases.b)
    away = "the database of cell b cannot be used"
    assert away in refused()
    assert "check TONNE_CELLS" in refused()
    (tmp_path / "group.yaml").write_text(GROUP)
    for words in (
        ("apply", tmp_path / "group.yaml"),
        ("remove", "graz", "--purge", "--cell", "b", "--reason", "test", "--confirm", "graz"),
        ("cells", "move", "linz", "--to", "b"),
        ("cells", "bring-home", "group"),
    ):
        ended = tonne(databases.home, *words)
        assert (ended.code, away in ended.stderr) == (1, True), ended.said
    # what is known is said
    listed = tonne(databases.home, "cells", "list")
    assert (listed.code, away in listed.stderr, "linz" in listed.stdout) == (1, True, True)
    let_in(postgres_cluster, databases.b)
    assert tonne(databases.home, "cells", "list").code == 0


def killed(step: str) -> None:
    """End a move between its two commits, when the facility lives nowhere."""
    if step == "left":
        raise KeyboardInterrupt


async def test_a_member_whose_move_was_killed_is_waited_for(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    databases: Databases,
    postgres_cluster: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, over = clients
    monkeypatch.setattr(all_cells, "_MOVES_WITHIN_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(move_it, databases, "linz", "home", "b", step=killed)
    for call in SUMS:
        refused = await over.get(call)
        assert refused.status_code == 503, call
        assert "linz: moving to another cell" in refused.text, call
    # the cell dies that it waits in
    silence(postgres_cluster, databases.b)
    for call in SUMS:
        assert (await over.get(call)).status_code == 503, call
    let_in(postgres_cluster, databases.b)
    await asyncio.to_thread(move_it, databases, "linz", "home", "b")
    for pause_s in pauses():
        if (await over.get(SUMS[0])).status_code == 200:
            break
        # the API has not noticed yet that the cell answers
        await asyncio.sleep(pause_s)
    different = await differences(one, over, SUMS)
    assert not different, "\n\n".join(different)
    await asyncio.to_thread(move_it, databases, "linz", "b", "home")


def test_commands_know_a_member_whose_move_was_killed(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        move_it(databases, "linz", "home", "b", step=killed)
    monkeypatch.setenv("TONNE_CELLS", f"b={databases.b}")
    options = ("--organisation", "group", "--output", tmp_path / "report.xlsx")
    reported = tonne(databases.home, "report", "emissions", "2025", *options)
    assert (reported.code, "facility linz is moving" in reported.stderr) == (1, True)
    applied = apply(databases.home, tmp_path, GROUP, cells=f"b={databases.b}")
    assert applied.code == 0, applied.said
    back = tonne(databases.home, "cells", "move", "linz", "--to", "home")
    assert (back.code, "linz left for cell b: finish the move with" in back.stderr) == (1, True)
    moved = tonne(databases.home, "cells", "move", "linz", "--to", "b")
    assert "linz lives in cell b" in moved.stdout
    assert tonne(databases.home, "report", "emissions", "2025", *options).code == 0
    move_it(databases, "linz", "b", "home")


async def test_no_sum_lacks_a_cell_that_has_a_member(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    databases: Databases,
    postgres_cluster: Postgres,
) -> None:
    _, over = clients
    assert (await over.get(SUMS[0])).status_code == 200
    silence(postgres_cluster, databases.b)
    for call in (*SUMS, f"{_REPORT}&format=pdf"):
        refused = await over.get(call)
        assert refused.status_code == 503, call
        assert refused.json()["type"].endswith("cell-away"), call
        assert "graz" in refused.text, call
    # nobody has looked in all cells
    assert (await over.get("/v1/pathway?organisation=nobody")).status_code == 503
    for call in ("/v1/forecast?organisation=alone", "/v1/pathway?organisation=later"):
        assert (await over.get(call)).status_code == 200, call
    listed = await over.get("/v1/organisations")
    assert [row["id"] for row in listed.json()] == ["group", "alone", "later"]
    let_in(postgres_cluster, databases.b)


async def test_who_does_not_see_all_of_it_sees_none_of_it(databases: Databases) -> None:
    with psycopg.connect(databases.home, autocommit=True) as connection:
        of_all, of_linz, of_graz = (
            keys.create(connection, name="-".join(of), scopes=["read"], facilities=of)
            for of in (["linz", "graz"], ["linz"], ["graz"])
        )
        sends = keys.create(connection, name="sends", scopes=["send"])
    over = create_app(settings(databases.home, databases.b, auth="required"))
    async with (
        serving(over) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):

        async def status(key: str, call: str) -> int:
            return (await client.get(call, headers={"Authorization": f"Bearer {key}"})).status_code

        for call in SUMS:
            assert await status(of_all, call) == 200, call
            assert await status(of_linz, call) == 404, call
            assert await status(of_graz, call) == 404, call
            assert await status(sends, call) == 403, call
            assert (await client.get(call)).status_code == 401, call
        assert await status(of_linz, "/v1/pathway?organisation=alone") == 200
        # what a limited key sees follows a facility, whoever asked for something else before
        headers = {"Authorization": f"Bearer {of_linz}"}
        call = "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h"
        before = (await client.get(call, headers=headers)).json()
        assert before
        await asyncio.to_thread(move_it, databases, "linz", "home", "b")
        assert (await client.get(call, headers=headers)).json() == before
        await asyncio.to_thread(move_it, databases, "linz", "b", "home")


async def test_a_member_that_is_nowhere_is_named(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    one, over = clients
    for url in (databases.single, databases.home):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "UPDATE organisation_revision SET spec = jsonb_set(spec, '{facilities}',"
                " spec->'facilities' || '[{\"id\": \"gone\"}]') WHERE spec->>'pathway' <> '[]'"
            )
    different = await differences(one, over, SUMS)
    assert not different, "\n\n".join(different)
    refused = await over.get(SUMS[0])
    assert (refused.status_code, "There is no facility gone" in refused.text) == (404, True)
    for url in (databases.single, databases.home):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "UPDATE organisation_revision SET spec = jsonb_set(spec, '{facilities}',"
                " (spec->'facilities') - 2) WHERE spec->>'pathway' <> '[]'"
            )


async def test_one_that_another_cell_has_is_answered_unless_home_has_the_id(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    _, over = clients
    wanted = (await over.get(_REPORT)).json()
    bind = engine(databases.b, process="test")
    try:
        # as of a release in which organisations were each cell's own
        for slug in ("before", "group"):
            text = f"organisation: {{id: {slug}, name: Another}}\nfacilities: [{{id: graz}}]\n"
            with bind.begin() as connection:
                apply_organisation(connection, parse_organisation(text))
        rows = (await over.get("/v1/organisations")).json()
        assert sorted((row["id"], row["name"]) for row in rows) == [
            ("alone", "Alone"), ("before", "Another"), ("group", "Group"), ("later", "Later"),
        ]  # fmt: skip
        answer = (await over.get(_REPORT)).json()
        assert answer["totals"] == wanted["totals"]
        call = _REPORT.replace("=group", "=before")
        before = (await over.get(call)).json()
        assert (before["name"], {row["facility"] for row in before["totals"]}) == (
            "Another", {"graz"},
        )  # fmt: skip
    finally:
        bind.dispose()
        with psycopg.connect(databases.b, autocommit=True) as b:
            b.execute("DELETE FROM organisation_revision")
            b.execute("DELETE FROM organisation")


def test_members_are_looked_for_in_all_cells(databases: Databases, tmp_path: Path) -> None:
    both = f"b={databases.b}"
    added = GROUP.replace("{id: linz}", "{id: linz}, {id: wels}")
    unknown = apply(databases.home, tmp_path, added, cells=both)
    assert (unknown.code, "there is no facility wels: apply its file" in unknown.stderr) == (
        1,
        True,
    )
    blind = apply(databases.home, tmp_path, GROUP)
    assert blind.code == 1
    assert "facility graz does not live here, and may in cell b: name that cell" in blind.stderr
    elsewhere = apply(databases.b, tmp_path, LATER)
    assert elsewhere.code == 1
    assert "this database is cell b, and organisations are the home cell's" in elsewhere.stderr
    swapped = apply(databases.home, tmp_path, added, cells=f"c={databases.b}")
    assert (swapped.code, "is cell b: correct TONNE_CELLS" in swapped.stderr) == (1, True)
    # while it is purged it is no member any more
    with psycopg.connect(databases.b, autocommit=True) as b:
        b.execute(
            "INSERT INTO facility_purge (facility, name, retired_at, begun_by, reason)"
            " VALUES ('graz', 'graz', now(), 'user anna', 'test')"
        )
    purged = apply(databases.home, tmp_path, GROUP, cells=both)
    assert (purged.code, "there is no facility graz" in purged.stderr) == (1, True)
    with psycopg.connect(databases.b, autocommit=True) as b:
        b.execute("DELETE FROM facility_purge")


@dataclass(kw_only=True)
class Home:
    """The aggregator of the home cell, as far as base years go, by a clock of its own."""

    connection: psycopg.Connection[Any]
    cells: dict[str, str]
    time_s: float = 0.0

    def __post_init__(self) -> None:
        self.years = BaseYears(monotonic=lambda: self.time_s, cells=self.cells)

    def waits(self, *, for_what: str) -> None:
        """Look at all base years, with what other cells answer, until a notice says so."""
        self.look(lambda: any(for_what in n["detail"] for n in self.years.notices()))

    def look(self, is_done: Callable[[], bool]) -> None:
        self.time_s += 1000

        def step() -> bool:
            self.years.step(self.connection, NOW, busy=False)
            return is_done()

        until(step, "base years were looked at", explain=lambda: str(self.years.notices()))

    def figures(self) -> list[tuple[Any, ...]]:
        return figures(self.connection)


def figures(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT o.slug, f.scope, f.figure, f.year, f.ug, f.facilities, f.cause"
        " FROM organisation_base_figure f JOIN organisation o ON o.id = f.organisation_id"
        " ORDER BY f.known_at, 1, 2"
    ).fetchall()


def test_base_years_are_those_of_one_database(
    databases: Databases, postgres_cluster: Postgres, tmp_path: Path
) -> None:
    text = GROUP.replace("id: group", "id: years").replace("year: 2024, tonnes: 70", "year: 2024")
    assert apply(databases.single, tmp_path, text).code == 0
    assert apply(databases.home, tmp_path, text, cells=f"b={databases.b}").code == 0
    with ExitStack() as stack:
        one, home, b = (
            stack.enter_context(connect(url, process="test", autocommit=True))
            for url in (databases.single, databases.home, databases.b)
        )
        for connection in (one, home, b):
            summing = Summing()
            while summing.step(connection, NOW):
                pass
        recalculate_organisations(one, NOW)
        wanted = figures(one)
        assert [(row[0], row[1], row[3], row[5]) for row in wanted] == [
            ("years", 2, 2024, ["linz", "graz"])
        ]
        alone, over = (
            Home(connection=home, cells=cells)
            for cells in ({}, {"b": as_login(databases.b, "tonne_aggregate")})
        )
        alone.waits(for_what="years wait for facility graz of another cell: set TONNE_CELLS")
        silence(postgres_cluster, databases.b)
        over.waits(for_what="years wait for facility graz: cell b did not answer")
        let_in(postgres_cluster, databases.b)
        network = Proxy(postgres_cluster.port)
        stack.callback(network.close)
        network.stall()
        url = databases.b.replace(str(postgres_cluster.port), str(network.port))
        hanging = Home(connection=home, cells={"b": url})
        # nobody waits for it but the thread that asks
        hanging.waits(for_what="years wait for facility graz: cell b did not answer")
        assert over.figures() == []
        over.look(lambda: bool(over.figures()))
        assert over.figures() == wanted
        assert over.years.notices() == []
        # the same, wherever they live
        for facility, old, new in (("linz", "home", "b"), ("graz", "b", "home")):
            move_it(databases, facility, old, new)
            over.look(lambda: not over.years.notices())
        assert over.figures() == wanted
        for facility, old, new in (("linz", "b", "home"), ("graz", "home", "b")):
            move_it(databases, facility, old, new)
    for url in (databases.single, databases.home):
        assert tonne(url, "organisations", "remove", "years").code == 0


def test_a_member_in_another_cell_is_purged_by_way_of_home(
    databases: Databases, tmp_path: Path
) -> None:
    both = f"b={databases.b}"
    with (
        connect(databases.home, process="test", autocommit=True) as home,
        connect(databases.b, process="test", autocommit=True) as b,
    ):
        directory.claim(home, "wels", "b", is_nowhere=True)
        directory.note(b, "wels", "b")
    apply_text(databases.b, SMALL.replace("id: works", "id: wels"))
    text = "organisation: {id: short, name: Short}\nfacilities: [{id: wels}]\n"
    assert apply(databases.home, tmp_path, text, cells=both).code == 0
    assert tonne(databases.b, "remove", "wels").code == 0
    purge = ("remove", "wels", "--purge", "--reason", "test", "--confirm", "wels")
    with pytest.MonkeyPatch.context() as patch:
        blind = tonne(databases.b, *purge)
        assert blind.code == 1
        assert "TONNE_DATABASE_URL is the home cell's and TONNE_CELLS names b" in blind.stderr
        patch.setenv("TONNE_CELLS", both)
        counted = tonne(databases.home, *purge, "--cell", "b")
        assert (counted.code, "organisation short counts with facility wels" in counted.stderr) == (
            1, True,
        )  # fmt: skip
        assert tonne(databases.home, *purge, "--cell", "c").code == 1
        assert tonne(databases.home, "remove", "wels", "--cell", "b").code == 1
        assert tonne(databases.home, "organisations", "remove", "short").code == 0
        assert "wels is deleted" in tonne(databases.home, *purge, "--cell", "b").stdout
