"""The part of live totals about electricity: what contracts supply of the load so far."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, get_args

from pydantic import Field

from services.api.models.answer import Answer
from services.api.models.electricity import MatchedBy, MatchedLoad

#: The running hour of UTC, and what has begun by the facility's calendar.
MatchedWindow = Literal["hour", "today", "month", "year"]
MATCHED_WINDOWS: Final[tuple[str, ...]] = get_args(MatchedWindow)


class LiveMatch(MatchedLoad, MatchedBy):
    """A load so far, and what contracts supply of it; provisional while its window goes on."""

    begins: datetime = Field(examples=["2026-11-22T23:00:00Z"], description="start of the window")
    hours: int = Field(examples=[19], description="hours that have begun in it")
    final_hours: int = Field(
        examples=[17],
        description="of `known_hours`, those that are closed; the others still change",
    )
    supply_coverage: float | None = Field(
        examples=[0.998],
        description="share of the time of the contracts' and storages' channels that is known: what"
        " is not known supplies nothing; `null`: no channel measures a supply",
    )


class LiveElectricity(Answer):
    """What contracts supply of a facility's load."""

    as_of: datetime = Field(
        description="when it was read: at most once a minute, for it is matched from all hours of"
        " the year"
    )
    by_certificates: bool = Field(
        description="a contract supplies only what retired certificates say: those that are retired"
        " later add to hours that are past"
    )
    totals: dict[MatchedWindow, LiveMatch]
