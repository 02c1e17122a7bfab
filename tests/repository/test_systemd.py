"""The units of deploy/systemd, against systemd's own tool and against the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from services.cli import app
from services.core.runtime.settings import Settings, secret_settings
from services.core.store.schema.ddl import LOGINS
from tests.repository.files import DEPLOY, commands

_UNITS = DEPLOY / "systemd"
_SERVICES = sorted(path.name for path in _UNITS.glob("tonne-*.service"))
#: They are begun by who wants them, and by a timer.
_BACKUPS = {"tonne-backup.service", "tonne-backup-log.service"}
_MOST_EXPOSED = 3.0


def _values(unit: str, key: str) -> list[str]:
    """What the unit says of a key, in order."""
    return re.findall(rf"^{key}=(.*)$", (_UNITS / unit).read_text(), re.MULTILINE)


def _environment(unit: str) -> dict[str, str]:
    return dict(
        pair.split("=", 1) for line in _values(unit, "Environment") for pair in line.split()
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with the units where the package puts them."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(_UNITS, root / "usr/lib/systemd/system")
    return root


@pytest.mark.parametrize("unit", _SERVICES)
def test_each_unit_is_confined(unit: str, installed: Path) -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            f"--root={installed}",
            "security",
            "--offline=true",
            "--no-pager",
            unit,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(level) < _MOST_EXPOSED, done.stdout


def test_each_process_has_a_unit_that_runs_its_command() -> None:
    known = {name.split()[0] for name in commands(app)}
    ran = {unit: _values(unit, "ExecStart")[0].split()[1] for unit in _SERVICES}
    assert set(ran.values()) == {
        "ingest", "aggregate", "notify", "api", "migrate", "backup"
    } & known  # fmt: skip
    assert set(_values("tonne.target", "Wants")[0].split()) == set(_SERVICES) - _BACKUPS


def test_each_unit_gets_settings_that_exist_and_files_of_its_own() -> None:
    known = {f"TONNE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"TONNE_{name.upper()}_FILE" for name in secret_settings()}
    owners: dict[str, str] = {}
    for unit in _SERVICES:
        environment = _environment(unit)
        assert {name for name in environment if name.startswith("TONNE_")} <= known
        credentials = dict(line.split(":", 1) for line in _values(unit, "LoadCredential"))
        # what is named is loaded, and what is loaded is named
        named = {value[3:] for value in environment.values() if value.startswith("%d/")}
        copies = [line.split()[-2:] for line in _values(unit, "ExecStartPre")]
        assert named | {source[3:] for source, _ in copies} == set(credentials)
        # where PostgreSQL's client looks: it takes no file that has more than its owner's rights,
        # which systemd's credentials have on Debian 13
        assert [copy for _, copy in copies] == [
            value for name, value in environment.items() if name == "PGPASSFILE"
        ]
        for path in credentials.values():
            # both units of backups log in as one
            owner = "backup" if unit in _BACKUPS else unit
            assert owners.setdefault(path, owner) == owner, path
        # no secret stands in a unit, which everybody may read
        assert "@" not in environment.get("TONNE_DATABASE_URL", "").split("://")[-1].split("@/")[-1]
    logins = {path.split("/")[-2] for path in owners if path.endswith("/pgpass")}
    # people's commands
    assert logins == set(LOGINS) - {"tonne_admin"}


def test_processes_are_watched_by_their_own_word() -> None:
    for unit in set(_SERVICES) - _BACKUPS:
        (kind,) = _values(unit, "Type")
        assert (kind == "oneshot") == (unit == "tonne-migrate.service")
        assert kind == "oneshot" or (kind == "notify" and _values(unit, "WatchdogSec"))


def test_each_field_of_the_package_is_stated_once() -> None:
    """Building it is no part of the tests, and dpkg-deb takes no field twice."""
    text = (DEPLOY / "debian" / "control").read_text(encoding="utf-8")
    fields = re.findall(r"^([A-Za-z-]+):", text, re.MULTILINE)
    assert {"Package", "Depends", "Suggests"} <= set(fields)
    assert len(fields) == len(set(fields))
