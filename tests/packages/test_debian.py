"""A server's life with the package: installed, run, hurt, upgraded and back, removed, purged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from deploy.local import postgres_server
from services.core.store.schema import logins
from tests.asking_postgres import AskingPostgres
from tests.contract.ingest.traffic import publish
from tests.packages.machine import Machine, debian
from tests.patience import until
from tests.services import Mosquitto, free_port, server_directory
from tests.upgrade.next_version import REVISION, add_migration

pytestmark = pytest.mark.timeout(900)

RELEASES = [int(release) for release in os.environ.get("RELEASES", "12 13").split()]
UNITS = ("tonne-ingest", "tonne-aggregator", "tonne-notifier", "tonne-api")
FACILITY = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter-grid
    channels:
      - {id: import-energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
factors: [{id: contract, unit: kWh, co2_kg: 0.2, valid_from: 2020-01-01, citation: the test}]
sources: [{id: grid, scope: 2, method: activity, input: meter-grid.import-energy, factor: contract}]
"""
_BACKUPS = ("--to", "/var/backups/tonne")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Around:
    """What stands beside tonne on a server, and the packages to install."""

    database: AskingPostgres
    broker: Mosquitto
    package: Path
    newer: Path


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> int:
    """Debian's release."""
    return int(request.param)


@pytest.fixture
def around(release: int, tmp_path: Path) -> Iterator[Around]:
    """Servers, and the package in this version and in a newer one."""
    subprocess.run([_ROOT / "deploy/debian/build.sh", str(release)], check=True)
    (package,) = (_ROOT / "dist").glob(f"tonne_*~deb{release}_*.deb")
    tree, newer = tmp_path / "tree", tmp_path / "newer.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: ", "Version: 99."))
    add_migration(tree / "usr/lib/tonne/lib/services")
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, newer], check=True)
    with (
        server_directory(for_postgres=True) as stored,
        server_directory() as heard,
    ):
        database, broker = AskingPostgres(stored), Mosquitto(heard)
        database.start()
        database.execute("CREATE DATABASE tonne")
        broker.start()
        try:
            yield Around(database=database, broker=broker, package=package, newer=newer)
        finally:
            broker.stop()
            database.stop()


def _install(machine: Machine, package: Path) -> str:
    shutil.copy(package, machine.root / "root/tonne.deb")
    return machine.does("dpkg", "--install", "/root/tonne.deb")


def _all_active(machine: Machine) -> bool:
    return all(machine.property_of(unit, "ActiveState") == "active" for unit in UNITS)


def _processes(machine: Machine) -> dict[str, str]:
    return {unit: machine.property_of(unit, "MainPID") for unit in UNITS}


def _explained(machine: Machine) -> str:
    return "\n".join(machine.journal(unit) for unit in ("tonne-migrate", *UNITS))


def _metered(broker: Mosquitto, energy_kwh: float, *, minutes_ago: int) -> None:
    reading = {
        "ts": (int(time.time()) - minutes_ago * 60) * 1000,
        "values": {"import-energy": energy_kwh},
    }
    publish(broker.port, [("emissions/linz/meter-grid/readings", json.dumps(reading).encode())])


def _day_kg(api: str) -> float | None:
    answer = httpx.get(f"{api}/v1/live", params={"facility": "linz"})
    assert answer.status_code == 200, answer.text
    kg: float | None = answer.json()["totals"]["24h"]["co2_kg"]
    return kg


def _emitted(kg: float, machine: Machine, api: str) -> None:
    """Wait for a total; minutes are rounded to micrograms."""
    until(
        lambda: _day_kg(api) == pytest.approx(kg, rel=1e-9),
        f"{kg} kg",
        explain=lambda: f"{_day_kg(api)} kg\n{_explained(machine)}",
    )


def _with_password(database: AskingPostgres) -> str:
    """Return the owner's URL for a machine that does not see the file of the password."""
    owner = postgres_server.SUPERUSER
    password = logins.password_of(database.logins, owner)
    return f"postgresql://{owner}:{password}@127.0.0.1:{database.port}/tonne"


def _set_up(machine: Machine, around: Around) -> str:
    """Write what the documentation asks for, start, and return the API's address."""
    port = free_port()
    machine.write("/etc/tonne/credentials/owner-database-url", _with_password(around.database))
    for name in ("ingest-mqtt-url", "notifier-mqtt-url"):
        machine.write(f"/etc/tonne/credentials/{name}", around.broker.url)
    machine.write(
        "/etc/tonne/tonne.env",
        f"PGHOST=127.0.0.1\nPGPORT={around.database.port}\n"
        f"TONNE_API_AUTH=off\nTONNE_API_PORT={port}\n",
        0o644,
    )
    # a process that hangs is to be ended within the test
    machine.write("/etc/systemd/system/tonne-ingest.service.d/test.conf",
                  "[Service]\nWatchdogSec=5\n", 0o644)  # fmt: skip
    machine.does("systemctl", "daemon-reload")
    machine.does("systemctl", "enable", "tonne.target")
    # what fails is begun again and again, and a start that waits for it never ends
    machine.does("systemctl", "start", "--no-block", "tonne.target")
    until(lambda: _all_active(machine), "all work", explain=lambda: _explained(machine))
    return f"http://127.0.0.1:{port}"


def _has_the_servers_client(machine: Machine) -> bool:
    """Return whether this Debian has the client programs of the version that the server is of."""
    program = postgres_server.find_programs().program("pg_basebackup")
    return machine.run("test", "-x", str(program)).returncode == 0


def _replaced(machine: Machine, install: Callable[[], str]) -> None:
    """Install another version and start it; until then the processes go on."""
    before = _processes(machine)
    assert "systemctl restart tonne.target" in install()
    assert _processes(machine) == before
    machine.does("systemctl", "restart", "tonne.target")
    until(lambda: _all_active(machine), "all work", explain=lambda: _explained(machine))
    assert not set(_processes(machine).values()) & set(before.values())


def _install_newer(machine: Machine, package: Path) -> str:
    """Install a version, and ask it what it would do."""
    printed = _install(machine, package)
    plan = machine.does("tonne", "migrate", "--plan")
    assert REVISION in plan
    assert "processes of the version before may go on" in plan
    return printed


def _install_older(machine: Machine, package: Path) -> str:
    """Go back as the page says."""
    shutil.copy(package, machine.root / "root/older.deb")
    return machine.does("apt-get", "install", "-y", "--allow-downgrades", "/root/older.deb")


def _revision(around: Around) -> str:
    with psycopg.connect(around.database.url_of("tonne")) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def _goes_on_after(machine: Machine, signal: str, result: str) -> None:
    """Hurt ingest; systemd must notice and begin it again."""
    before = machine.property_of("tonne-ingest", "MainPID")
    machine.does("systemctl", "kill", "--kill-whom=main", "-s", signal, "tonne-ingest")
    until(
        lambda: (
            machine.property_of("tonne-ingest", "MainPID") not in {before, "0"}
            and machine.property_of("tonne-ingest", "ActiveState") == "active"
        ),
        f"ingest begins again after {signal}",
        explain=lambda: machine.journal("tonne-ingest"),
    )
    assert result in machine.journal("tonne-ingest")


def test_a_server_lives_with_the_package(release: int, around: Around) -> None:
    with debian(release) as machine:
        assert "systemctl enable --now tonne.target" in _install(machine, around.package)
        assert "Usage: tonne" in machine.does("tonne", "--help")
        assert (machine.root / "etc/tonne/credentials").stat().st_mode & 0o777 == 0o700
        assert not _all_active(machine)

        api = _set_up(machine, around)
        machine.write("/root/linz.yaml", FACILITY)
        machine.does("tonne", "apply", "/root/linz.yaml")
        _metered(around.broker, 1000, minutes_ago=50)
        _metered(around.broker, 1100, minutes_ago=40)
        _emitted(20, machine, api)

        _goes_on_after(machine, "KILL", "status=9/KILL")
        _metered(around.broker, 1200, minutes_ago=30)
        _goes_on_after(machine, "STOP", "Watchdog timeout")
        _metered(around.broker, 1300, minutes_ago=20)
        _emitted(60, machine, api)

        _replaced(machine, lambda: _install_newer(machine, around.newer))
        assert _revision(around) == REVISION
        _metered(around.broker, 1400, minutes_ago=10)
        _emitted(80, machine, api)
        machine.does("tonne", "verify")

        _replaced(machine, lambda: _install_older(machine, around.package))
        assert _revision(around) == REVISION
        _metered(around.broker, 1500, minutes_ago=5)
        _emitted(100, machine, api)
        notices = httpx.get(f"{api}/readyz").json()["notices"]
        assert "schema-newer" in {notice["code"] for notice in notices}
        machine.does("tonne", "verify")

        if _has_the_servers_client(machine):
            machine.does("systemctl", "enable", "--now", "tonne-backup-log", "tonne-backup.timer")
            machine.does("systemctl", "start", "tonne-backup")
            listed = json.loads(machine.tells("tonne", "backup", "list", *_BACKUPS, "--json"))
            assert len(listed) == 1
            machine.does("tonne", "backup", "check", *_BACKUPS)
            assert machine.property_of("tonne-backup-log", "ActiveState") == "active"

        machine.does("dpkg", "--remove", "tonne")
        assert set(_processes(machine).values()) == {"0"}
        assert (machine.root / "etc/tonne/tonne.env").exists()
        machine.does("dpkg", "--purge", "tonne")
        assert not (machine.root / "etc/tonne/tonne.env").exists()
        assert (machine.root / "etc/tonne/credentials/owner-database-url").exists()
        with psycopg.connect(around.database.url_of("tonne")) as connection:
            assert connection.execute("SELECT count(*) FROM reading").fetchone() == (6,)
