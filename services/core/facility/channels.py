"""What a facility file may say of channels: what each measures, and where its values stand."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from services.core.accounting.derived.formula import LONGEST
from services.core.accounting.units import conversion
from services.core.facility.activity_profile import ActivityProfile
from services.core.facility.connections import Register
from services.core.facility.dated import (
    CalibrationFunctions,
    FigureOverTime,
    OffsetOverTime,
    ScaleOverTime,
    with_unit,
)
from services.core.facility.fields import (
    Capacity,
    ChannelName,
    Direction,
    DurationS,
    Expression,
    Figure,
    Index,
    Instant,
    LogBegin,
    Part,
    Percent,
    PointEveryS,
    PositiveFigure,
    Slug,
    Topic,
    at_most,
    is_stated,
)
from services.core.facility.in_force import DATED, InForce, in_force
from services.core.facility.mapping_model import (
    Bytes,
    Cell,
    Conditions,
    NumberKind,
    Quality,
    Timestamp,
    UnitFrom,
)
from services.core.facility.monitors import Audit, Calibration
from services.core.facility.register_resets import ResetsOf


class Epoch(Part):
    """From when on a counter counts from which index, and why."""

    from_: Instant = Field(
        examples=["2026-03-01T10:00:00+01:00"],
        alias="from",
        description="Instant from which the register counts in this epoch.",
    )
    start: Index | None = Field(
        None,
        description=(
            "The register's index at that instant, as the device shows it. Default: unknown."
        ),
    )
    reason: Literal["installation", "replacement", "reset", "rollover", "correction", "unknown"] = (
        Field(examples=["replacement"], description="Why a new epoch begins.")
    )
    modulus: Capacity | None = Field(
        None,
        description=(
            "Capacity of the register from then on, as the device shows it. Default: the channel's."
        ),
    )


#: A number or a text that stands for no value; a text may be empty, as some devices send it.
InvalidMarker = (
    Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, StringConstraints(strict=True, max_length=64)]
)


#: The kinds of channels as messages say them.
A_KIND: Final = {
    "counter": "a counter",
    "gauge": "a gauge",
    "interval": "an interval",
    "event": "an event",
    "derived": "derived from others",
}

#: Quantities that flow in and out of a site through one meter.
DIRECTED: Final = frozenset({"energy", "power"})

#: Keys of a channel that nothing is sent for.
_OF_DERIVED: Final = frozenset(
    {
        "id",
        "quantity",
        "unit",
        "kind",
        "sum",
        "formula",
        "basis",
        "maximum_potential",
        "uncertainty",
        "direction",
    }
)


class Channel(Part):
    """One measured quantity of a device."""

    id: Slug = Field(
        examples=["import"], description="Name of the channel, unique within its device. A slug."
    )
    from_: Expression | None = Field(
        None,
        examples=["ENERGY.Total"],
        alias="from",
        description=(
            "Where the value stands in a mapped payload. json: JMESPath; without it the payload"
            " is the value. senml: the record's name or its last part, #s behind it for the "
            "sum. sparkplug: the metric's name. Without it the channel's id. hj212: the factor's"
            " code and field, such as a05001.Rtd, behind minutes, hour or day of a period, such as"
            " hour.a00000.Cou. p1: the OBIS code, such as 1-0:1.8.1."
        ),
    )
    where: Conditions | None = Field(
        None,
        examples=[{"id": ["Stack.CO2"]}],
        description=(
            "json: the records that this channel is read from, by JMESPath the words that one of"
            " stands there, such as {id: Stack.CO2} or {type: [IDM, SCM]}; cell.1 is the first cell"
            " of a line. Default: all of them."
        ),
    )
    topic: Topic | None = Field(
        None,
        examples=["electricity_delivered_1"],
        description="Topic of this channel alone, below the device's topic if that has one.",
    )
    timestamp: Timestamp | None = Field(
        None,
        examples=[{"from": "gas.ts"}],
        description="json: time of this channel, where it differs from the device's.",
    )
    quality: Quality | None = Field(
        None,
        examples=[{"from": "gas.q", "map": {"ok": "good"}}],
        description="json: quality of this channel, where it differs from the device's.",
    )
    number: NumberKind | None = Field(
        None,
        examples=["comma"],
        description=(
            "json: how text is read as a number: decimal, comma (1.234,5 and 1 234,5), point"
            " (1,234.5) or hex. Default: only what can be read in one way."
        ),
    )
    cell: Cell | None = Field(
        None,
        examples=[2],
        description=(
            "json: cell of the text at from that is the value, such as 2 in 1780304400;12.5. Of a"
            " text of several lines each is a reading, with the time in the same line. Default:"
            " the whole text."
        ),
    )
    bytes: Bytes | None = Field(
        None,
        examples=[{"written": "base64", "type": "float32", "word_order": "little"}],
        description=(
            "json: how the number is packed into bytes, such as {written: base64, type: float32}"
            " for QUgAAA== (12.5). Default: it is written as a number."
        ),
    )
    register_: Register | None = Field(
        None,
        alias="register",
        examples=[{"address": 19026, "type": "float32"}],
        description="modbus: where the value stands.",
    )
    quantity: str = Field(
        examples=["energy"],
        description="What is measured, such as energy, power, volume, volume_flow, fraction, mass.",
    )
    unit: str = Field(
        examples=["kWh"],
        description=(
            "Unit of the values, any unit of the quantity; readings are stored in it. json: "
            "also {from: JMESPath, default: kWh} where the payload carries the unit, or {suffix:"
            " true, default: kWh} where it stands behind the number as in 12.5 kWh; cell as of the"
            " value, and map from the payload's words to units. Readings are stored in default."
        ),
    )
    unit_from: UnitFrom | None = Field(
        None,
        description=(
            "json: where the payload carries the unit, as stored; in a file write unit: {from: "
            "..., default: ...} or unit: {suffix: true, default: ...}."
        ),
    )
    scale: ScaleOverTime | None = Field(
        None,
        examples=["200/5"],
        description=(
            "The unit's worth of one that the device sends, as a number or as plates state it: 40"
            " or 200/5 behind a current transformer of 200 A to 5 A, 0.001 or 1000 imp/kWh for"
            " pulses, 200/5 * 1000 imp/kWh for both. One value, or one from each instant on:"
            " [{from: 2024-01-01, value: 200/5}, {from: 2025-06-01, value: 300/5}]. Totals are"
            " restated when the file changes it. Default: 1."
        ),
    )
    offset: OffsetOverTime | None = Field(
        None,
        examples=[-25],
        description=(
            "gauge: added after the scale, in the channel's unit: -25 and scale: 6.25 for 4 to"
            " 20 mA that mean 0 to 100 %. One value, or one from each instant on, as scale."
            " Default: 0."
        ),
    )
    calibration_functions: CalibrationFunctions | None = Field(
        None,
        description=(
            "gauge: functions y = a + b x by EN 14181 (QAL2), each from its valid_from on; x is"
            " what the device sends, after scale and offset. range and maximum_potential are of y,"
            " full_scale, span and references of calibrations of x. Default: y is x."
        ),
    )
    kind: Literal["counter", "gauge", "interval", "event", "derived"] = Field(
        examples=["counter"],
        description=(
            "counter: a register that only rises. gauge: a value that holds until the next. "
            "interval: the amount of one interval. event: an amount at an instant, such as a"
            " delivery; without one nothing happened. derived: computed from other channels, minute"
            " by minute."
        ),
    )
    sum: Annotated[tuple[ChannelName, ...], at_most(100)] | None = Field(
        None,
        description=(
            "derived: channels that are added up, such as the registers of two tariffs: [t1, t2]."
            " A channel of another device is device.channel."
        ),
    )
    formula: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = Field(
        None,
        description=(
            "derived: what is computed from which channels with + - * / ( ), min( , ), max( , )"
            " and numbers, such as main.import - hall-2.import. A minus has spaces around it."
        ),
    )
    modulus: Capacity | None = Field(
        None,
        description=(
            "counter: capacity at which the register rolls over, as the device shows it, before"
            " scale. Default: it never does."
        ),
    )
    max_rate: PositiveFigure | None = Field(
        None,
        description=(
            "counter: fastest that the register can rise, in the channel's unit per hour. "
            "Default: every rise is believed."
        ),
    )
    epochs: Annotated[tuple[Epoch, ...], at_most(1000)] = Field(
        (),
        description=(
            "counter: when the register was replaced or set, and from which index it counts."
        ),
    )
    resets: ResetsOf | None = Field(
        None,
        examples=["daily"],
        description=(
            "counter: daily, monthly or yearly: the register begins again at zero at midnight, on"
            " the first of the month or of January, as those of inverters that show what today came"
            " to; also {every: day, timezone: Etc/GMT-1} where the device's clock is not the"
            " facility's. Needs max_rate. Prefer a register that only rises, if the device has one."
            " Default: it only rises."
        ),
    )
    estimated_after: DurationS | None = Field(
        None,
        description=(
            "counter: what flows between two readings further apart counts as estimated. "
            "Default: 65 minutes."
        ),
    )
    direction: Direction | None = Field(
        None,
        examples=["export"],
        description=(
            "energy, power: which way it is counted. import: what flows in. export: what flows out;"
            " it emits nothing. both: a gauge, interval or derived channel that is below zero while"
            " more flows out than in; the two are told apart. Default: import, and a value below"
            " zero of what scope 2 counts is refused."
        ),
    )
    max_gap: DurationS = Field(
        300.0, description="gauge: how long a value holds when no other follows, a duration."
    )
    every: PointEveryS | None = Field(
        None,
        description=(
            "gauge: how far apart its readings are when none is lost, such as 10s, an hour at most;"
            " a rule that counts data points (mrr, hj75) counts by it. Default: learned from the"
            " times of the readings."
        ),
    )
    basis: Literal["wet", "dry"] | None = Field(
        None,
        description=(
            "Whether a gas is measured with its water vapour (wet) or without (dry). Default: "
            "what the equation needs."
        ),
    )
    range: tuple[Figure, Figure] | None = Field(
        None,
        description=(
            "Plausible values [least, greatest] in the channel's unit; what lies outside goes "
            "to quarantine, but for rounding (a millionth of the width). Beside full_scale a "
            "greatest value equal to it means twice the full scale, and a least value of 0 a "
            "tenth of it below zero. Where neither maximum_potential nor full_scale nor span is "
            "stated, the upper end is the maximum potential value under a substitution rule. "
            "Default: every value is plausible."
        ),
    )
    full_scale: FigureOverTime | None = Field(
        None,
        description=(
            "gauge: highest value that the monitor can measure, in the channel's unit; one value,"
            " or one from each instant on, as scale. A reading "
            "above it is stored; under a rule it counts as the rule says, never less than it was "
            "read: with part75 as 200 % of the full scale, code 20. Default: the end of range, "
            "above which readings are refused and count in the same way."
        ),
    )
    span: FigureOverTime | None = Field(
        None,
        description=(
            "gauge: span value of the monitor, in the channel's unit, that errors of calibrations "
            "are percent of; one value, or one from each instant on, as scale. Default: not known."
        ),
    )
    maximum_potential: PositiveFigure | None = Field(
        None,
        description=(
            "gauge: maximum potential concentration or flow, in the channel's unit, that stands in "
            "for an input co2 or flow where a substitution rule has nothing better. Default: "
            "for CO2 14.0 % (boiler) or 6.0 % (turbine), for a flow the upper end of range; see "
            "range."
        ),
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of the value, half the 95 % interval. Default: not known."
    )
    corrections: Literal["better-quality", "newest", "by-hand"] | None = Field(
        None,
        examples=["newest"],
        description=(
            "Which of two values for one time stands. better-quality: the better one by its "
            "quality. newest: the one that came last. by-hand: the first, until somebody "
            "accepts the other. Default: better-quality."
        ),
    )
    invalid: Annotated[tuple[InvalidMarker, ...], Field(max_length=20)] | None = Field(
        None,
        examples=[[65535, "unavailable"]],
        description=(
            "What the device sends where it has no value, such as [65535, -9999, unavailable]:"
            " numbers as sent, before scale, and, with json, text, also empty. They are gaps."
        ),
    )
    calibration: Calibration | None = Field(
        None,
        description=(
            "gauge: references of the daily calibration; readings of quality calibration are "
            "compared with them."
        ),
    )
    audits: Annotated[tuple[Audit, ...], at_most(1000)] | None = Field(
        None, description="gauge: relative accuracy test audits."
    )
    audit_deadlines: Literal["part75"] | None = Field(
        None,
        description=(
            "gauge: part75: each kind of audit that is stated is due again by 40 CFR 75 App. B;"
            " after its deadline and grace period data are out of control until the next passed"
            " one. Default: an audit has no deadline."
        ),
    )
    length: DurationS | None = Field(
        None, description="interval: length of one interval, a duration."
    )
    stamp: Literal["start", "end"] | None = Field(
        None, description="interval: which end of the interval the time names."
    )

    since: LogBegin | None = Field(
        None,
        description=(
            "event: instant from which on every event is sent. From then on a time without one is"
            " known to be zero; before it nothing is known."
        ),
    )
    profile: ActivityProfile | None = Field(
        None,
        description=(
            "event: when within its period an amount of a bill and the like happened. Default:"
            " evenly over its days."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _scale_in_its_unit(cls, data: Any) -> Any:
        """Give a scale that is written as a plate states it the channel's unit."""
        scale = data.get("scale") if isinstance(data, dict) else None
        if not isinstance(scale, str | list):
            return data
        unit = data.get("unit")
        unit = unit.get("default") if isinstance(unit, dict) else unit
        return {**data, "scale": with_unit(scale, unit if isinstance(unit, str) else None)}

    @model_validator(mode="before")
    @classmethod
    def _unit_that_the_payload_tells(cls, data: Any) -> Any:
        unit = data.get("unit") if isinstance(data, dict) else None
        if not isinstance(unit, dict):
            return data
        if "default" not in unit:
            raise ValueError(
                "a unit that the payload tells needs default, the unit that readings are kept in,"
                " such as kWh"
            )
        source = {key: value for key, value in unit.items() if key != "default"}
        return {**data, "unit": unit["default"], "unit_from": source}

    @model_validator(mode="after")
    def _fits_kind(self, info: ValidationInfo) -> Channel:
        for name, kind in (
            ("modulus", "counter"),
            ("max_rate", "counter"),
            ("epochs", "counter"),
            ("resets", "counter"),
            ("estimated_after", "counter"),
            ("max_gap", "gauge"),
            ("every", "gauge"),
            ("offset", "gauge"),
            ("calibration_functions", "gauge"),
            ("calibration", "gauge"),
            ("audits", "gauge"),
            ("audit_deadlines", "gauge"),
            ("full_scale", "gauge"),
            ("span", "gauge"),
            ("maximum_potential", "gauge"),
            ("length", "interval"),
            ("stamp", "interval"),
            ("since", "event"),
            ("profile", "event"),
        ):
            # what the registry keeps has every key
            given = is_stated(info) and name in self.model_fields_set
            differs = getattr(self, name) != type(self).model_fields[name].default
            if self.kind == "derived" and name in _OF_DERIVED:
                continue
            if (given or differs) and self.kind != kind:
                raise ValueError(
                    f"{name} belongs to {A_KIND[kind]}, and this channel is {A_KIND[self.kind]}"
                )
        self._fits_derived()
        self._has_what_its_kind_needs()
        self._fits_direction()
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range is [least, greatest]")
        for function in self.calibration_functions or ():
            # raises what says which unit is wrong
            conversion(function.unit or self.unit, self.unit)
        if self.scale is not None or self.full_scale is not None:
            self._fits_in_force(info)
        return self

    def _fits_in_force(self, info: ValidationInfo) -> None:
        for terms in self.in_force:
            if self.kind == "counter" and terms.scale is not None and terms.scale < 0:
                raise ValueError("the scale of a counter is above 0: a register only rises")
            if terms.full_scale is not None:
                self._fits_full_scale(terms, terms.full_scale, info)

    def _fits_full_scale(self, terms: InForce, full_scale: float, info: ValidationInfo) -> None:
        if self.range is not None and self.range[0] >= full_scale:
            raise ValueError("range begins above full_scale: it would refuse every measurement")
        counted = terms.counted_full_scale or full_scale
        if is_stated(info) and self.range is not None and self.range[1] < min(full_scale, counted):
            raise ValueError(
                f"range ends at {self.range[1]:g}, below full_scale ({full_scale:g}): what the"
                " monitor measures in between would be implausible; end range at full_scale or"
                " above it, or leave range out"
            )
        if terms.span is not None and terms.span > full_scale:
            raise ValueError("span is above full_scale; a monitor's scale covers its span")

    @property
    def in_force(self) -> tuple[InForce, ...]:
        """What its dated figures are, by when; the first is of the time before the second."""
        return in_force(self.unit, self.model_dump(mode="json", by_alias=True, include=set(DATED)))

    @property
    def has_valid_range(self) -> bool:
        """Whether averages beyond the range of a calibration function are counted."""
        functions = self.calibration_functions or ()
        return any(function.valid_range is not None for function in functions)

    def _fits_direction(self) -> None:
        if self.direction is None:
            return
        if self.quantity not in DIRECTED:
            raise ValueError("direction belongs to energy and power")
        if self.direction == "both" and self.kind in {"counter", "event"}:
            raise ValueError(
                f"{A_KIND[self.kind]} counts one way: give import and export a channel each"
            )

    def _has_what_its_kind_needs(self) -> None:
        if self.resets is not None and self.max_rate is None:
            raise ValueError(
                "resets needs max_rate, the fastest that the register can rise in an hour: by it a"
                " late value of yesterday is told from one of today"
            )
        if self.resets is not None and self.modulus is not None:
            raise ValueError("a register that resets does not roll over: remove modulus")
        if self.kind == "interval" and self.length is None:
            raise ValueError("an interval channel needs its length, such as length: 15m")
        if self.kind == "interval" and self.stamp is None:
            raise ValueError(
                "an interval channel needs stamp: start or end, the end of it that ts names"
            )
        if self.kind == "event" and self.since is None:
            raise ValueError(
                "an event channel needs since: the instant from which on every event is sent, such"
                " as since: 2026-01-01"
            )

    def _fits_derived(self) -> None:
        if self.kind != "derived":
            for name in ("sum", "formula"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to a channel of kind: derived")
            return
        for name, field in type(self).model_fields.items():
            if name not in _OF_DERIVED and getattr(self, name) != field.default:
                raise ValueError(
                    f"{field.alias or name} is said of what a device sends, and this channel is"
                    " derived: say it of the channels that it is computed from"
                )
        if (self.sum is None) == (self.formula is None):
            raise ValueError(
                "a derived channel needs either sum, such as sum: [t1, t2], or formula, such as"
                " formula: main.import - hall-2.import"
            )

    @property
    def stated_formula(self) -> str:
        """What a derived channel is computed by, as its file says it."""
        return self.formula or " + ".join(self.sum or ())
