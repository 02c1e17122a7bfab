"""Prose names settings and files that there are, and README stays short."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.reference.database import page_of_tables
from deploy.reference.metrics import page_of_metrics
from services.api.prometheus.metrics import METRICS
from services.core.runtime.settings import Settings, secret_settings
from tests.examples import PAGES
from tests.repository.files import ROOT

_KNOWN = {f"TONNE_{name.upper()}" for name in Settings.model_fields} | {
    f"TONNE_{name.upper()}_FILE" for name in secret_settings()
}

_SERIES_OR_ROLE = re.compile(r"`(tonne_\w+)`")
_SERIES_AND_ROLES = {
    *_SERIES_OR_ROLE.findall(page_of_metrics() + page_of_tables()),
    *(metric.name for metric in METRICS),
}


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_setting_that_prose_names_exists() -> None:
    unknown = [
        (_id(page), name)
        for page in PAGES
        for name in re.findall(r"`(TONNE_[A-Z][A-Z_]*[A-Z])(?:=[^`]*)?`", page.read_text())
        # what facility files name are secrets, no settings
        if name not in _KNOWN and not name.startswith("TONNE_SECRET_")
    ]
    assert unknown == []


def test_files_that_prose_names_exist() -> None:
    missing = [
        (_id(page), path)
        for page in PAGES
        for path in re.findall(
            r"`((?:deploy|services|tests|sensors-sim)/[\w./-]+)`", page.read_text()
        )
        if path not in {"deploy/.env", "deploy/api.env", "deploy/notify.env"}
        # made by deploy/server.sh
        and not path.startswith("deploy/secrets")
        and not (ROOT / path).exists()
    ]
    assert missing == []


def test_metrics_and_roles_that_prose_names_exist() -> None:
    unknown = [
        (_id(page), name)
        for page in PAGES
        for name in _SERIES_OR_ROLE.findall(page.read_text())
        if name not in _SERIES_AND_ROLES
    ]
    assert unknown == []
