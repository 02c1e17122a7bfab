"""An alert in words, for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.notify.message import HEARTBEAT, RESOLVED, TEST, Message


def headline(message: Message) -> str:
    """Return one line that says what happened, safe in a mail's header."""
    if message.kind == TEST:
        return f"{message.facility}: test message"
    if message.kind == HEARTBEAT:
        return f"{message.facility}: alerts are watched"
    severity = message.body.get("severity")
    weight = f" ({severity})" if isinstance(severity, str) else ""
    return " ".join(f"{message.facility}: {message.threshold} {message.kind}{weight}".split())


def text(message: Message) -> str:
    """Return the whole message: the headline, what it says, then each field on a line."""
    lines = [headline(message)]
    words = message.body.get("message")
    if isinstance(words, str) and words:
        lines += ["", words]
    lines += ["", *_sentences(message), ""]
    lines += [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in message.details.items()
        if name != "message" and isinstance(value, str | int | float | bool)
    ]
    lines += ["", f"key: {message.key}"]
    return "\n".join(lines) + "\n"


def _sentences(message: Message) -> list[str]:
    """Say of whom it is, how far beyond the limit, since when, and where more is to be seen."""
    body = message.details
    who = body.get("source_name") or body.get("device_name")
    place = body.get("facility_name") or message.facility
    lines = [f"{place}: {who}" if who else str(place)]
    if body.get("limit") is not None:
        window = f" of {body['window']}" if body.get("window") else ""
        # messages that an older notifier left say less
        lines.append(
            f"{body.get('measure') or 'measured'}{window}: {_amount(body['value'], body)}"
            f" when it fired, limit {body.get('direction', '')} {_amount(body['limit'], body)}"
        )
        if body.get("present_value") is not None:
            lines.append(f"now: {_amount(body['present_value'], body)}")
    for name, word in (("started_at", "since"), ("resolved_at", "until")):
        local = body.get(f"{name}_local")
        if isinstance(local, str) and (name == "started_at" or message.kind == RESOLVED):
            lines.append(f"{word} {_clock(local)} ({body['timezone']})")
    return [*lines, *([message.link] if message.link else [])]


def _amount(value: object, body: Mapping[str, Any]) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    number = f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", " ")
    return " ".join(filter(None, (number, body.get("unit"))))


def _clock(local: str) -> str:
    return datetime.fromisoformat(local).strftime("%Y-%m-%d %H:%M")
