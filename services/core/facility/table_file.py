"""The language of a table file: what stands where in a utility's or a logger's export."""

from __future__ import annotations

import codecs
from collections import Counter
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from services.core.facility.errors import FacilityFileError
from services.core.facility.fields import ChannelReference, Part, Slug, Zone
from services.core.facility.file import MAX_BYTES, load, mistakes, plain
from services.core.facility.mapping_model import (
    DateFormat,
    Delimiter,
    NumberKind,
    QualityName,
    Word,
    Words,
    keys_as_words,
)


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            f"{name!r} is no encoding of text; most exports are utf-8, cp1252 or utf-16"
        ) from None


def as_list(value: object) -> object:
    """Return one name as a list of it."""
    return [value] if isinstance(value, str | int) else value


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _clock_format(text: str) -> str:
    noon = datetime(2026, 11, 23, 18, 45)  # noqa: DTZ001 - only to try the format
    try:
        parsed = datetime.strptime(noon.strftime(text), text)  # noqa: DTZ007
    except ValueError:
        parsed = None
    if parsed is None or (parsed.hour, parsed.minute) != (18, 45):
        raise ValueError(f"{text!r} does not tell a time of day: write it as %H:%M for 18:45")
    return text


#: The header of a column; its number, from 1, in a table without headers.
Column = Annotated[Word, BeforeValidator(_as_text)]
#: By column, the words that one of must stand there.
RowConditions = Annotated[
    dict[Column, Words], BeforeValidator(keys_as_words), Field(min_length=1, max_length=20)
]
UnitName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class TableTime(Part):
    """Where a row tells its time, and how."""

    column: Annotated[
        tuple[Column, ...], BeforeValidator(as_list), Field(min_length=1, max_length=3)
    ] = Field(
        examples=["Zeitstempel"],
        description=(
            "Column of the time, or a list of columns whose texts make one behind each other with"
            " a space between them, such as [Datum, Uhrzeit]."
        ),
    )
    format: DateFormat | None = Field(
        None,
        description=(
            "How a time is written that is not RFC 3339, as strptime has it: '%d.%m.%Y %H:%M' for"
            " 31.12.2021 23:45. 24:00 is the end of its day."
        ),
    )
    timezone: Zone | None = Field(
        None,
        description=(
            "IANA time zone of times that carry no offset. The hour that comes twice when clocks"
            " are put back is told by the order of the rows. Default: such times are refused."
        ),
    )
    unit: Literal["s", "ms", "us", "ns"] | None = Field(
        None,
        description=(
            "Unit of times that are numbers. Default: milliseconds from 1e11 on, else seconds."
        ),
    )
    in_header: Annotated[str, AfterValidator(_clock_format)] | None = Field(
        None,
        description=(
            "A row has a day's values, each below the time of day in its header, which is written"
            " so: '%H:%M'. column tells the day, and format is that of both with a space between"
            " them."
        ),
    )


class TableQuality(Part):
    """Where a row tells the quality of a value, and in which words."""

    column: Column = Field(examples=["Status"], description="Column of the word.")
    map: Annotated[
        dict[Word, QualityName], BeforeValidator(keys_as_words), Field(min_length=1, max_length=100)
    ] = Field(
        examples=[{"W": "good", "E": "uncertain"}],
        description=(
            "The table's words, each with the quality it means: good, uncertain, bad, calibration"
            " or maintenance."
        ),
    )
    default: QualityName | None = Field(
        None,
        description=(
            "Quality of a word that is not in map, and of a value without a word. Default: such a"
            " word is refused, and a value without a word is good."
        ),
    )


class TableUnit(Part):
    """Where a row tells the unit of a value, and in which words."""

    column: Column = Field(examples=["Einheit"], description="Column of the unit.")
    map: Annotated[dict[Word, UnitName], BeforeValidator(keys_as_words), Field(max_length=100)] = (
        Field(
            {},
            description=(
                "The table's words, each with the unit it means. A word that is not here is a unit"
                " already."
            ),
        )
    )


class TableValue(Part):
    """Values of one channel: in which column they stand, and in which rows."""

    channel: ChannelReference = Field(
        examples=["meter-grid.import-energy"], description="Channel, as device.channel."
    )
    facility: Slug | None = Field(
        None, description="Facility of the channel. Default: the table's facility."
    )
    column: Column | None = Field(
        None,
        examples=["Verbrauch (kWh)"],
        description="Column of the value. Needed unless time has in_header.",
    )
    where: RowConditions | None = Field(
        None,
        examples=[{"OBIS": "1-1:1.29.0"}],
        description=(
            "Rows that are meant: by column, the word, or one of a list of words, that stands"
            " there. Default: all rows."
        ),
    )
    unit: UnitName | TableUnit | None = Field(
        None,
        description=(
            "Unit of the values, or column and map where a row tells it. Default: the channel's."
        ),
    )
    number: NumberKind | None = Field(
        None, description="How its numbers are written. Default: as the table's number."
    )
    quality: TableQuality | None = Field(
        None, description="Where a row tells how good the value is. Default: every value is good."
    )


class TableForm(Part):
    """How a table is written."""

    facility: Slug | None = Field(
        None, examples=["linz"], description="Facility of the channels. Default: --facility."
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        "utf-8", description="Encoding of a text: utf-8, cp1252, latin-1, utf-16."
    )
    separator: Delimiter | None = Field(
        None, description="What parts the cells. Default: the commonest of comma, semicolon, tab."
    )
    sheet: Word | None = Field(
        None, description="Sheet of a workbook, by its name. Default: the first."
    )
    skip: Annotated[int, Field(strict=True, ge=0, le=10_000)] = Field(
        0, description="Lines above the headers, or above the first row where there are none."
    )
    headers: bool = Field(
        True, description="Whether columns have headers; else each is named by its number, from 1."
    )
    number: NumberKind | None = Field(
        None,
        description=(
            "How numbers are written: comma (1.234,5), point (1,234.5), decimal or hex. Default:"
            " only what can be read in one way."
        ),
    )


class TableFile(TableForm):
    """What stands where in a table of readings."""

    time: TableTime = Field(
        examples=[{"column": "time"}], description="Where a row tells its time."
    )
    invalid: Words | None = Field(
        None,
        examples=[["-", "n/a"]],
        description=(
            "Texts and numbers in place of a value that say that there is none, which is a gap. An"
            " empty cell says nothing."
        ),
    )
    values: Annotated[tuple[TableValue, ...], Field(min_length=1, max_length=1000)] = Field(
        examples=[[{"channel": "meter-grid.import-energy", "column": "kWh"}]],
        description="Values that are taken.",
    )

    @model_validator(mode="after")
    def _values_have_a_column(self) -> Self:
        for value in self.values:
            if (value.column is None) != (self.time.in_header is not None):
                raise ValueError(
                    f"{value.channel}: a value has a column, unless time has in_header: then the"
                    " headers are times"
                )
        if self.time.in_header is not None and self.time.format is None:
            raise ValueError(
                "time: in_header needs format, which tells day and time of day together, such as"
                " '%d.%m.%Y %H:%M'"
            )
        return self

    @model_validator(mode="after")
    def _values_are_of_different_rows(self) -> Self:
        every = Counter(
            (value.facility, value.channel) for value in self.values if value.where is None
        )
        twice = [channel for (_, channel), count in every.items() if count > 1]
        if twice:
            raise ValueError(
                f"{min(twice)} has two columns in every row; say by where which rows are meant"
            )
        return self


def parse_table(text: str, *, max_bytes: int = MAX_BYTES) -> TableFile:
    """Read and check a table file: YAML or JSON.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    document = load(text, max_bytes)
    try:
        return TableFile.stated(plain(document))
    except ValidationError as error:
        raise FacilityFileError(mistakes(error, document, TableFile)) from None
