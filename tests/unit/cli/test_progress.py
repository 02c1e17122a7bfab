"""How far a command is, where nobody sees a bar."""

from __future__ import annotations

import pytest

from services.cli import progress as module
from services.cli.progress import progress


def test_a_log_hears_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 104.0, 110.5, 111.0, 121.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress("importing", 200, lambda: "7 rows read") as advance:
        for _ in range(4):
            advance(40)
    assert capsys.readouterr().err.splitlines() == [
        "importing: 40 % in 10 s, 7 rows read",
        "importing: 80 % in 21 s, 7 rows read",
    ]


def test_a_short_command_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("restoring", None) as advance:
        advance(1 << 20)
    assert capsys.readouterr().err == ""
