from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import typer

from sensors_sim.cli import app as sim_app
from services.cli import app as tonne_app
from services.core.runtime.settings import Settings
from tests.unit.deploy.repository import ROOT, commands

_README = (ROOT / "README.md").read_text()


def _default(value: Any) -> str:
    return "not set" if value is None else f"`{value}`"


def _settings_table() -> str:
    rows = [
        f"| `TONNE_{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _command_table(program: str, does: dict[str, str]) -> str:
    return "\n".join(f"| `{program} {name}` | {what} |" for name, what in does.items())


def _make_help() -> dict[str, str]:
    text = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(re.findall(r"^(\S+)\s+(.+)$", text, re.MULTILINE))


def _rows_of(program: str) -> str:
    return "\n".join(re.findall(rf"^\| `{program} .+\|$", _README, re.MULTILINE))


def test_the_settings_table_is_what_the_code_reads() -> None:
    table = _settings_table()
    assert table in _README, f"README.md must hold this table:\n{table}"
    assert len(set(re.findall(r"^\| `(TONNE_\w+)`", _README, re.MULTILINE))) == len(
        Settings.model_fields
    )


def test_every_setting_that_prose_names_exists() -> None:
    known = {f"TONNE_{name.upper()}" for name in Settings.model_fields}
    for name in ("README.md", "CONTRIBUTING.md"):
        used = set(re.findall(r"\bTONNE_[A-Z][A-Z_]*[A-Z]\b", (ROOT / name).read_text()))
        # what facility files name are secrets, no settings
        assert {each for each in used if not each.startswith("TONNE_SECRET_")} <= known, name


def test_the_table_of_make_is_its_help() -> None:
    table = _command_table("make", _make_help())
    assert "`make run`" in table
    assert _rows_of("make") == table, f"README.md must hold these rows:\n{table}"


@pytest.mark.parametrize(("program", "app"), [("tonne", tonne_app), ("tonne-sim", sim_app)])
def test_the_table_of_a_program_is_its_commands(program: str, app: typer.Typer) -> None:
    table = _command_table(program, commands(app))
    assert _rows_of(program) == table, f"README.md must hold these rows:\n{table}"


def test_files_that_prose_names_exist() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        for path in re.findall(r"`((?:deploy|services|tests|sensors-sim)/[\w./-]+)`", text):
            if path != "deploy/.env":
                assert (ROOT / path).exists(), f"{name}: {path}"
