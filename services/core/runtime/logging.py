"""Structured logs to stderr: coloured lines on a terminal, JSON elsewhere."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from services.core.runtime.escapes import shown

#: user:password@ in a URL, wherever it turns up in a message
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")


#: Parts of an event that have lines of their own.
_BLOCKS = frozenset({"exception", "stack"})


def without_credentials(text: str) -> str:
    """Return ``text`` with the user and password of every URL in it replaced by ``***``."""
    return _CREDENTIALS.sub("***@", text)


def _hide_credentials(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[key] = without_credentials(value)
    return event


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
