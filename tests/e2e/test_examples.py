"""The commands of the documentation, run from a page's top down against the running services."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.examples import ROOT, Example, examples_of
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.database, pytest.mark.broker]

#: Pages whose commands need nothing but a running tonne; two more are run for their figures below.
_PAGES = [
    "deploy/docs/start/publish.md",
    "deploy/docs/start/real-data.md",
    "deploy/docs/tutorials/stack-part75.md",
    "deploy/docs/tutorials/webhook-alerts.md",
    "deploy/docs/howto/keys.md",
    "deploy/docs/howto/passwords.md",
    "deploy/docs/howto/quarantine.md",
    "deploy/docs/howto/send-readings.md",
]
#: An answer that is no success fails the page.
_CURL = 'curl() { command curl --fail-with-body "$@"; }\nset -euo pipefail\n'


@pytest.mark.parametrize("name", _PAGES)
def test_the_commands_of_a_page_do_what_it_says(stack: Stack, tmp_path: Path, name: str) -> None:
    _follow(stack, tmp_path, name)


def _follow(stack: Stack, tmp_path: Path, name: str) -> None:
    """Run a page's commands, each of which must succeed."""
    file = ""
    for example in examples_of(ROOT / name):
        if example.is_facility_file:
            file = example.text
        if example.language == "sh" and example.is_run:
            for applied in re.findall(r"tonne apply (\S+\.yaml)", example.text):
                if not (tmp_path / applied).exists():
                    (tmp_path / applied).write_text(file, encoding="utf-8")
            _run(stack, tmp_path, example)
            until(stack.settled, f"what {example.name} published is in the totals")


def _run(stack: Stack, directory: Path, example: Example) -> None:
    programs = Path(sys.executable).parent
    text = example.text.replace(".venv/bin/", "").replace("http://127.0.0.1:8000", stack.url)
    text = text.replace("tests/fixtures/", f"{ROOT}/tests/fixtures/")
    done = subprocess.run(
        ["bash", "-c", _CURL + text],
        cwd=directory,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TONNE_DATABASE_URL": stack.database_url,
            "TONNE_MQTT_URL": stack.mqtt_url,
            "TONNE_API_PORT": stack.url.rpartition(":")[2],
            "LC_ALL": "C.UTF-8",
        },
        input="y\n",  # whoever is asked whether they mean it says yes
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, f"{example.name}:\n{done.stdout}\n{done.stderr}"


def test_the_message_of_readme_gives_the_rate_that_it_says(stack: Stack, tmp_path: Path) -> None:
    _follow(stack, tmp_path, "README.md")

    def rate() -> float | None:
        sources = stack.get("/v1/live", facility="linz")["sources"]
        return next(each["rate_kg_h"] for each in sources if each["id"] == "stack-1")  # type: ignore[no-any-return]

    until(lambda: round(rate() or 0, 3) == 654.345, "654.345 kg/h, as README says")


def test_the_corrected_certificate_restates_the_hour(stack: Stack, tmp_path: Path) -> None:
    """The tutorial's figures, after the page has run from its beginning."""
    _follow(stack, tmp_path, "deploy/docs/tutorials/meter-and-tariff.md")

    def hour() -> float | None:
        (row,) = stack.get(
            "/v1/emissions",
            facility="mill",
            interval="1h",
            **{"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T09:00:00Z"},
        )
        return row["co2_kg"]  # type: ignore[no-any-return]

    until(lambda: hour() == 80.0, "400 kWh at 0.20 kg are 80 kg")
