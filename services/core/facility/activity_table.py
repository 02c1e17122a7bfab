"""The language of a table of activities: what stands where in a list of bills, trips or refills."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError

from services.core.facility.errors import FacilityFileError
from services.core.facility.fields import ChannelReference, Part, Slug
from services.core.facility.file import MAX_BYTES, load, mistakes, plain
from services.core.facility.mapping_model import DateFormat, NumberKind
from services.core.facility.table_file import (
    Column,
    RowConditions,
    TableForm,
    TableUnit,
    UnitName,
    as_list,
)


class ActivityColumns(Part):
    """Entries of one channel: in which columns they stand, and in which rows."""

    channel: ChannelReference = Field(
        examples=["books.heat"], description="Channel of kind event, as device.channel."
    )
    facility: Slug | None = Field(
        None, description="Facility of the channel. Default: the table's facility."
    )
    id: Annotated[
        tuple[Column, ...], BeforeValidator(as_list), Field(min_length=1, max_length=5)
    ] = Field(
        examples=["Rechnungsnummer"],
        description=(
            "Column of the number of the bill or entry, or a list of columns that make one,"
            " with a hyphen between them. It counts once in its facility."
        ),
    )
    from_: Column = Field(
        alias="from", examples=["von"], description="Column of the first day, or of the only one."
    )
    to: Column | None = Field(
        None,
        description="Column of the end of the period, see last_day. Default: each is of one day.",
    )
    amount: Column = Field(examples=["Menge"], description="Column of the amount.")
    number: NumberKind | None = Field(
        None, description="How its numbers are written. Default: as the table's number."
    )
    unit: UnitName | TableUnit | None = Field(
        None,
        description="Unit of the amounts, or column and map where a row tells it. Default: the"
        " channel's.",
    )
    document: Column | None = Field(
        None, description="Column of what document shows it. Default: none."
    )
    where: RowConditions | None = Field(
        None,
        examples=[{"Art": "Fernwärme"}],
        description=(
            "Rows that are meant: by column, the word, or one of a list of words, that stands"
            " there. Default: all rows."
        ),
    )


class ActivityTable(TableForm):
    """What stands where in a table of activities."""

    date: DateFormat | None = Field(
        None,
        examples=["%d.%m.%Y"],
        description="How days are written that are not 2026-02-28, as strptime has it.",
    )
    last_day: bool = Field(
        False,
        description=(
            "Whether to is the last day of the period, as on most bills; else it is the first day"
            " after it."
        ),
    )
    entries: Annotated[tuple[ActivityColumns, ...], Field(min_length=1, max_length=1000)] = Field(
        examples=[[{"channel": "books.heat", "id": "no", "from": "day", "amount": "kWh"}]],
        description="Entries that are taken. Rows that none of them means are left out.",
    )


def parse_activity_table(text: str, *, max_bytes: int = MAX_BYTES) -> ActivityTable:
    """Read and check a table file of activities: YAML or JSON.

    :raises FacilityFileError: with every problem found, each with its line.
    """
    document = load(text, max_bytes)
    try:
        return ActivityTable.stated(plain(document))
    except ValidationError as error:
        raise FacilityFileError(mistakes(error, document, ActivityTable)) from None
