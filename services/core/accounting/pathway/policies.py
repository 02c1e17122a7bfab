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


_SBTI: Final = (
    "Science Based Targets initiative, Foundations of Science-based Target Setting, version 1.0"
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
        ),
        Policy(
            name="sbti-wb2c-2019",
            form="contraction",
            source=f"{_SBTI}: well below 2 degC, 2.5 % of the base year each year",
            published=date(2019, 4, 17),
            percent_a_year=2.5,
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
        ),
    )
}

if TYPE_CHECKING:
    PolicyName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    PolicyName = Literal[tuple(POLICIES)]
