"""Where files of people are kept: where ingest is told to, and else nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.core.runtime.reading_door import Answer
from services.core.runtime.settings import Settings
from services.core.runtime.uploads import UploadAsk
from services.ingest.prepare import TimeBounds
from services.ingest.uploads.desk import Desk
from tests.patience import until

_BOUNDS = TimeBounds(oldest=datetime(2020, 1, 1, tzinfo=UTC), future_tolerance=timedelta(0))


def _answer(settings: Settings, outcome: str, detail: str = "") -> Answer:
    """What a desk that was started answers, once it answers so; ``detail``: its begin."""
    desk = Desk(settings, _BOUNDS)
    desk.start()
    try:
        ask = UploadAsk(act="begin", facility="linz", name="a.csv", size=1)

        def answered() -> Answer | None:
            answer = desk(ask, b"")
            fits = answer.outcome == outcome and answer.detail.startswith(detail)
            return answer if fits else None

        answer: Answer = until(answered, "the desk has looked for its folder")
        return answer
    finally:
        desk.close()


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, of which nobody has said that it may be written to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_written_where_ingest_happens_to_be_started(anywhere: Path) -> None:
    answer = _answer(Settings(), "unable", "there is no folder")
    assert "TONNE_UPLOADS_DIR" in answer.detail
    assert list(anywhere.iterdir()) == []


def test_a_folder_that_cannot_be_used_says_so(anywhere: Path) -> None:
    (anywhere / "file").touch()
    settings = Settings(uploads_dir=anywhere / "file" / "uploads")
    answer = _answer(settings, "unable", "the folder of uploads cannot be used")
    assert "Not a directory" in answer.detail


def test_the_local_stack_keeps_them_with_its_data(anywhere: Path) -> None:
    (anywhere / ".tonne").mkdir()
    _answer(Settings(), "taken")
    assert (anywhere / ".tonne" / "uploads" / ".lock").exists()
