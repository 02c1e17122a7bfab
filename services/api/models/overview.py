"""Bodies of the overview of facilities."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer
from services.core.accounting.methods import MassName

_KG = "mass of the window so far; `null`: nothing is known of it"
_COVERAGE = "share of the sources' time that is known, 0 to 1"
_SUBSTITUTED = "share of the sources' time that a rule filled in, 0 to 1"


class Overview(Answer):
    """A facility at a glance."""

    time: datetime = Field(examples=["2026-11-23T18:00:05Z"])
    facility: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"], description="windows begin by its calendar")
    figure: MassName = Field(examples=["co2"], description="what all masses of the row are of")
    rate_kg_h: float | None = Field(
        examples=[10592.7],
        description="sum of the sources whose present rate is known; `null`: of none it is",
    )
    sources: int = Field(examples=[4], description="active sources that count")
    sources_known: int = Field(
        examples=[4], description="those whose present rate is known; the others are not in it"
    )
    newest_minute: datetime | None = Field(examples=["2026-11-23T18:00:00Z"])
    newest_reading: datetime | None = Field(
        examples=["2026-11-23T18:00:03Z"], description="of all channels, in the last 31 days"
    )
    today_kg: float | None = Field(examples=[191204.5], description=_KG)
    today_coverage: float = Field(examples=[0.9991], description=_COVERAGE)
    today_substituted: float = Field(examples=[0.0], description=_SUBSTITUTED)
    month_kg: float | None = Field(examples=[5641000.0], description=_KG)
    month_coverage: float = Field(examples=[0.9987], description=_COVERAGE)
    month_substituted: float = Field(examples=[0.0008], description=_SUBSTITUTED)
    year_kg: float | None = Field(examples=[82010000.0], description=_KG)
    year_coverage: float = Field(examples=[0.9975], description=_COVERAGE)
    year_substituted: float = Field(examples=[0.0012], description=_SUBSTITUTED)
    alerts_critical: int = Field(examples=[0], description="alerts that stand, by severity")
    alerts_warning: int = Field(examples=[1])
    alerts_info: int = Field(examples=[0])
    latitude: float | None = Field(
        examples=[48.27], description="degrees north; `null`: the facility file names no location"
    )
    longitude: float | None = Field(examples=[14.33], description="degrees east")
