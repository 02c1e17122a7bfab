"""``tonne devices examples``: what a newcomer begins with."""

from __future__ import annotations

import json

from typer.testing import CliRunner, Result

from services.cli import app
from services.core.facility.families.catalogue import families
from services.core.facility.file import parse


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["devices", "examples", *words])


def test_all_families_are_listed() -> None:
    listed = run()
    assert listed.exit_code == 0
    for family in families():
        assert family.name in listed.output
        assert family.title in listed.output
    rows = json.loads(run("--json").output)
    assert [row["name"] for row in rows] == [family.name for family in families()]


def test_what_is_printed_is_a_facility_file() -> None:
    printed = run("tasmota")
    assert printed.exit_code == 0
    assert printed.output.startswith("# Tasmota: ")
    assert parse(printed.output).devices[0].id == "pow1"


def test_a_name_that_is_not_quite_one_gets_a_hint() -> None:
    refused = run("Shelly")
    assert refused.exit_code == 1
    assert "did you mean shelly-gen1 or shelly-gen2?" in refused.output
    assert refused.stdout == ""


def test_a_name_that_is_none_says_where_all_are() -> None:
    refused = run("toaster")
    assert refused.exit_code == 1
    assert "no device family is called toaster; tonne devices examples lists all" in refused.output
