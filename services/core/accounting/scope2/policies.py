"""Rules by which electricity is matched: a name with its year, what it asks for, its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

#: Within which time what was contracted may supply a load, in the facility's time zone.
Period = Literal["hour", "month", "year"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchPolicy:
    """A rule of matching."""

    name: str
    period: Period
    #: what is contracted counts in the load's own grid zone only
    same_zone: bool = False
    #: who published it, in what; None: it is a facility's own
    source: str | None = None
    published: date | None = None
    #: it is consulted on, and may change
    is_draft: bool = False


#: By name. A rule that changes becomes a policy of its own, with the year in its name.
POLICIES: Final[Mapping[str, MatchPolicy]] = {
    policy.name: policy
    for policy in (
        MatchPolicy(name="hourly", period="hour"),
        MatchPolicy(name="monthly", period="month"),
        MatchPolicy(name="annual", period="year"),
        MatchPolicy(
            name="ghgp-2015",
            period="year",
            source=(
                "GHG Protocol Scope 2 Guidance (2015), chapter 7, quality criteria: vintage as"
                " close as possible to the year of the consumption"
            ),
            published=date(2015, 1, 20),
        ),
        MatchPolicy(
            name="ghgp-2025-draft",
            period="hour",
            same_zone=True,
            source=(
                "GHG Protocol, public consultation on scope 2 from 20 October 2025, market-based"
                " method: hourly matching and deliverability"
            ),
            published=date(2025, 10, 20),
            is_draft=True,
        ),
    )
}

if TYPE_CHECKING:
    MatchName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    MatchName = Literal[tuple(POLICIES)]
