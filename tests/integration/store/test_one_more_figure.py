"""One more figure touches few files, and goes from minutes to every table and answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.store import trial_figure
from tests.repository.files import ROOT


@pytest.mark.parametrize("trial", [trial_figure.MASS, trial_figure.TIME], ids=lambda t: t.name)
def test_one_more_figure_touches_at_most_six_product_files(trial: trial_figure.Trial) -> None:
    assert len(trial.files) <= 6, trial.files


def test_one_more_figure_goes_from_minutes_to_every_table_and_answer(
    tmp_path: Path, empty_database_url: str
) -> None:
    trial_figure.copy_with(tmp_path, [trial_figure.MASS, trial_figure.TIME])
    run = subprocess.run(
        [sys.executable, "-m", "tests.integration.store.trial_run", empty_database_url],
        cwd=tmp_path,
        # the copy comes first, the tests are those of the repository
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
