"""Workers that read uploads: begun, stopped and killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from services.core.timeline.instants import from_us
from services.ingest.prepare import TimeBounds
from services.ingest.uploads import runs
from services.ingest.uploads.job import Job, Note
from services.ingest.uploads.runs import Runs
from tests.patience import PATIENCE_S, until

#: Workers that say nothing, and end with who started them.
_PATIENT = "read job; cat"


@dataclass
class _Workers:
    """Processes that stand for workers; ``script``: what each does."""

    script: str
    may_begin: threading.Event = field(default_factory=threading.Event)
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, _words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        self.may_begin.wait()
        process = _popen(["sh", "-c", self.script], **options)
        self.begun.append(process)
        return process


_popen = subprocess.Popen


@contextmanager
def _workers(monkeypatch: pytest.MonkeyPatch, script: str) -> Iterator[_Workers]:
    made = _Workers(script)
    monkeypatch.setattr(runs.subprocess, "Popen", made.start)
    try:
        yield made
    finally:
        made.may_begin.set()
        for process in made.begun:
            process.kill()


def _calls(thread: threading.Thread) -> list[str]:
    """Where a thread is just now."""
    frame = sys._current_frames().get(thread.ident or 0)
    return [] if frame is None else [call.name for call in traceback.extract_stack(frame)]


def _job(upload: str) -> Job:
    return Job(
        database_url="",
        bounds=TimeBounds(oldest=from_us(0), future_tolerance=timedelta(days=1)),
        pack_after_days=1, batch_rows=1, max_bytes=1, max_file_bytes=1, upload=upload,
        facility="linz", name="a.csv", path="", holds="readings", is_trial=False, table=None,
        device=None, channel=None, unit=None, by="anna", address=None,
    )  # fmt: skip


def test_one_that_is_removed_while_its_worker_begins_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _workers(monkeypatch, _PATIENT) as workers:
        served = Runs(lambda _upload, _note: None)
        served.add(_job("one"))
        stopping = threading.Thread(target=served.stop, args=("one",), daemon=True)
        stopping.start()

        until(lambda: "join" in _calls(stopping), "whoever removes it waits for its end")
        workers.may_begin.set()
        stopping.join(PATIENCE_S)
        assert not stopping.is_alive()


def test_a_worker_that_is_killed_in_the_midst_of_a_word_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[str, Note | None]] = []
    with _workers(monkeypatch, """read job; printf '{"says": "done"'""") as workers:
        workers.may_begin.set()
        served = Runs(lambda upload, note: heard.append((upload, note)))
        served.add(_job("one"))
        served.add(_job("two"))
        until(lambda: heard == [("one", None), ("two", None)], "both are over")
