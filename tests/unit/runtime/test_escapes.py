from __future__ import annotations

import io
import re

import pytest
import structlog
from pydantic import BaseModel

from services.api.http.answers import rows_answer
from services.api.http.shapes import Shape
from services.core.runtime import logging
from services.core.runtime.escapes import csv_text, shown
from services.notify.channel import DeliveryError

#: Sets a terminal's title, clears it, rings, turns the direction of writing, ends a text, is half
#: of a character, and the one byte that begins a command in terminals of eight bits.
HOSTILE = "\x1b]0;owned\x07 \x1b[2J \u202e \x00 \ud800 \x9b31m \r\n\ttrue"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]")


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert shown("\x1b[31m") == r"\x1b[31m"
    assert not COMMANDS.search(shown(HOSTILE))
    assert "\n" not in shown(HOSTILE)
    assert "\n\t" in shown(HOSTILE, lines=True)
    assert shown("Werk Süd, 3.5 m³/h, 温度") == "Werk Süd, 3.5 m³/h, 温度"


def test_a_receivers_words_reach_nobody_raw() -> None:
    assert not COMMANDS.search(str(DeliveryError(f"the receiver answered 500: {HOSTILE}")))


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_log_line_is_one_line_that_commands_nothing(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    logging.configure(process="test", level="info", style=style)  # type: ignore[arg-type]
    structlog.get_logger().info("heard", topic=HOSTILE, parts=[HOSTILE], of={"a": HOSTILE})
    # the terminal's own colours are the renderer's
    line = re.sub("\x1b\\[[0-9;]*m", "", said.getvalue())
    assert line.count("\n") == 1
    assert not COMMANDS.search(line)
    structlog.get_logger().error("failed", exc_info=ValueError(HOSTILE))
    assert not COMMANDS.search(re.sub("\x1b\\[[0-9;]*m", "", said.getvalue()))
    assert "ValueError: " in said.getvalue()


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_a_text_cell_is_no_formula(begins: str) -> None:
    assert csv_text(f"{begins}HYPERLINK(A1)") == f"'{begins}HYPERLINK(A1)"
    assert csv_text(f"a{begins}b") == f"a{begins}b"


class Cells(BaseModel):
    text: str
    low: float
    n: int
    none: float | None
    unit: str
    minus: str


def test_numbers_of_a_csv_answer_stay_numbers() -> None:
    rows = [{"text": "=1+1", "low": -2.5, "n": -3, "none": None, "unit": "%", "minus": "-5"}]
    answer = rows_answer(rows, Shape(Cells), accept="text/csv")
    assert answer.body == b"text,low,n,none,unit,minus\r\n'=1+1,-2.5,-3,,%,'-5\r\n"
