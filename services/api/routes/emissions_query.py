"""The parameters of ``GET /v1/emissions``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from services.api.http.formats import Format
from services.api.http.intervals import HOURLY, IntervalLength, finest, parse
from services.api.http.pages import MAX_ROWS, CursorText
from services.api.http.parameters import (
    FacilityList,
    Instant,
    SourceList,
    TimeSpan,
    filled,
    split_list,
)
from services.api.http.problems import InvalidRequest

#: Rows of each source that ``auto`` gives at most where nobody says.
_POINTS: Final = 1000


def _checked(interval: str) -> str:
    if interval != "auto":
        parse(interval)
    return interval


class EmissionsQuery(TimeSpan):
    """Parameters of ``GET /v1/emissions``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    interval: Annotated[str, filled("auto"), AfterValidator(_checked)] = Field(
        "auto",
        description="length of an interval, any up to a year (`1m`, `15m`, `1h`, `7h`, `1d`,"
        " `36h`, `1w`, `1mo`, `5mo`, `1y`, `PT30M`, seconds, `60000ms`); minutes are the finest, so"
        " what lies between two whole numbers of them is the longer: `30s` is a minute, `90s` two."
        " What divides an hour starts with it; the rest by the facility's time zone: below a day"
        " at each midnight anew, from a day on counted from Monday, 5 January 1970, months from"
        " January; `auto`: the finest of 1m, 5m, 15m, 1h, 1d, 1mo that gives at most `max_points`"
        " rows for each source",
        examples=["auto"],
    )
    max_points: Annotated[int, filled(_POINTS)] = Field(
        _POINTS, ge=1, le=MAX_ROWS, description="for `auto`: maximum number of rows for each source"
    )
    as_of: Instant | None = Field(
        None,
        description="returns emissions as they were known at this time, for intervals of an hour"
        " or more: the versions in force then; an hour still open then as its readings of then"
        " make it, as provisional; null with the `reason` where nobody can tell any more",
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=MAX_ROWS,
        description="maximum number of rows; the `Link` header leads to the next page",
    )
    cursor: CursorText = None
    group_by: Literal["none", "facility", "scope", "category", "evidence"] = Field(
        "none",
        description="`facility`: a row for each facility, the sum of its sources that count, by"
        " the rules of live totals; `scope`: one for each scope of it; `category`: one for each"
        " category of scope 3 and one for the rest; `evidence`: one for what is metered, one for"
        " what is billed, one for what is estimated; `none`: one for each source",
    )
    fields: Annotated[list[str], BeforeValidator(split_list)] = Field(
        [],
        description="columns of the answer, in this order; none: all",
        examples=[["time", "source", "co2_kg"]],
    )
    format: Format = None

    def length(self, begins: datetime, ends: datetime) -> IntervalLength:
        """Return the length of an interval, which ``auto`` chooses.

        :raises InvalidRequest: no versions of such intervals are kept, for ``as_of``.
        """
        if self.interval == "auto":
            interval = finest(begins, ends, limit=self.max_points)
            return HOURLY if self.as_of is not None and interval.in_hour else interval
        interval = parse(self.interval)
        if self.as_of is not None and not interval.of_hours:
            raise InvalidRequest(
                "as_of: only hours are versioned; use an interval of whole hours, such as 1h, 1d"
                " or 1mo"
            )
        return interval
