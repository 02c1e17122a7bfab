"""What a facility file may say of a foreign JSON payload: where in it time, quality and unit stand.

Words of a payload are compared as text: ``true`` and ``192`` stand for the boolean and the number.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from services.core.facility.fields import DurationS, Expression, Part, Topic, Zone

#: As the contract has them.
QualityName = Literal["good", "uncertain", "bad", "calibration", "maintenance"]

#: Formats whose payloads a file maps; the others say themselves what stands where.
MAPPED: Final = frozenset({"json", "cbor", "msgpack", "line-protocol", "hj212"})

#: How texts are read as numbers; without it, only those that can be read in one way.
NumberKind = Literal["decimal", "comma", "point", "hex"]

#: A column of a text, the first is 1.
Cell = Annotated[int, Field(strict=True, ge=1, le=1000)]


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


def keys_as_words(value: object) -> object:
    """Return a map whose keys are words."""
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


def _words_of_list(value: object) -> object:
    return [word(item) for item in (value if isinstance(value, list | tuple) else [value])]


def _each_as_words(value: object) -> object:
    return {k: _words_of_list(v) for k, v in value.items()} if isinstance(value, dict) else value


def _delimiter(text: str) -> str:
    if len(text) != 1 or text.isalnum() or text in '"\r\n.-+':
        raise ValueError(
            f"{text[:20]!r} cannot part cells: it is one character that numbers and quotation do"
            ' not have, such as ";" or "\\t"'
        )
    return text


Delimiter = Annotated[str, AfterValidator(_delimiter)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
#: The same as a payload may have it: empty, too.
_AnyWord = Annotated[str, StringConstraints(max_length=100)]
_WrittenWord = _AnyWord | float | bool
_WrittenWords = _WrittenWord | Annotated[list[_WrittenWord], Field(min_length=1, max_length=1000)]
#: Words of a payload, one of which is meant; a single one needs no list.
Words = Annotated[
    tuple[_AnyWord, ...],
    BeforeValidator(_words_of_list, json_schema_input_type=_WrittenWords),
    Field(min_length=1, max_length=1000),
]
#: What a record must hold: by expression, the words that one of must stand there.
Conditions = Annotated[
    dict[Expression, Annotated[tuple[_AnyWord, ...], Field(min_length=1, max_length=1000)]],
    BeforeValidator(_each_as_words, json_schema_input_type=dict[str, _WrittenWords]),
    Field(min_length=1, max_length=20),
]
#: Arrays side by side, by the name that each has in a record; or where the names stand.
ColumnsOf = Annotated[dict[Word, Expression], Field(min_length=1, max_length=100)] | Expression
DateFormat = Annotated[
    str, StringConstraints(min_length=2, max_length=100), AfterValidator(_date_format)
]

#: Ways in which a device writes dates; a single one needs no list.
DateFormats = DateFormat | Annotated[tuple[DateFormat, ...], Field(min_length=1, max_length=10)]


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
        examples=["Europe/Vienna"],
        description=(
            "IANA time zone of times that carry no offset. Default: such times are refused."
        ),
    )
    unit: Literal["s", "ms", "us", "ns"] | None = Field(
        None,
        examples=["ms"],
        description=(
            "Unit of times that are numbers. Default: milliseconds from 1e11 on, else seconds."
        ),
    )
    format: DateFormats | None = Field(
        None,
        examples=["%d.%m.%Y %H:%M"],
        description=(
            "How a date is written that is not RFC 3339, as strptime has it: '%Y%m%d%H%M%S' for"
            " 20261123180005. Of a device that writes it in several ways a list, the first that"
            " fits counts."
        ),
    )
    number: NumberKind | None = Field(
        None,
        examples=["hex"],
        description=(
            "How times that are text are read as numbers: decimal, comma, point or hex. Default:"
            " only what can be read in one way."
        ),
    )
    cell: Cell | None = Field(
        None,
        examples=[1],
        description=(
            "Cell of the text at from that is the time, such as 1 in 1780304400;12.5. Default: the"
            " whole text."
        ),
    )
    invalid: Words | None = Field(
        None,
        examples=[["0", "1970-01-01T00:00:00Z"]],
        description=(
            "Times that the device sends while it knows none, such as [0, 1970-01-01T00:00:00Z]:"
            " what comes with them is timed by its arrival. Default: every time is believed."
        ),
    )
    stands_in: Literal["record", "message"] = Field(
        "record",
        examples=["message"],
        description=(
            "Where from looks for the time. record: in each of records. message: beside them, in"
            " the message that they are taken from."
        ),
    )
    step: DurationS | None = Field(
        None,
        examples=["5m"],
        description=(
            "How far apart the values of a list are whose times follow from their places, such as"
            " 5m; where from selects no list, how far apart records are. Default: each has its own"
            " time."
        ),
    )
    order: Literal["oldest-first", "newest-first"] | None = Field(
        None,
        examples=["newest-first"],
        description="With step: which value comes first in the list. Default: oldest-first.",
    )
    topic: Topic | None = Field(
        None,
        examples=["timestamp"],
        description=(
            "Topic at which the time comes in a message of its own, below the device's topic:"
            " values that come after it have that time. Of the device alone. Default: the time"
            " stands in the messages of the values."
        ),
    )
    within: DurationS | None = Field(
        None,
        examples=["10s"],
        description=(
            "With topic: how long after the message with the time values have it; later ones are"
            " timed by their arrival. Default: 60 seconds."
        ),
    )
    place: Literal["first", "last"] | None = Field(
        None,
        examples=["last"],
        description="With step: the value of the list that from is the time of. Default: first.",
    )

    @model_validator(mode="after")
    def _places_need_a_step(self) -> Timestamp:
        for key in ("order", "place"):
            if self.step is None and getattr(self, key) is not None:
                raise ValueError(
                    f"{key} says how values follow each other by their places, which needs step:"
                    " how far apart they are, such as step: 5m"
                )
        return self


class Quality(Part):
    """Where a foreign JSON payload tells the quality of a value, and in which words."""

    from_: Expression = Field(
        examples=["status"],
        alias="from",
        description="JMESPath to the word that says how good the value is.",
    )
    cell: Cell | None = Field(
        None,
        examples=[3],
        description=(
            "Cell of the text at from that is the word, such as 3 in 12.5;kWh;ok. Default: the"
            " whole text."
        ),
    )
    map: Annotated[
        dict[Word, QualityName],
        BeforeValidator(keys_as_words),
        Field(min_length=1, max_length=1000),
    ] = Field(
        examples=[{"ok": "good", "error": "bad"}],
        description=(
            "The payload's words, each with the quality it means: good, uncertain, bad, "
            "calibration or maintenance."
        ),
    )
    default: QualityName | None = Field(
        None,
        examples=["uncertain"],
        description=(
            "Quality of a word that is not in map, and of a value without a word. Default: such"
            " a word is refused, and a value without a word is good."
        ),
    )


class UnitFrom(Part):
    """Where a foreign JSON payload tells the unit of a value, and in which words."""

    from_: Expression | None = Field(
        None, examples=["unit"], alias="from", description="JMESPath to the unit."
    )
    cell: Cell | None = Field(
        None,
        examples=[2],
        description="Cell of the text at from that is the unit. Default: the whole text.",
    )
    suffix: Literal[True] | None = Field(
        None,
        examples=[True],
        description=(
            "true: the unit stands behind the number, in one text such as 12.5 kWh. A number alone"
            " is in the channel's unit."
        ),
    )
    map: (
        Annotated[dict[Word, str], BeforeValidator(keys_as_words), Field(max_length=1000)] | None
    ) = Field(
        None,
        examples=[{"KWH": "kWh"}],
        description=(
            "The payload's words, each with the unit it means. Default: the words are units "
            "already."
        ),
    )

    @model_validator(mode="after")
    def _stands_in_one_place(self) -> UnitFrom:
        if (self.from_ is None) == (self.suffix is None):
            raise ValueError(
                "unit says either from, where the unit stands in the payload, or suffix: true where"
                " it stands behind the number, as in 12.5 kWh"
            )
        if self.cell is not None and self.from_ is None:
            raise ValueError("cell is one of the text at from: say from, too")
        return self


class Bytes(Part):
    """How a number is packed into bytes that a foreign JSON payload carries."""

    written: Literal["base64", "hex", "registers"] = Field(
        examples=["base64"],
        description=(
            "How the payload writes the bytes: base64, hex (two digits a byte), or registers, an"
            " array of numbers from 0 to 65535 as Modbus gateways send them."
        ),
    )
    type: Literal[
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float32",
        "float64",
        "bcd8",
        "bcd16",
        "bcd32",
        "bcd48",
        "bcd64",
    ] = Field(
        examples=["float32"],
        description=(
            "What the bytes are: a whole number with (int) or without sign (uint), a number of"
            " IEEE 754 (float), or digits of four bits each (bcd, where F in place of the first"
            " digit is a minus, as M-Bus has it), of so many bits."
        ),
    )
    from_byte: Annotated[int, Field(strict=True, ge=0, le=4096)] = Field(
        0,
        examples=[4],
        description=(
            "Bytes before the first one of the number, such as 4 behind two registers of 16 bits."
        ),
    )
    byte_order: Literal["big", "little"] = Field(
        "big",
        examples=["little"],
        description=(
            "Which byte of 16 bits comes first: big, the one that counts more, or little. With"
            " word_order: big and big are ABCD, big and little CDAB, little and big BADC, little"
            " and little DCBA."
        ),
    )
    word_order: Literal["big", "little"] = Field(
        "big",
        examples=["little"],
        description=(
            "Which 16 bits of a longer number come first: big, those that count more, or little."
        ),
    )
