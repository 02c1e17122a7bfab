"""What a facility file may say: one model for each of its parts, units and defaults in place."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from services.core.accounting.gwp import GwpName
from services.core.facility.fields import (
    Capacity,
    ChannelReference,
    Day,
    DurationS,
    EveryS,
    Expression,
    FactorKg,
    Figure,
    GasKg,
    Index,
    Instant,
    MailAddress,
    Part,
    Percent,
    PositiveFigure,
    Role,
    SecretVariable,
    Slug,
    Topic,
    WaitS,
    WebAddress,
    Within,
    Zone,
    at_most,
)
from services.core.facility.mapping_model import NumberKind, Quality, Timestamp, UnitFrom
from services.core.facility.monitors import Audit, Calibration
from services.core.facility.thresholds import Maintenance, Threshold

#: Roles of the channels that tell whether a unit operates, and its load: no inputs of an equation.
OPERATING = "operating"
LOAD = "load"
TELLING = frozenset({OPERATING, LOAD})


class Facility(Part):
    """The site itself."""

    id: Slug = Field(description="Name of the facility in topics, URLs and files. A slug.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Name that people read."
    )
    timezone: Zone = Field(
        description=(
            "IANA time zone, such as Europe/Vienna: days, months and factor versions begin by it."
        )
    )
    gwp: GwpName | None = Field(
        None,
        description=(
            "Set of global warming potentials that turns CH4 and N2O into CO2e, unless a source"
            " names another. Default: AR6."
        ),
    )


class Epoch(Part):
    """From when on a counter counts from which index, and why."""

    from_: Instant = Field(
        alias="from", description="Instant from which the register counts in this epoch."
    )
    start: Index | None = Field(
        None,
        description=(
            "The register's index at that instant, in the channel's unit. Default: unknown."
        ),
    )
    reason: Literal["installation", "replacement", "reset", "rollover", "correction", "unknown"] = (
        Field(description="Why a new epoch begins.")
    )
    modulus: Capacity | None = Field(
        None,
        description=(
            "Capacity of the register from then on, in the channel's unit. Default: the channel's."
        ),
    )


#: A number or a text that stands for no value.
InvalidMarker = (
    Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64)]
)


class Channel(Part):
    """One measured quantity of a device."""

    id: Slug = Field(description="Name of the channel, unique within its device. A slug.")
    from_: Expression | None = Field(
        None,
        alias="from",
        description=(
            "Where the value stands in a mapped payload. json: JMESPath; without it the payload"
            " is the value. senml: the record's name or its last part, #s behind it for the "
            "sum; without it the channel's id."
        ),
    )
    topic: Topic | None = Field(
        None, description="Topic of this channel alone, below the device's topic if that has one."
    )
    timestamp: Timestamp | None = Field(
        None, description="json: time of this channel, where it differs from the device's."
    )
    quality: Quality | None = Field(
        None, description="json: quality of this channel, where it differs from the device's."
    )
    number: NumberKind | None = Field(
        None,
        description=(
            "json: how text is read as a number: decimal, comma (1.234,5) or hex. Default: only"
            " what can be read in one way."
        ),
    )
    quantity: str = Field(
        description="What is measured, such as energy, power, volume, volume_flow, fraction, mass."
    )
    unit: str = Field(
        description=(
            "Unit of the values, any unit of the quantity; readings are stored in it. json: "
            "also {from: JMESPath, default: kWh}, with map, where the payload carries the unit;"
            " readings are stored in default."
        )
    )
    unit_from: UnitFrom | None = Field(
        None,
        description=(
            "json: where the payload carries the unit, as stored; in a file write unit: {from: "
            "..., default: ...}."
        ),
    )
    kind: Literal["counter", "gauge", "interval"] = Field(
        description=(
            "counter: a register that only rises. gauge: a value that holds until the next. "
            "interval: the amount of one interval."
        )
    )
    modulus: Capacity | None = Field(
        None,
        description=(
            "counter: capacity at which the register rolls over, in the channel's unit. "
            "Default: it never does."
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
    estimated_after: DurationS | None = Field(
        None,
        description=(
            "counter: what flows between two readings further apart counts as estimated. "
            "Default: 65 minutes."
        ),
    )
    max_gap: DurationS = Field(
        300.0, description="gauge: how long a value holds when no other follows, a duration."
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
            "to quarantine. Under a substitution rule the upper end is the maximum potential "
            "value. Default: every value is plausible."
        ),
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of the value, half the 95 % interval. Default: not known."
    )
    corrections: Literal["better-quality", "newest", "by-hand"] | None = Field(
        None,
        description=(
            "Which of two values for one time stands. better-quality: the better one by its "
            "quality. newest: the one that came last. by-hand: the first, until somebody "
            "accepts the other. Default: better-quality."
        ),
    )
    invalid: Annotated[tuple[InvalidMarker, ...], Field(max_length=20)] | None = Field(
        None,
        description=(
            "What the device sends where it has no value, such as [9999.9, -1]: numbers as sent"
            " and, with json, text. They are gaps."
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
    length: DurationS | None = Field(
        None, description="interval: length of one interval, a duration."
    )
    stamp: Literal["start", "end"] | None = Field(
        None, description="interval: which end of the interval the time names."
    )

    @model_validator(mode="before")
    @classmethod
    def _unit_that_the_payload_tells(cls, data: Any) -> Any:
        unit = data.get("unit") if isinstance(data, dict) else None
        if not isinstance(unit, dict):
            return data
        if "default" not in unit:
            raise ValueError(
                "unit: {from: ...} needs default, the unit that readings are kept in, such as kWh"
            )
        told = {key: value for key, value in unit.items() if key != "default"}
        return {**data, "unit": unit["default"], "unit_from": told}

    @model_validator(mode="after")
    def _fits_kind(self) -> Channel:
        for name, kind in (
            ("modulus", "counter"),
            ("max_rate", "counter"),
            ("epochs", "counter"),
            ("estimated_after", "counter"),
            ("max_gap", "gauge"),
            ("calibration", "gauge"),
            ("audits", "gauge"),
            ("length", "interval"),
            ("stamp", "interval"),
        ):
            stated = getattr(self, name) != type(self).model_fields[name].default
            if stated and self.kind != kind:
                raise ValueError(f"{name} belongs to a {kind}, and this channel is a {self.kind}")
        if self.kind == "interval" and self.length is None:
            raise ValueError("an interval channel needs its length, such as length: 15m")
        if self.kind == "interval" and self.stamp is None:
            raise ValueError(
                "an interval channel needs stamp: start or end, the end of it that ts names"
            )
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range is [least, greatest]")
        return self


class Device(Part):
    """A publisher of readings."""

    id: Slug = Field(
        description="Name of the device in topics, unique within the facility. A slug."
    )
    name: str | None = Field(None, description="Name that people read.")
    topic: Topic | None = Field(
        None,
        description=(
            "Topic of the device's own messages, without wildcards. Default: "
            "emissions/{facility}/{device}/readings."
        ),
    )
    format: Literal["native", "json", "senml"] = Field(
        "native", description="Format of the messages at the device's own topics."
    )
    records: Expression | None = Field(
        None,
        description=(
            "json: JMESPath to the readings of a message that contains several, each with its "
            "own values and time. Default: a message is one reading."
        ),
    )
    timestamp: Timestamp | None = Field(
        None,
        description="json: where the message carries its time. Default: its arrival is its time.",
    )
    quality: Quality | None = Field(
        None,
        description=(
            "json: where the message says how good its values are. Default: every value is good."
        ),
    )
    channels: Annotated[tuple[Channel, ...], at_most(2000)] = Field(
        min_length=1, description="What the device measures."
    )


class Factor(Part):
    """One version of an emission factor: masses per unit of activity, for a span of days."""

    id: Slug = Field(
        description="Name of the factor. Several entries with one id are its versions."
    )
    unit: str = Field(description="Unit of activity that the masses are per.")
    co2_kg: FactorKg = Field(description="kg of CO2 per unit.")
    ch4_kg: GasKg = Field(0.0, description="kg of CH4 per unit.")
    n2o_kg: GasKg = Field(0.0, description="kg of N2O per unit.")
    co2e_kg: FactorKg | None = Field(
        None,
        description=(
            "kg of CO2e per unit as published. Default: from the gases and the set of global "
            "warming potentials."
        ),
    )
    ch4_origin: Literal["fossil", "non-fossil"] = Field(
        "non-fossil", description="Origin of the methane; it decides its global warming potential."
    )
    basis: Literal["none", "gross", "net", "location", "market"] = Field(
        "none",
        description="gross or net: of a fuel by its energy. location or market: of electricity.",
    )
    valid_from: Day | None = Field(
        None, description="First day, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="First day on which it no longer holds. Default: until further notice."
    )
    citation: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="Where the figure is from: publication, certificate, bill."
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of the figure, half the 95 % interval. Default: not known."
    )
    data_year: Annotated[int, Within(least=1900, most=2200)] | None = Field(
        None, description="Year that the figure describes."
    )
    release: str = Field("", description="Publication that it stands in.")

    @model_validator(mode="after")
    def _ends_after_start(self) -> Factor:
        if self.valid_to and self.valid_from and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from; it is exclusive")
        return self


class _Source(Part):
    id: Slug = Field(description="Name of the source, unique within the facility. A slug.")
    name: str | None = Field(None, description="Name that people read.")
    scope: Literal[1, 2, 3] = Field(description="Scope of the GHG Protocol.")
    validity: Literal["part75", "mrr", "hj75", "none"] = Field(
        "none", description="Rule that decides whether an hour of the source is valid."
    )
    substitution: Literal["part75", "mrr", "none"] = Field(
        "none", description="Rule that fills an hour that is missing or invalid."
    )
    lateness: WaitS = Field(
        900.0,
        description="How long after its end an hour stays open for late readings, a duration.",
    )
    check: Slug | None = Field(
        None,
        description=(
            "Another source that measures the same emission: this one counts in no sum, the "
            "difference is reported."
        ),
    )


class ActivitySource(_Source):
    """Mass = activity x emission factor."""

    method: Literal["activity"] = Field(description="Mass = activity x emission factor.")
    input: ChannelReference = Field(
        description="Channel that measures the activity, as device.channel."
    )
    factor: Slug = Field(description="Factor of this file, an imported or a built-in one.")
    market_factor: Slug | None = Field(
        None, description="Scope 2: market-based factor beside the location-based one."
    )
    gwp: GwpName | None = Field(
        None,
        description=(
            "Set of global warming potentials of this source. Default: the facility's, else AR6."
        ),
    )
    calorific_value: Annotated[float, Field(gt=0), Within(least=0.1, most=1000)] | None = Field(
        None,
        description=(
            "MJ per m3, gross: turns a gas volume into energy where the factor is by energy."
        ),
    )
    volume_correction: Annotated[float, Field(gt=0), Within(least=0.001, most=1000)] = Field(
        1.0,
        description=(
            "From the metered to the reference volume where the meter does not correct; 1.02264"
            " in Great Britain."
        ),
    )

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role."""
        return {"input": self.input}

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors it needs: its own, and the market-based one where it names one."""
        return (self.factor,) if self.market_factor is None else (self.factor, self.market_factor)


class Operating(Part):
    """How it is told that the unit operates: while a gauge, such as its load, is above a value."""

    channel: ChannelReference = Field(
        description="Gauge that tells whether the unit operates, as device.channel."
    )
    above: Figure = Field(
        description="The unit operates while the gauge is above this value, in the channel's unit."
    )


class Load(Part):
    """The unit's load, by which a missing flow is filled from hours of about the same load."""

    channel: ChannelReference = Field(description="Gauge of the unit's load, as device.channel.")
    maximum: PositiveFigure = Field(
        description=(
            "Greatest load of an hour, in the channel's unit; it is divided into ten load ranges."
        )
    )


class StackSource(_Source):
    """Mass from what an emission monitoring system measures in the stack."""

    method: Literal["stack"] = Field(description="Mass from the monitors of a stack.")
    equation: str = Field(description="Equation, such as F-11.")
    diluent: Literal["F-14A", "F-14B"] | None = Field(
        None, description="Equation that gives CO2 from O2."
    )
    fuel: str | None = Field(None, description="Fuel whose F-factors a diluent or G-4 uses.")
    inputs: dict[Role, ChannelReference] = Field(
        min_length=1, description="Channels of the equation's inputs, as role: device.channel."
    )
    operating: Operating | None = Field(
        None, description="How it is known that the unit operates. Default: always."
    )
    load: Load | None = Field(
        None, description="Load by which a missing flow is filled. Default: one load range."
    )

    @model_validator(mode="after")
    def _inputs_are_inputs(self) -> StackSource:
        for role in TELLING & set(self.inputs):
            raise ValueError(
                f"{role} is no input: it stands beside inputs, as {role}: {{channel:}}"
            )
        return self

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role; those of ``TELLING`` are no inputs."""
        telling = {OPERATING: self.operating, LOAD: self.load}
        return {
            **self.inputs,
            **{role: part.channel for role, part in telling.items() if part is not None},
        }


Source = Annotated[ActivitySource | StackSource, Field(discriminator="method")]


class Notify(Part):
    """Where alerts are told."""

    webhook: WebAddress | None = Field(
        None, description="Address that gets each alert as a POST of JSON."
    )
    secret_env: SecretVariable | None = Field(
        None,
        description=(
            "webhook: environment variable of the notifier with the secret that messages are "
            "signed with."
        ),
    )
    alertmanager: WebAddress | None = Field(None, description="Address of an Alertmanager.")
    mqtt: bool | None = Field(
        None,
        description=(
            "false: alerts are not published at the facility's own topics. Default: they are, "
            "without an entry."
        ),
    )
    email: MailAddress | None = Field(None, description="Mail address that gets each alert.")
    heartbeat: EveryS | None = Field(
        None,
        description=(
            "How often a message says that alerts would be delivered, a duration. Default: never."
        ),
    )

    @model_validator(mode="after")
    def _has_one_target(self) -> Notify:
        targets = [self.webhook, self.alertmanager, self.mqtt, self.email]
        if sum(target is not None for target in targets) != 1:
            raise ValueError("each entry of notify names one of webhook, alertmanager, mqtt, email")
        if self.secret_env is not None and self.webhook is None:
            raise ValueError("secret_env belongs to a webhook: nothing else is signed")
        if self.alertmanager is not None and "?" in self.alertmanager:
            raise ValueError("alertmanager is the address of its start page, without a query")
        if self.heartbeat is not None and self.mqtt is False:
            raise ValueError("heartbeat needs somewhere to go, and mqtt is false")
        return self


class FacilityFile(Part):
    """A whole facility file."""

    facility: Facility = Field(description="The site: its id, name and time zone.")
    devices: Annotated[tuple[Device, ...], at_most(10_000)] = Field(
        min_length=1, description="Publishers of readings."
    )
    factors: Annotated[tuple[Factor, ...], at_most(10_000)] = Field(
        (), description="Emission factors of this facility, beside the built-in and imported ones."
    )
    sources: Annotated[tuple[Source, ...], at_most(10_000)] = Field((), description="What emits.")
    thresholds: Annotated[tuple[Threshold, ...], at_most(10_000)] = Field(
        (), description="Limits that are watched."
    )
    maintenance: Annotated[tuple[Maintenance, ...], at_most(10_000)] = Field(
        (), description="Spans of time in which alerts are not sent."
    )
    notify: Annotated[tuple[Notify, ...], at_most(100)] = Field(
        (), description="Recipients of alerts."
    )

    @model_validator(mode="before")
    @classmethod
    def _sources_take_the_facilitys_gwp(cls, data: Any) -> Any:
        """A source keeps its own configuration, so that a past one can be told and computed."""
        facility = data.get("facility") if isinstance(data, dict) else None
        sources = data.get("sources") if isinstance(data, dict) else None
        if not isinstance(facility, dict) or "gwp" not in facility or not isinstance(sources, list):
            return data
        return {
            **data,
            "sources": [
                {"gwp": facility["gwp"], **source}
                if isinstance(source, dict) and source.get("method") == "activity"
                else source
                for source in sources
            ],
        }

    def channel(self, reference: str) -> Channel | None:
        """The channel that ``device.channel`` names, None if there is none."""
        device_id, channel_id = reference.split(".")
        for device in self.devices:
            if device.id == device_id:
                return next((c for c in device.channels if c.id == channel_id), None)
        return None

    def channel_references(self) -> list[str]:
        """Every channel as ``device.channel``."""
        return [f"{device.id}.{c.id}" for device in self.devices for c in device.channels]


def own_topic(device_topic: str | None, channel_topic: str | None) -> str | None:
    """The topic at which a channel's values come; None: the native one."""
    if device_topic is not None and channel_topic is not None:
        return f"{device_topic}/{channel_topic}"
    return channel_topic or device_topic


def spec(part: Part) -> dict[str, Any]:
    """A part as JSON, the way the registry stores it."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)
