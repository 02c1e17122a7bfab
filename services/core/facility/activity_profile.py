"""When within its period an amount happened: weights by hour and weekday, or a source's shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from services.core.accounting.activity_pieces import HourSlot
from services.core.facility.fields import Part, Slug, Within
from services.core.timeline.instants import HOUR_US

_HOURS: Final = 24
_WEEKDAYS: Final = 7

_Weight = Annotated[float, Within(lowest=0, highest=1e6)]

#: Returns what a source measured between two instants in microseconds, by the hour that begins
#: then; raises ValueError where an hour is not known.
Shape = Callable[[str, int, int], dict[int, float]]


class ActivityProfile(Part):
    """When amounts of periods happened, hour by hour."""

    hours: Annotated[tuple[_Weight, ...], Field(min_length=_HOURS, max_length=_HOURS)] | None = (
        Field(
            None,
            examples=[[0] * 8 + [1] * 10 + [0] * 6],
            description=(
                "Weights of the local hours 0 to 23, such as 0 at night. Default: all hours are"
                " alike."
            ),
        )
    )
    weekdays: (
        Annotated[tuple[_Weight, ...], Field(min_length=_WEEKDAYS, max_length=_WEEKDAYS)] | None
    ) = Field(
        None,
        examples=[[1, 1, 1, 1, 1, 0, 0]],
        description="Weights of Monday to Sunday. Default: all days are alike.",
    )
    source: Slug | None = Field(
        None,
        examples=["grid"],
        description=(
            "Source of this facility whose measured activity, hour by hour, is the shape; each hour"
            " of a period has to be known. Instead of weights."
        ),
    )

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        weights = (self.hours, self.weekdays)
        if (self.source is None) == (weights == (None, None)):
            raise ValueError("a profile states hours, weekdays or both, or source")
        if any(part is not None and not any(part) for part in weights):
            raise ValueError("a profile gives some hour weight: not all of its weights are 0")
        return self

    def weights(self, slots: Sequence[HourSlot], shape: Shape) -> list[float]:
        """Return the weight of each hour; one that a change of the clocks cut has less.

        :raises ValueError: an hour of the source's is not known.
        """
        if self.source is not None:
            return _shaped(shape(self.source, slots[0].begin_us, slots[-1].end_us), slots)
        hours, weekdays = self.hours or (1.0,) * _HOURS, self.weekdays or (1.0,) * _WEEKDAYS
        return [
            hours[slot.hour] * weekdays[slot.weekday] * (slot.end_us - slot.begin_us) / HOUR_US
            for slot in slots
        ]


def _shaped(by_hour: dict[int, float], slots: Sequence[HourSlot]) -> list[float]:
    """Return what was measured in each slot; one of a zone with half hours lies in two hours."""
    weights = []
    for slot in slots:
        first = slot.begin_us // HOUR_US * HOUR_US
        weight = 0.0
        for hour_us in range(first, slot.end_us, HOUR_US):
            shared_us = min(slot.end_us, hour_us + HOUR_US) - max(slot.begin_us, hour_us)
            weight += by_hour[hour_us] * shared_us / HOUR_US
        weights.append(weight)
    return weights
