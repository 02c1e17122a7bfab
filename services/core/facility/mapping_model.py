"""What a facility file may say of a foreign JSON payload: where in it time, quality and unit stand.

Words of a payload are compared as text: ``true`` and ``192`` stand for the boolean and the number.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from services.core.facility.fields import Expression, Part, Zone

#: As the contract has them.
QualityName = Literal["good", "uncertain", "bad", "calibration", "maintenance"]

#: How texts are read as numbers; without it, only those that can be read in one way.
NumberKind = Literal["decimal", "comma", "hex"]


def word(value: Any) -> str | None:
    """Return a word of a payload, or of a map, as text; None: it is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value)) if abs(value) < 2**53 else repr(value)
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 10**20 else None
    if isinstance(value, str):
        text = value.strip()
        return text.lower() if text.lower() in {"true", "false"} else text
    return None


def _words(value: object) -> object:
    return {word(k): v for k, v in value.items()} if isinstance(value, dict) else value


def _date_format(text: str) -> str:
    moment = datetime(2026, 11, 23, 18, 0, 5)  # noqa: DTZ001 - only to try the format
    try:
        read = datetime.strptime(moment.strftime(text), text)  # noqa: DTZ007
    except ValueError:
        read = None
    if read is None or read.replace(tzinfo=None).date() != moment.date():
        raise ValueError(
            f"{text!r} does not tell a date: write it as %Y%m%d%H%M%S for 20261123180005, or"
            " %d.%m.%Y %H:%M for 23.11.2026 18:00"
        )
    return text


Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
DateFormat = Annotated[
    str, StringConstraints(min_length=2, max_length=100), AfterValidator(_date_format)
]


class Timestamp(Part):
    """Where a foreign JSON payload carries its time, and how it tells it."""

    from_: Expression = Field(
        examples=["time"],
        alias="from",
        description=(
            "JMESPath to the time in the message. A message without it is timed by its arrival."
        ),
    )
    timezone: Zone | None = Field(
        None,
        description=(
            "IANA time zone of times that carry no offset. Default: such times are refused."
        ),
    )
    unit: Literal["s", "ms", "us", "ns"] | None = Field(
        None,
        description=(
            "Unit of times that are numbers. Default: milliseconds from 1e11 on, else seconds."
        ),
    )
    format: DateFormat | None = Field(
        None,
        description=(
            "How a date is written that is not RFC 3339, as strptime has it: '%Y%m%d%H%M%S' for"
            " 20261123180005."
        ),
    )
    number: NumberKind | None = Field(
        None,
        description=(
            "How times that are text are read as numbers: decimal, comma or hex. Default: only "
            "what can be read in one way."
        ),
    )


class Quality(Part):
    """Where a foreign JSON payload tells the quality of a value, and in which words."""

    from_: Expression = Field(
        examples=["status"],
        alias="from",
        description="JMESPath to the word that says how good the value is.",
    )
    map: Annotated[
        dict[Word, QualityName], BeforeValidator(_words), Field(min_length=1, max_length=1000)
    ] = Field(
        examples=[{"ok": "good", "error": "bad"}],
        description=(
            "The payload's words, each with the quality it means: good, uncertain, bad, "
            "calibration or maintenance."
        ),
    )
    default: QualityName | None = Field(
        None,
        description=(
            "Quality of a word that is not in map, and of a value without a word. Default: such"
            " a word is refused, and a value without a word is good."
        ),
    )


class UnitFrom(Part):
    """Where a foreign JSON payload tells the unit of a value, and in which words."""

    from_: Expression = Field(examples=["unit"], alias="from", description="JMESPath to the unit.")
    map: Annotated[dict[Word, str], BeforeValidator(_words), Field(max_length=1000)] | None = Field(
        None,
        description=(
            "The payload's words, each with the unit it means. Default: the words are units "
            "already."
        ),
    )
