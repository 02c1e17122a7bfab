"""Paths that somebody published: a name with its year, what it asks for, and where that stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, get_args

Form = Literal["stated", "contraction", "sda", "peak-then-neutral"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A rule by which allowances follow from the base year."""

    name: str
    form: Form
    #: who published it, in what; None: it is a facility's own
    source: str | None = None
    published: date | None = None
    #: of a contraction
    percent_a_year: float | None = None
    #: latest years of a peak and of neutrality
    peak_year: int | None = None
    neutral_year: int | None = None
    #: percent of the residual that permanent removals may balance, from the neutral year on
    removals_percent: float = 100.0
    #: the most that a file may let credits balance of it; 0: they count towards nothing
    most_credits_percent: float = 100.0
    #: why
    counting: str = "the facility's own path: its file says what credits may balance"


_SBTI: Final = (
    "Science Based Targets initiative, Foundations of Science-based Target Setting, version 1.0"
)

_SBTI_COUNTING: Final = (
    "SBTi: carbon credits do not count as progress towards a target; permanent removals neutralise"
    " the residual at net zero (Corporate Net-Zero Standard)"
)

#: By name. A rule that changes becomes a policy of its own, with the year in its name.
POLICIES: Final[Mapping[str, Policy]] = {
    policy.name: policy
    for policy in (
        # a facility's own path is called by its form
        *(Policy(name=form, form=form) for form in get_args(Form)),
        Policy(
            name="sbti-1.5c-2019",
            form="contraction",
            source=f"{_SBTI}: 1.5 degC, 4.2 % of the base year each year",
            published=date(2019, 4, 17),
            percent_a_year=4.2,
            most_credits_percent=0.0,
            counting=_SBTI_COUNTING,
        ),
        Policy(
            name="sbti-wb2c-2019",
            form="contraction",
            source=f"{_SBTI}: well below 2 degC, 2.5 % of the base year each year",
            published=date(2019, 4, 17),
            percent_a_year=2.5,
            most_credits_percent=0.0,
            counting=_SBTI_COUNTING,
        ),
        Policy(
            name="china-3060-2020",
            form="peak-then-neutral",
            source=(
                "China at the general debate of the 75th session of the UN General Assembly:"
                " CO2 peaks before 2030, carbon neutrality before 2060"
            ),
            published=date(2020, 9, 22),
            peak_year=2030,
            neutral_year=2060,
            most_credits_percent=0.0,
            counting=(
                "the goal is of a country, and says nothing of credits that a site buys: tonne lets"
                " none count; neutral is who removes the residual for good"
            ),
        ),
    )
}

if TYPE_CHECKING:
    PolicyName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    PolicyName = Literal[tuple(POLICIES)]
