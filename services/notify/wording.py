"""An alert in words, for people, in the language that their entry of ``notify`` states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.notify.languages import ENGLISH, Words
from services.notify.message import HEARTBEAT, RESOLVED, TEST, Message


def _(text: str) -> str:
    """Mark a text that catalogues have."""
    return text


#: What codes of a body are called; one that is not here stands as it is.
CODES: Final = {
    "firing": _("firing"),
    "firing-no-data": _("firing, no data"),
    "no-data": _("no data"),
    "resolved": _("resolved"),
    "critical": _("critical"),
    "warning": _("warning"),
    "info": _("info"),
    "above": _("above"),
    "below": _("below"),
    "rate": _("rate"),
    "total": _("total"),
    "coverage": _("coverage"),
    "budget": _("budget"),
    "pathway": _("path"),
    "value": _("value"),
    "average": _("average"),
    "silence": _("silence"),
    "quarantine": _("quarantine"),
    "allowance": _("allowance"),
    "intensity": _("intensity"),
    "measured": _("measured"),
    "hour": _("hour"),
    "day": _("day"),
    "today": _("today"),
    "month": _("month"),
    "year": _("year"),
    "messages": _("messages"),
}


def headline(message: Message) -> str:
    """Return one line that says what happened, safe in a mail's header."""
    words = Words(message.language)
    if message.kind == TEST:
        return words.text(_("{facility}: test message"), facility=message.facility)
    if message.kind == HEARTBEAT:
        return words.text(_("{facility}: alerts are watched"), facility=message.facility)
    severity = message.body.get("severity")
    weight = f" ({_called(severity, words)})" if isinstance(severity, str) else ""
    line = f"{message.facility}: {message.threshold} {_called(message.kind, words)}{weight}"
    return " ".join(line.split())


def text(message: Message) -> str:
    """Return the whole message: the headline, what it says, then each field on a line.

    Fields are those of the API, in English; a mail in another language has sentences alone.
    """
    words = Words(message.language)
    lines = [headline(message)]
    comment = _own_comment(message, words) or message.body.get("message")
    if isinstance(comment, str) and comment:
        lines += ["", comment]
    lines += ["", *_sentences(message, words), ""]
    if message.language == ENGLISH:
        lines += [
            f"{name.replace('_', ' ')}: {value}"
            for name, value in message.details.items()
            if name != "message" and isinstance(value, str | int | float | bool)
        ]
        lines.append("")
    return "\n".join([*lines, f"key: {message.key}"]) + "\n"


def _sentences(message: Message, words: Words) -> list[str]:
    """Say of whom it is, how far beyond the limit, since when, and where more is to be seen."""
    body = message.details
    who = body.get("source_name") or body.get("device_name")
    place = body.get("facility_name") or message.facility
    lines = [f"{place}: {who}" if who else str(place)]
    if body.get("limit") is not None:
        # messages that an older notifier left say less
        figures = {
            "measure": _called(str(body.get("measure") or "measured"), words),
            "window": _called(str(body.get("window") or ""), words),
            "value": _amount(body.get("value"), body, words),
            "direction": _called(str(body.get("direction") or ""), words),
            "limit": _amount(body["limit"], body, words),
        }
        sentence = (
            _("{measure} of {window}: {value} when it fired, limit {direction} {limit}")
            if body.get("window")
            else _("{measure}: {value} when it fired, limit {direction} {limit}")
        )
        lines.append(words.text(sentence, **figures))
        if body.get("present_value") is not None:
            now = _amount(body["present_value"], body, words)
            lines.append(words.text(_("now: {value}"), value=now))
    for name, sentence in (
        ("started_at", _("since {time} ({zone})")),
        ("resolved_at", _("until {time} ({zone})")),
    ):
        local = body.get(f"{name}_local")
        if isinstance(local, str) and (name == "started_at" or message.kind == RESOLVED):
            time = words.time(datetime.fromisoformat(local))
            lines.append(words.text(sentence, time=time, zone=body["timezone"]))
    return [*lines, *([message.link] if message.link else [])]


def _own_comment(message: Message, words: Words) -> str | None:
    """Return what tonne itself says of a message; None: it is what a facility file says."""
    if message.kind == HEARTBEAT:
        return words.text(_("alerts are watched and delivered"))
    by = message.body.get("requested_by")
    if message.kind == TEST and isinstance(by, str):
        return words.text(_("A test message, requested by {by}. Nothing fires."), by=by)
    return None


def _called(code: str, words: Words) -> str:
    return words.text(CODES[code]) if code in CODES else code


def _amount(value: object, body: Mapping[str, Any], words: Words) -> str:
    if not isinstance(value, int | float):
        return words.text(_("unknown"))
    unit = body.get("unit")
    return " ".join(filter(None, (words.number(value), _called(unit, words) if unit else None)))
