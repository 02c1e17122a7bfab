"""Structured logs to stderr: coloured lines on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal

import structlog

from services.core.runtime.credentials import all_without_credentials, without_credentials
from services.core.runtime.escapes import shown

#: Parts of an event that have lines of their own.
_BLOCKS = frozenset({"exception", "stack"})


def _hide_credentials(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = all_without_credentials(value)
    return event


class _WithoutCredentials(logging.Formatter):
    """For what libraries log by Python's own means."""

    def format(self, record: logging.LogRecord) -> str:
        return without_credentials(super().format(record))


def _say_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write what ended the process, as Python does."""
    lines = traceback.format_exception(kind, error, trace)
    sys.stderr.write(without_credentials("".join(lines)))


def _say_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        _say_end(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _write_out(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Let no value from outside command the terminal; JSON escapes by itself."""
    for key, value in event.items():
        event[key] = shown(value if isinstance(value, str) else repr(value), lines=key in _BLOCKS)
    return event


def configure(*, process: str, level: str, style: Literal["auto", "json", "console"]) -> None:
    """Set up structlog for this process; call once, at the composition root."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_credentials,
            *([_write_out] if console else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    sys.excepthook = _say_end
    threading.excepthook = _say_end_of_thread
    if logging.lastResort is not None:
        # where the records of libraries end up, as no handler is set
        logging.lastResort.setFormatter(_WithoutCredentials())
