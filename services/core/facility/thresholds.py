"""What a facility file or the API may say of limits: what is watched, when it is too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from services.core.accounting.alerting.measures import Measure
from services.core.facility.fields import (
    ChannelReference,
    Figure,
    Instant,
    Part,
    PositiveFigure,
    Slug,
    WaitS,
    at_most,
    is_stated,
)
from services.core.timeline.windows import FIXED, ROLLING_MINUTES, rolling_minutes

#: Devices are looked back for so long.
LONGEST_SILENCE_S = 40 * 86_400.0

_Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

#: What each measure watches beside sources, scopes and the whole facility.
_OF_CHANNEL = {"value", "average"}
_OF_DEVICE = {"silence", "quarantine"}
_OF_EMISSIONS = {"rate", "total", "coverage", "budget"}

_TOTALS = (
    lambda window: window in ROLLING_MINUTES or window in FIXED,
    f"one of {', '.join((*ROLLING_MINUTES, *FIXED))}",
)
_SHORT = (
    lambda window: 1 <= (rolling_minutes(window) or 0) <= 1440,
    "whole minutes or hours up to 24h, such as 15m",
)
#: By measure: which windows there are, as a test and in words; None: it has none.
_WINDOWS: dict[str, tuple[Callable[[str], bool], str] | None] = {
    "rate": None,
    "value": None,
    "silence": None,
    "total": _TOTALS,
    "coverage": _TOTALS,
    "average": _SHORT,
    "quarantine": _SHORT,
    "budget": (lambda window: window in {"month", "year"}, "month or year"),
}

#: What is counted from 0 on, up to what, and in which words.
_COUNTED: dict[str, tuple[float, str]] = {
    "silence": (LONGEST_SILENCE_S, "seconds, up to those of 40 days"),
    "quarantine": (1e9, "messages"),
}


class Threshold(Part):
    """A limit that is watched.

    Units of ``above`` and its like: kg of CO2 per hour (rate), kg of CO2 (total), the channel's
    unit (value, average), 0 to 1 (coverage, and budget: the share of it), seconds (silence),
    messages (quarantine).
    """

    id: Slug = Field(description="Name of the threshold. A slug.")
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
    measure: Measure = Field(description="What is compared with the limit.")
    window: str | None = Field(
        None, description="Span that the measure covers, such as 1h or year."
    )
    budget: PositiveFigure | None = Field(
        None, description="kg of CO2 for the month or year that is the window."
    )
    above: Figure | None = Field(
        None,
        description=(
            "Limit that must not be passed upwards. Unit by measure: kg CO2/h (rate), kg CO2 "
            "(total), the channel's (value, average), a share from 0 to 1 (coverage, budget), "
            "seconds (silence), messages (quarantine)."
        ),
    )
    below: Figure | None = Field(
        None, description="Limit that must not be passed downwards, in the same units."
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
    def limit(self) -> float:
        """The limit, whichever side of it is watched."""
        found = self.below if self.above is None else self.above
        assert found is not None  # noqa: S101 - one of the two is there
        return found

    @property
    def clear(self) -> float:
        """Where it is over: the limit itself unless stated."""
        found = self.clear_above if self.above is None else self.clear_below
        return self.limit if found is None else found

    @property
    def is_projected(self) -> bool:
        """Whether it is told beforehand."""
        return self._can_be_projected if self.projected is None else self.projected

    @property
    def _can_be_projected(self) -> bool:
        return (
            self.measure in {"total", "budget"} and self.window in FIXED and self.above is not None
        )

    @model_validator(mode="after")
    def _has_one_limit(self) -> Threshold:
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold has either above or below")
        if self.above is not None and self.clear_above is not None:
            raise ValueError("clear_above belongs to below; to above belongs clear_below")
        if self.below is not None and self.clear_below is not None:
            raise ValueError("clear_below belongs to above; to below belongs clear_above")
        if self.above is not None and self.clear > self.above:
            raise ValueError("clear_below lies below above, or it would never stay clear")
        if self.below is not None and self.clear < self.below:
            raise ValueError("clear_above lies above below, or it would never stay clear")
        if self.projected and not self._can_be_projected:
            raise ValueError(
                "projected is for above a total or budget whose window has an end: "
                + ", ".join(FIXED)
            )
        return self

    @model_validator(mode="after")
    def _watches_one_thing(self) -> Threshold:
        targets = [self.source, self.scope, self.channel, self.device]
        if sum(target is not None for target in targets) > 1:
            raise ValueError("a threshold watches one of source, scope, channel, device, or none")
        if (self.channel is not None) != (self.measure in _OF_CHANNEL):
            raise ValueError(
                "measure value or average, and no other, needs channel: device.channel"
            )
        if self.measure == "silence" and self.device is None:
            raise ValueError("measure silence needs device")
        if self.device is not None and self.measure not in _OF_DEVICE:
            raise ValueError("device belongs to measure silence or quarantine")
        if (self.source or self.scope) and self.measure not in _OF_EMISSIONS:
            raise ValueError(f"measure {self.measure} is not of a source or scope")
        return self

    @model_validator(mode="after")
    def _has_its_window(self) -> Threshold:
        window, wanted = self.window, _WINDOWS[self.measure]
        if window is None and wanted is not None:
            raise ValueError(f"measure {self.measure} needs a window: {wanted[1]}")
        if window is not None and wanted is None:
            raise ValueError(f"measure {self.measure} is of one minute: it has no window")
        if window is not None and wanted is not None and not wanted[0](window):
            raise ValueError(f"the window of measure {self.measure} is {wanted[1]}")
        if (self.budget is not None) != (self.measure == "budget"):
            raise ValueError("measure budget, and no other, needs budget: kg of CO2")
        if self.measure in {"budget", "coverage"} and not 0 <= self.limit <= 10:
            raise ValueError("a share is a number such as 0.8 for 80 %")
        return self

    @model_validator(mode="after")
    def _can_be_reached(self, info: ValidationInfo) -> Threshold:
        if is_stated(info) and self.measure in _COUNTED:
            most, of_what = _COUNTED[self.measure]
            if not 0 <= self.limit <= most:
                raise ValueError(
                    f"a limit of {self.limit:g} is never passed: {self.measure} counts {of_what}"
                )
        return self


class Maintenance(Part):
    """A span in which alerts are judged and kept, and not told."""

    id: Slug = Field(description="Name of the maintenance. A slug.")
    from_: Instant = Field(alias="from", description="Its beginning.")
    to: Instant = Field(description="Its end, exclusive.")
    sources: Annotated[tuple[Slug, ...], at_most(10_000)] | None = Field(
        None,
        description=(
            "Sources whose alerts are not sent. Without sources and thresholds: the whole facility."
        ),
    )
    thresholds: Annotated[tuple[Slug, ...], at_most(10_000)] | None = Field(
        None, description="Thresholds whose alerts are not sent."
    )
    reason: _Text = Field(description="Why, for who looks later.")

    @model_validator(mode="after")
    def _ends_after_start(self) -> Maintenance:
        if self.to <= self.from_:
            raise ValueError("to must come after from; it is exclusive")
        return self
