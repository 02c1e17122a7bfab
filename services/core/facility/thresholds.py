"""What a facility file or the API may say of thresholds: what is watched, and its limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from services.core.accounting.alerting.measures import MEASURES, MeasureName
from services.core.accounting.alerting.measures.measure import Measure, Subject
from services.core.accounting.methods import MASS_NAMES, MassName
from services.core.facility.fields import (
    ChannelReference,
    Figure,
    Instant,
    Part,
    PositiveFigure,
    Slug,
    WaitS,
    Within,
    at_most,
    is_stated,
)
from services.core.timeline.windows import FIXED

_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

_SUBJECTS: tuple[Subject, ...] = get_args(Subject)


def _names(measures: Iterable[Measure]) -> str:
    return " or ".join(measure.name for measure in measures)


def _limit_units() -> str:
    """Return the unit of a limit by measure, for people."""
    names: dict[str, list[str]] = {}
    for measure in MEASURES.values():
        names.setdefault(measure.unit_text, []).append(measure.name)
    return ", ".join(f"{unit} ({', '.join(of_unit)})" for unit, of_unit in names.items())


class Threshold(Part):
    """A limit that is watched."""

    id: Slug = Field(examples=["too-much"], description="Name of the threshold. A slug.")
    source: Slug | None = Field(
        None,
        description=(
            "Source that is watched. At most one of source, scope, channel and device; without "
            "any: the whole facility."
        ),
    )
    scope: Literal[1, 2, 3] | None = Field(None, description="Scope that is watched.")
    channel: ChannelReference | None = Field(
        None, description="Gauge that is watched, as device.channel."
    )
    device: Slug | None = Field(None, description="Device that is watched.")
    pollutant: Slug | None = Field(
        None, description="Pollutant of the source whose limits are watched."
    )
    product: Slug | None = Field(None, description="Product of the file whose figure is watched.")
    measure: MeasureName = Field(examples=["rate"], description="What is compared with the limit.")
    window: str | None = Field(
        None, description="Span that the measure covers, such as 1h or year."
    )
    figure: MassName | None = Field(
        None,
        description=(
            "Mass that is watched: co2; co2e; market, which is market-based CO2; or co2_biogenic."
            " Default: co2."
        ),
    )
    budget: PositiveFigure | None = Field(
        None, description="kg of the figure for the month or year that is the window."
    )
    above: Figure | None = Field(
        None,
        description=f"Limit that must not be passed upwards. Unit by measure: {_limit_units()}.",
    )
    below: Figure | None = Field(
        None, description="Limit that must not be passed downwards, in the same units."
    )
    confidence_interval: Annotated[float, Field(gt=0), Within(lowest=0.01, highest=100)] | None = (
        Field(
            None,
            description=(
                "With above, of a channel: percent of the limit that is taken off what is measured,"
                " down to 0, before it is compared and shown. Directive 2010/75/EU: at most 10"
                " for CO, 20 for SO2 and NOx, 30 for dust and TOC, 40 for HCl and HF."
                " Default: nothing."
            ),
        )
    )
    clear_below: Figure | None = Field(
        None, description="With above: the alert ends below this value. Default: the limit."
    )
    clear_above: Figure | None = Field(
        None, description="With below: the alert ends above this value. Default: the limit."
    )
    for_: WaitS = Field(
        0.0,
        alias="for",
        description="How long the limit must be passed before the alert fires, a duration.",
    )
    severity: Literal["info", "warning", "critical"] = Field(
        "warning", description="How bad it is."
    )
    message: _Text | None = Field(None, description="Text that goes with the alert.")
    projected: bool | None = Field(
        None,
        description=(
            "Warn before the limit is passed at the present rate. Default: where the window has"
            " an end."
        ),
    )

    @property
    def definition(self) -> Measure:
        """Return the measure itself."""
        return MEASURES[self.measure]

    @property
    def mass(self) -> str:
        """Return the name of the mass that is watched, of a measure of one."""
        return self.figure or MASS_NAMES[0]

    @property
    def limit(self) -> float:
        """Return the limit, whichever side of it is watched."""
        limit = self.below if self.above is None else self.above
        assert limit is not None  # noqa: S101 - one of the two is there
        return limit

    @property
    def deduction(self) -> float:
        """Return what is taken off a measured value, in the unit of the limit."""
        return (
            0.0 if self.confidence_interval is None else self.limit * self.confidence_interval / 100
        )

    @property
    def clear(self) -> float:
        """Return the value that ends an alert: the limit itself unless stated."""
        stated = self.clear_above if self.above is None else self.clear_below
        return self.limit if stated is None else stated

    @property
    def is_projected(self) -> bool:
        """Return whether it fires before the limit is passed."""
        return self._can_be_projected if self.projected is None else self.projected

    @property
    def _can_be_projected(self) -> bool:
        return self.definition.is_cumulative and self.window in FIXED and self.above is not None

    @model_validator(mode="after")
    def _has_one_limit(self) -> Threshold:
        if (self.above is None) == (self.below is None):
            raise ValueError(
                "a threshold needs its limit, either above or below, such as above: 500"
            )
        if self.above is not None and self.clear_above is not None:
            raise ValueError("clear_above belongs to below; to above belongs clear_below")
        if self.below is not None and self.clear_below is not None:
            raise ValueError("clear_below belongs to above; to below belongs clear_above")
        if self.above is not None and self.clear > self.above:
            raise ValueError("clear_below lies below above, or it would never stay clear")
        if self.below is not None and self.clear < self.below:
            raise ValueError("clear_above lies above below, or it would never stay clear")
        if self.confidence_interval is not None and (
            self.above is None or self.above <= 0 or self.channel is None
        ):
            raise ValueError(
                "confidence_interval is a share of a limit above 0 that a channel must not pass"
                " upwards: it needs channel and above"
            )
        if self.projected and not self._can_be_projected:
            cumulative = _names(measure for measure in MEASURES.values() if measure.is_cumulative)
            raise ValueError(
                f"projected is for above a {cumulative} whose window has an end: "
                + ", ".join(FIXED)
            )
        return self

    @model_validator(mode="after")
    def _watches_one_thing(self) -> Threshold:
        measure = self.definition
        stated = [key for key in _SUBJECTS if getattr(self, key) is not None]
        if len(stated) > 1:
            raise ValueError("a threshold watches one of source, scope, channel, device, or none")
        for key in stated:
            if key not in measure.subjects:
                takers = _names(measure for measure in MEASURES.values() if key in measure.subjects)
                raise ValueError(f"{key} belongs to measure {takers}, not to {self.measure}")
        if (self.pollutant is not None) != measure.has_pollutant:
            takers = _names(measure for measure in MEASURES.values() if measure.has_pollutant)
            raise ValueError(f"measure {takers}, and no other, needs pollutant: one of its source")
        if (self.product is not None) != measure.has_product:
            takers = _names(measure for measure in MEASURES.values() if measure.has_product)
            raise ValueError(f"measure {takers}, and no other, needs product: one of the file")
        if not stated and not measure.facility_wide:
            raise ValueError(f"measure {self.measure} needs {_written(measure.subjects)}")
        return self

    @model_validator(mode="after")
    def _has_its_window(self) -> Threshold:
        measure = self.definition
        window, rule = self.window, measure.windows
        if window is None and rule is not None:
            raise ValueError(f"measure {self.measure} needs a window: {rule.text}")
        if window is not None and rule is None:
            raise ValueError(f"measure {self.measure} is of one minute: it has no window")
        if window is not None and rule is not None and not rule.accepts(window):
            raise ValueError(f"the window of measure {self.measure} is {rule.text}")
        if (self.budget is not None) != measure.has_budget:
            takers = _names(measure for measure in MEASURES.values() if measure.has_budget)
            raise ValueError(f"measure {takers}, and no other, needs budget: kg of its figure")
        if self.figure is not None and not measure.has_figure:
            takers = _names(measure for measure in MEASURES.values() if measure.has_figure)
            raise ValueError(f"figure belongs to measure {takers}, not to {self.measure}")
        if (error := measure.limit_error(self.limit)) is not None:
            raise ValueError(error)
        return self

    @model_validator(mode="after")
    def _can_be_reached(self, info: ValidationInfo) -> Threshold:
        error = self.definition.reachability_error(self.limit) if is_stated(info) else None
        if error is not None:
            raise ValueError(error)
        return self


def _written(subjects: Iterable[Subject]) -> str:
    """Return how the file names what is watched."""
    return " or ".join(
        "channel: device.channel" if key == "channel" else key for key in sorted(subjects)
    )


class Maintenance(Part):
    """A period in which alerts are recorded and nobody is notified."""

    id: Slug = Field(examples=["revision"], description="Name of the maintenance. A slug.")
    from_: Instant = Field(examples=["2026-08-01"], alias="from", description="Its beginning.")
    to: Instant = Field(examples=["2026-08-15"], description="Its end, exclusive.")
    sources: Annotated[tuple[Slug, ...], at_most(10_000)] | None = Field(
        None,
        description=(
            "Sources whose alerts are not sent. Without sources and thresholds: the whole facility."
        ),
    )
    thresholds: Annotated[tuple[Slug, ...], at_most(10_000)] | None = Field(
        None, description="Thresholds whose alerts are not sent."
    )
    reason: _Text = Field(examples=["yearly revision"], description="Why, for who looks later.")

    @model_validator(mode="after")
    def _ends_after_start(self) -> Maintenance:
        if self.to <= self.from_:
            raise ValueError("to must come after from; it is exclusive")
        return self
