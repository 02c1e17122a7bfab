"""Prose names settings and files that there are, and README stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.reference.database import page_of_tables
from deploy.reference.metrics import page_of_metrics
from services.api.prometheus.metrics import METRICS
from services.core.runtime.settings import Settings
from tests.examples import PAGES
from tests.repository.files import ROOT

_KNOWN = {f"TONNE_{name.upper()}" for name in Settings.model_fields}

_SERIES_OR_ROLE = re.compile(r"`(tonne_\w+)`")
_SERIES_AND_ROLES = {
    *_SERIES_OR_ROLE.findall(page_of_metrics() + page_of_tables()),
    *(metric.name for metric in METRICS),
}


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_setting_that_prose_names_exists(page: Path) -> None:
    used = set(re.findall(r"`(TONNE_[A-Z][A-Z_]*[A-Z])(?:=[^`]*)?`", page.read_text()))
    # what facility files name are secrets, no settings
    assert {each for each in used if not each.startswith("TONNE_SECRET_")} <= _KNOWN


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_files_that_prose_names_exist(page: Path) -> None:
    for path in re.findall(r"`((?:deploy|services|tests|sensors-sim)/[\w./-]+)`", page.read_text()):
        if path not in {"deploy/.env", "deploy/api.env", "deploy/notify.env"}:
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_metrics_and_roles_that_prose_names_exist(page: Path) -> None:
    assert set(_SERIES_OR_ROLE.findall(page.read_text())) <= _SERIES_AND_ROLES
