"""Processes go on while a newer version migrates, and start again on its schema."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.applying import apply_text
from tests.patience import until
from tests.services import Mosquitto
from tests.upgrade.fill import FACILITIES, HOUR, MINUTE, Devices, minutes
from tests.upgrade.next_version import REVISION, NextVersion
from tests.upgrade.processes import Processes

pytestmark = [pytest.mark.database, pytest.mark.timeout(900)]

#: kg an hour of the register: 10 kW at 0.2 kg/kWh.
_KG_H = 2.0


class Load:
    """What the devices of the works publish, minute after minute, and what must come of it."""

    def __init__(self, mosquitto: Mosquitto, url: str) -> None:
        self.begins = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 6 * HOUR
        self.published = 0
        self._devices = Devices(mosquitto.url)
        self._url = url

    def publish(self, count: int = 5) -> None:
        """Publish so many minutes more."""
        first = self.begins + self.published * MINUTE
        self._devices.publish([m for m in minutes(first, count) if "/works/" in m[0]])
        self.published += count

    def close(self) -> None:
        self._devices.close()

    def counted(self, processes: Processes) -> None:
        """Wait until the total has all minutes that lie between two readings of the register."""
        expected = _KG_H * (self.published - 1) / 60

        def total() -> float | None:
            with psycopg.connect(self._url) as connection:
                (ug,) = connection.execute(
                    "SELECT sum(co2_ug) FROM emission_minute m JOIN source s ON s.id = m.source_id"
                    " WHERE s.slug = 'by-counter'"
                ).fetchone() or (None,)
            return None if ug is None else float(ug) / 1e9

        until(
            lambda: (kg := total()) is not None and abs(kg - expected) < 1e-6,
            f"the register's total is {expected} kg",
            explain=lambda: f"it is {total()}\n{processes.said}",
        )


def _stored(url: str) -> int:
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM reading").fetchone() or (0,)
    return int(count)


def test_the_version_before_goes_on_and_comes_back_on_the_newer_schema(
    database_url: str, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    apply_text(database_url, (FACILITIES / "works.yaml").read_text(encoding="utf-8"))
    later = NextVersion(tmp_path / "next")
    processes = Processes(database_url, mosquitto, tmp_path)
    load = Load(mosquitto, database_url)
    with processes.serving() as services:
        until(lambda: processes.get("/readyz"), "all of it works", explain=lambda: processes.said)
        load.publish()
        load.counted(processes)
        later.run("migrate", url=database_url)
        load.publish()
        load.counted(processes)
        # the same processes, which know of it
        assert [service.poll() for service in services] == [None] * len(services)
        ready = until(lambda: (b := processes.get("/readyz")) and b["notices"] and b, "it is said")
        assert [notice["code"] for notice in ready["notices"]] == ["schema-newer"]
    # nobody is there; the broker keeps it
    load.publish()
    processes.run("migrate")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (
            REVISION,
        )
    with processes.serving():
        load.publish()
        load.counted(processes)
        until(lambda: processes.get("/readyz"), "all of it works", explain=lambda: processes.said)
        rows = processes.get(
            f"/v1/emissions?facility=works&source=by-counter&interval=1h"
            f"&from={load.begins:%Y-%m-%dT%H:%M:%SZ}&to=now"
        )
        assert sum(row["co2_kg"] or 0 for row in rows) == pytest.approx(
            _KG_H * (load.published - 1) / 60
        )
    load.close()
    assert _stored(database_url) == 5 * load.published
    processes.run("verify")
    # and once more to the newer one
    assert "the schema is up to date" in later.run("migrate", url=database_url)
    assert "differ: 0" in later.run("verify", url=database_url)
