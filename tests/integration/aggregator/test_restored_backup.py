"""The commands of the page on dumps: what is restored is whole, verified and has its rights."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from deploy.local.postgres_server import find_programs
from tests.examples import ROOT, Example, examples_of
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import Plant, instant, some_readings
from tests.patience import PATIENCE_S
from tests.services import Postgres, server_directory

pytestmark = pytest.mark.database

START = instant("2026-06-01T06:00:00+02:00")
_PAGE = ROOT / "deploy" / "docs" / "operate" / "dump.md"


def _rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone()[0]  # type: ignore[index]  # noqa: S608
            for (name,) in names
        }


def _run(example: Example, directory: Path, url: str) -> str:
    programs = [Path(sys.executable).parent, find_programs().bin_dir]
    done = subprocess.run(
        ["bash", "-euc", example.text],
        cwd=directory,
        env={
            "PATH": ":".join([*map(str, programs), os.environ["PATH"]]),
            "TONNE_DATABASE_URL": url,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, f"{example.name}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_dump_is_restored_on_another_server(database_url: str, tmp_path: Path) -> None:
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(3), START, 9))
    ruled.close_all(plant, START + timedelta(hours=12))
    plant.close()
    kept = _rows(database_url)
    assert kept["reading"] > 100
    dump, restore, verify = (each for each in examples_of(_PAGE) if each.language == "sh")
    _run(dump, tmp_path, database_url)
    with server_directory(for_postgres=True, in_memory=True) as directory:
        other = Postgres(directory)
        other.start()
        try:
            other.execute("CREATE DATABASE tonne")
            url = other.url_of("tonne")
            _run(restore, tmp_path, url)
            assert _rows(url) == kept
            _run(verify, tmp_path, url)
            with psycopg.connect(url) as connection:
                connection.execute("SET ROLE tonne_read")
                assert connection.execute("SELECT count(*) FROM emission_hour").fetchone()
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("DELETE FROM reading")
        finally:
            other.kill()
