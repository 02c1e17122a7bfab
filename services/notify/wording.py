"""An alert in words, for people."""

from __future__ import annotations

from services.notify.message import HEARTBEAT, TEST, Message


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
    """Return the whole message: the headline, then each field on a line of its own."""
    lines = [headline(message)]
    words = message.body.get("message")
    if isinstance(words, str) and words:
        lines += ["", words]
    lines.append("")
    lines += [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in message.body.items()
        if name != "message" and isinstance(value, str | int | float | bool)
    ]
    lines += ["", f"key: {message.key}"]
    return "\n".join(lines) + "\n"
