"""The documentation's site: built strictly, rebuilt when stale, carried by the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.site import build
from services.core.accounting.factor_publications import DIRECTORY
from tests.repository.files import ROOT

pytestmark = pytest.mark.thorough

#: What a browser fetches by itself; links to elsewhere are for people to follow.
_FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=\"([^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("documentation") / "site"
    build.build(made)
    return made


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        for address in _FETCHED.findall(page.read_text(encoding="utf-8")):
            assert "//" not in address, f"{page.name} fetches {address}"


def test_the_interactive_reference_asks_the_server_that_it_comes_from(site: Path) -> None:
    (frame,) = (site / "reference").glob("swagger-*.html")
    assert '"/v1/openapi.json"' in frame.read_text(encoding="utf-8")


def test_a_site_is_built_again_when_a_source_changed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []

    def copy(to: Path) -> None:
        built.append(to)
        to.mkdir()
        (to / "index.html").write_text((site / "index.html").read_text(encoding="utf-8"))

    sources = tmp_path / "docs"
    sources.mkdir()
    (sources / "index.md").write_text("# One")
    monkeypatch.setattr(build, "_ROOT", tmp_path.parent.parent)
    monkeypatch.setattr(build, "_FIXED_SOURCES", ())
    monkeypatch.setattr(build, "_SOURCES", sources)
    monkeypatch.setattr(build, "SITE", tmp_path / "served")
    monkeypatch.setattr(build, "build", copy)
    assert build.build_if_stale()
    assert not build.build_if_stale()
    (sources / "index.md").write_text("# Two")
    assert build.build_if_stale()
    assert len(built) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "served"]


def test_the_wheel_carries_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert "services/api/documentation/index.html" in names
    assert "services/api/documentation/assets/javascripts/swagger-ui-bundle.js" in names
    # the tables of built-in factors go with it
    tables = {f"services/core/accounting/factor_data/{path.name}" for path in DIRECTORY.iterdir()}
    assert tables <= names
