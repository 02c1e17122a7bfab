"""`tonne remove` and `tonne removed`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.patience import PATIENCE_S
from tests.services import as_login

pytestmark = pytest.mark.database


class Operator:
    """Somebody at a command line, with one login or another."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self._monkeypatch = url, monkeypatch
        monkeypatch.setenv("COLUMNS", "200")

    def said(self, *words: str, login: str | None = "tonne_admin", code: int = 0) -> str:
        url = self.url if login is None else as_login(self.url, login)
        self._monkeypatch.setenv("TONNE_DATABASE_URL", url)
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture
def operator(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Operator:
    plant = Plant(database_url)
    at = instant("2026-11-20T10:00:00Z")
    plant.store([Reading("meter.power", at.replace(minute=i), 60.0) for i in range(20)])
    plant.tick(at.replace(minute=30))
    plant.close()
    return Operator(database_url, monkeypatch)


def test_a_facility_is_retired(operator: Operator) -> None:
    tried = operator.said("remove", "works", "--dry-run")
    assert "works (Works) would be retired" in tried
    assert "2 (cems, meter)" in tried
    assert "4 (by-counter, by-gauge, by-interval, stack)" in tried
    assert "20 readings, 1 hour of emissions" in tried
    assert "nothing was changed" in tried
    assert operator.said("removed").strip() == "none"
    done = operator.said("remove", "works", "--reason", "kiln sold")
    assert "works (Works) is retired" in done
    assert "`tonne export works` prints" in done
    again = operator.said("remove", "works")
    assert "has been retired since" in again
    assert "(kiln sold); nothing to do" in again
    (row,) = json.loads(operator.said("removed", "--json"))
    assert (row["facility"], row["state"], row["reason"]) == ("works", "retired", "kiln sold")


def test_an_unknown_one_is_not_retired(operator: Operator) -> None:
    refused = operator.said("remove", "work", code=1)
    assert refused.startswith("tonne: there is no facility work; did you mean works?")


def test_its_id_is_typed_at_a_terminal(operator: Operator, database_url: str) -> None:
    operator.said("remove", "works")
    command = ("remove", "works", "--purge", "--reason", "test facility")
    for typed, code, told in (
        ("work", 1, "nothing was purged: that is not works"),
        ("works", 0, "works is deleted"),
    ):
        terminal, end = os.openpty()
        os.write(terminal, f"{typed}\n".encode())
        done = subprocess.run(
            [sys.executable, "-c", "from services.cli import main; main()", *command],
            env={**os.environ, "TONNE_DATABASE_URL": database_url},
            stdin=end,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        os.close(terminal)
        os.close(end)
        assert "type the facility id to delete it" in done.stdout
        assert told in done.stdout + done.stderr
        assert done.returncode == code


def test_it_is_deleted_only_when_it_is_meant(operator: Operator, database_url: str) -> None:
    def readings() -> int:
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SELECT count(*) FROM reading").fetchone()
        return int(row[0]) if row else 0

    purge = ("remove", "works", "--purge")
    # the first ask is to retire it
    first = operator.said(*purge, login=None, code=1)
    assert "retire it first with `tonne remove works`" in first
    operator.said("remove", "works")
    tried = operator.said(*purge, "--dry-run", login=None)
    assert "is deleted permanently" in tried
    assert "3 years under 40 CFR 75.57(a)" in tried
    assert "reading: 20 rows" in tried
    assert "give a reason with --reason" in operator.said(*purge, login=None, code=1)
    why = (*purge, "--reason", "test facility")
    assert "add --confirm works" in operator.said(*why, login=None, code=1)
    assert "that is not works" in operator.said(*why, "--confirm", "work", login=None, code=1)
    refused = operator.said(*why, "--confirm", "works", code=1)
    assert "the database owner for migrate and remove --purge" in refused
    assert readings() == 20
    gone = operator.said(*why, "--confirm", "works", login=None)
    assert "works is deleted" in gone
    assert readings() == 0
    (row,) = json.loads(operator.said("removed", "--json"))
    assert (row["state"], row["reason"]) == ("purged", "test facility")
    assert row["by"].startswith("user ")
    assert ", login " in row["by"]
    assert row["rows_deleted"] > 20


GROUP = """
organisation: {id: group, name: Group}
facilities: [{id: works}]
pathway: [{scope: 1, base: {year: 2025}, policy: sbti-1.5c-2019}]
"""


def test_an_organisation_is_listed_shown_removed_and_brought_back(
    operator: Operator, tmp_path: Path
) -> None:
    file, again = tmp_path / "group.yaml", tmp_path / "again.json"
    file.write_text(GROUP, encoding="utf-8")
    operator.said("apply", str(file))
    (listed,) = json.loads(operator.said("organisations", "list", "--json"))
    assert (listed["organisation"], listed["facilities"]) == ("group", "works")
    again.write_text(operator.said("organisations", "show", "group"), encoding="utf-8")
    assert "unchanged" in operator.said("apply", str(again))

    # its base year would lose what the facility emitted
    operator.said("remove", "works", "--reason", "sold")
    purge = ("remove", "works", "--purge", "--confirm", "works", "--reason", "sold")
    refused = operator.said(*purge, login=None, code=1)
    assert "organisation group counts with facility works" in refused
    assert "`left`" in refused
    left = "{id: works, left: 2026-01-01}"
    file.write_text(GROUP.replace("{id: works}", left), encoding="utf-8")
    operator.said("apply", str(file))
    assert "works" in operator.said(*purge, "--dry-run", login=None)

    assert "no longer in force" in operator.said(
        "organisations", "remove", "group", "--reason", "merged"
    )
    assert operator.said("organisations", "list").strip() == "none"
    gone = operator.said("organisations", "remove", "group", code=1)
    assert "there is no organisation group" in gone
    assert "there is no organisation group" in operator.said(
        "organisations", "show", "group", code=1
    )
    assert "+ organisation group" in operator.said("apply", str(file))
    with psycopg.connect(operator.url) as connection:
        entries = connection.execute(
            "SELECT action, reason FROM audit_entry WHERE subject = 'group' ORDER BY id"
        ).fetchall()
    assert [action.removeprefix("organisation.") for action, _ in entries] == [
        "apply",
        "apply",
        "remove",
        "apply",
    ]
    assert entries[2][1] == "merged"
