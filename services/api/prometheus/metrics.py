"""The metrics that there are: one rate and one counter of each mass, and shares of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from services.core.store.schema.figures import MASSES, METHODS_MS, SHARES


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric of every source that counts in sums."""

    name: str
    type: Literal["gauge", "counter"]
    help: str
    #: of a rate and a counter: the figure that is its mass; of a share: that of its time
    figure: str


def _rate_of(mass: str) -> str:
    return f"tonne_{mass.removesuffix('_kg')}_rate_kg_h"


RATES: Final = tuple(
    Metric(
        name=_rate_of(mass.answer),
        type="gauge",
        help=f"{mass.answer} per hour: of a minute over its known time, of earlier hours the mean",
        figure=mass.name,
    )
    for mass in MASSES
)
COUNTERS: Final = tuple(
    Metric(
        name=f"tonne_{mass.answer}_total",
        type="counter",
        help=f"sum of {mass.answer} since the source's first hour",
        figure=mass.name,
    )
    for mass in MASSES
)
#: The figure of coverage, which is none of the methods' times.
COVERAGE: Final = "coverage"
RATIOS: Final = (
    Metric(
        name="tonne_coverage_ratio",
        type="gauge",
        help="share of the time that readings cover, 0 to 1",
        figure=COVERAGE,
    ),
    *(
        Metric(
            name=f"tonne_{share}_ratio",
            type="gauge",
            help=f"share of the time whose emissions are {share}, 0 to 1",
            figure=figure,
        )
        for share, figure in zip(SHARES, METHODS_MS, strict=True)
    ),
)
METRICS: Final = (*RATES, *COUNTERS, *RATIOS)
