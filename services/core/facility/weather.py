"""What a facility file says of the weather at the site."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from services.core.accounting.pathway.weather import COOLING_BASE_C, HEATING_BASE_C
from services.core.facility.fields import ChannelReference, Part, Within

_Base = Annotated[float, Within(lowest=-30, highest=50)]


class Weather(Part):
    """The outdoor temperature, by which sums of 365 days are compared."""

    temperature: ChannelReference = Field(
        examples=["weather-station.outdoor"],
        description="Channel of the outdoor temperature, as device.channel.",
    )
    heating_base: _Base = Field(
        HEATING_BASE_C,
        description="degC below which a day has heating degree days. Default: 15.5.",
    )
    cooling_base: _Base = Field(
        COOLING_BASE_C,
        description="degC above which a day has cooling degree days. Default: 22.",
    )

    @model_validator(mode="after")
    def _bases_are_in_order(self) -> Self:
        if self.heating_base > self.cooling_base:
            raise ValueError("heating_base is not above cooling_base")
        return self
