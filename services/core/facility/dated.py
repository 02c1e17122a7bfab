"""Figures of a channel that change at instants, as a facility file says them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from services.core.facility.fields import Figure, Instant, Part, PositiveFigure, Scale, at_most
from services.core.facility.scale_text import Plate

#: A figure may change so often; a channel is not recalibrated every day.
_MAX_ENTRIES: Final = 1000

_FROM = Field(
    None,
    alias="from",
    description=(
        "Instant from which readings count by this value. The first entry holds for the time"
        " before it, too, and needs none."
    ),
)


class DatedScale(Part):
    """A scale, and the instant from which it applies."""

    from_: Instant | None = _FROM
    value: Scale = Field(examples=[40], description="The scale from then on.")


class DatedOffset(Part):
    """An offset, and the instant from which it applies."""

    from_: Instant | None = _FROM
    value: Figure = Field(examples=[-25], description="The offset from then on.")


class DatedFigure(Part):
    """A full scale or span, and the instant from which it applies."""

    from_: Instant | None = _FROM
    value: PositiveFigure = Field(
        examples=[100], description="The figure from then on, in the channel's unit."
    )


class CalibrationFunction(Part):
    """A calibration function y = a + b x of a QAL2 test by EN 14181, and where it is valid."""

    valid_from: Instant = Field(
        examples=["2026-03-01"],
        description=(
            "Instant from which readings count by it, up to that of the next; a day begins at"
            " midnight UTC. Before the first one what the monitor shows counts as it is."
        ),
    )
    a: Figure = Field(examples=[-1.5], description="What is added, in the function's unit.")
    b: PositiveFigure = Field(
        examples=[1.02],
        description=(
            "The function's unit by one of x, which is what the device sends, after scale and"
            " offset."
        ),
    )
    unit: str | None = Field(
        None,
        description=(
            "Unit of y, a and valid_range, as in the report of the test. Default: the channel's."
        ),
    )
    valid_range: tuple[Figure, Figure] | None = Field(
        None,
        description=(
            "Valid calibration range [least, greatest] of y: by EN 14181 from 0 to 1.1 times the"
            " highest value of the test. Hourly averages beyond it are counted by week. Default:"
            " not watched."
        ),
    )
    citation: str = Field(
        examples=["QAL2 report of March 2026"],
        min_length=1,
        max_length=1000,
        description="Report of the test, for explanations.",
    )

    @model_validator(mode="after")
    def _has_a_range(self) -> CalibrationFunction:
        if self.valid_range is not None and self.valid_range[0] >= self.valid_range[1]:
            raise ValueError("valid_range is [least, greatest], such as [0, 120]")
        return self


def with_unit(scale: Any, unit: str | None) -> Any:
    """Give each text among a channel's scales the channel's unit, to be read with."""
    if isinstance(scale, str):
        return Plate(scale, unit)
    if isinstance(scale, list):
        return [with_unit(entry, unit) for entry in scale]
    if isinstance(scale, dict) and isinstance(scale.get("value"), str):
        return {**scale, "value": Plate(scale["value"], unit)}
    return scale


def _ascending(name: str, instants: Sequence[datetime | None]) -> None:
    for before, after in pairwise(instants):
        if after is None:
            raise ValueError(
                f"each entry but the first needs its {name}, the instant from which it applies"
            )
        if before is not None and after <= before:
            raise ValueError(
                f"entries are in order of their {name}, each later than the one before:"
                f" {after.isoformat()} comes after {before.isoformat()}; an entry holds until the"
                " next one begins"
            )


def _in_order(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    _ascending("from", [entry.from_ for entry in entries])
    return entries


def _functions_in_order(
    functions: tuple[CalibrationFunction, ...],
) -> tuple[CalibrationFunction, ...]:
    _ascending("valid_from", [function.valid_from for function in functions])
    return functions


def _form(value: Any) -> str:
    return "dated" if isinstance(value, list | tuple) else "single"


_BY_FORM: Final = Discriminator(_form)
_IN_ORDER: Final = AfterValidator(_in_order)

#: One value for all time, or one from each of several instants on.
ScaleOverTime = Annotated[
    Annotated[Scale, Tag("single")]
    | Annotated[
        tuple[DatedScale, ...], Field(min_length=1), at_most(_MAX_ENTRIES), _IN_ORDER, Tag("dated")
    ],
    _BY_FORM,
]
OffsetOverTime = Annotated[
    Annotated[Figure, Tag("single")]
    | Annotated[
        tuple[DatedOffset, ...], Field(min_length=1), at_most(_MAX_ENTRIES), _IN_ORDER, Tag("dated")
    ],
    _BY_FORM,
]
FigureOverTime = Annotated[
    Annotated[PositiveFigure, Tag("single")]
    | Annotated[
        tuple[DatedFigure, ...], Field(min_length=1), at_most(_MAX_ENTRIES), _IN_ORDER, Tag("dated")
    ],
    _BY_FORM,
]
CalibrationFunctions = Annotated[
    tuple[CalibrationFunction, ...],
    Field(min_length=1),
    at_most(_MAX_ENTRIES),
    AfterValidator(_functions_in_order),
]
