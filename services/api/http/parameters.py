"""How times and lists are written in a query, for every call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

#: From here on a number is epoch milliseconds, below it epoch seconds.
_MILLISECONDS_FROM = 1e11

#: Days of the proleptic calendar that PostgreSQL and Python agree on, with room for time zones.
OLDEST, NEWEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_ACCEPTED = (
    "is no time; accepted are RFC 3339 with an offset (2026-11-23T18:00:00Z), epoch seconds and"
    " epoch milliseconds"
)


def parse_instant(value: Any) -> Any:
    """Read a time as the contract writes it.

    :raises ValueError: the text is no time, has no offset or lies outside 1900 .. 2200.
    """
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = None
    try:
        if number is not None:
            seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
            instant = datetime.fromtimestamp(seconds, UTC)
        else:
            # a plus sign that was not percent-encoded arrives as a space
            instant = datetime.fromisoformat(value.strip().replace(" ", "+"))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"`{value}` {_ACCEPTED}") from None
    if instant.tzinfo is None:
        raise ValueError(f"`{value}` has no offset; write {value}Z for UTC")
    if not OLDEST <= instant <= NEWEST:
        raise ValueError(f"`{value}` lies outside the years 1900 to 2200")
    return instant.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(parse_instant)]


def split_list(value: Any) -> Any:
    """Read a list written repeated, comma separated or both; empty parts are dropped."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sequence):
        return [part.strip() for item in value for part in str(item).split(",") if part.strip()]
    return value


SlugList = Annotated[list[str], BeforeValidator(split_list)]


class Query(BaseModel):
    """The parameters of one call: an unknown one is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class TimeSpan(Query):
    """``from`` and ``to`` of a call; 24 hours up to now where they are not given."""

    from_: Instant | None = Field(
        None,
        alias="from",
        description="start, inclusive; default: 24 hours before `to`",
        examples=["2026-11-22T18:00:00Z"],
    )
    to: Instant | None = Field(
        None, description="end, exclusive; default: now", examples=["2026-11-23T18:00:00Z"]
    )
