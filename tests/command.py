"""``tonne`` as an administrator calls it, in the test's own process: a new one takes a second."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass

import structlog
from typer.testing import CliRunner

from services.cli import app


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended and what it said; ``said`` is both streams, as on a terminal."""

    code: int
    stdout: str
    stderr: str
    said: str


def tonne(url: str, *words: object, asked: str = "", columns: int = 300) -> Ended:
    """Run ``tonne WORDS`` with the database at ``url``, ``asked`` typed and so wide a terminal."""
    hooks = sys.excepthook, threading.excepthook
    try:
        result = CliRunner().invoke(
            app,
            [str(word) for word in words],
            input=asked,
            env={"TONNE_DATABASE_URL": url, "COLUMNS": str(columns)},
        )
    finally:
        sys.excepthook, threading.excepthook = hooks
        # what it logs to has ended with it; an API in the same test goes on
        structlog.reset_defaults()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(
        code=result.exit_code, stdout=result.stdout, stderr=result.stderr, said=result.output
    )
