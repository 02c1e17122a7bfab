"""The facility files of the page on meters are those in ``deploy/examples/meters``."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.facility.file import parse
from tests.repository.files import ROOT

FILES = sorted((ROOT / "deploy/examples/meters").glob("*.yaml"))
PAGE = (ROOT / "deploy/docs/howto/meters.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_on_the_page_and_can_be_applied(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parse(text)
    assert text.partition("facility:")[2].strip() in PAGE
    assert f"`{path.relative_to(ROOT)}`" in PAGE
