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

    id: Slug
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    timezone: Zone
    #: by which set of global warming potentials gases become CO2e, unless a source names another
    gwp: GwpName | None = None


class Epoch(Part):
    """From when on a counter counts from which index, and why."""

    from_: Instant = Field(alias="from")
    #: the register's index at that instant; None: unknown
    start: Index | None = None
    reason: Literal["installation", "replacement", "reset", "rollover", "correction", "unknown"]
    modulus: Capacity | None = None


#: A number or a text that stands for no value.
InvalidMarker = (
    Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64)]
)


class Channel(Part):
    """One measured quantity of a device."""

    id: Slug
    #: where the value stands in a foreign payload. json: JMESPath, None: the payload is the value;
    #: senml: a record's name or its last part, ``#s`` behind it for the sum, None: the channel's id
    from_: Expression | None = Field(None, alias="from")
    #: the channel's own topic, below the device's if that has one
    topic: Topic | None = None
    #: json: this channel's time where it differs from the device's
    timestamp: Timestamp | None = None
    #: json: how good a value is, where that differs from the device's
    quality: Quality | None = None
    #: json: how texts are read as numbers; None: where they can be read in one way only
    number: NumberKind | None = None
    quantity: str
    #: that readings are kept in, and of values that tell none
    unit: str
    #: json: where the payload tells it; ``unit: {from: ..., default: kWh}`` states both
    unit_from: UnitFrom | None = None
    kind: Literal["counter", "gauge", "interval"]
    #: counter: the register's capacity, in the channel's unit
    modulus: Capacity | None = None
    #: counter: the fastest that the register can rise, in the channel's unit per hour
    max_rate: PositiveFigure | None = None
    epochs: Annotated[tuple[Epoch, ...], at_most(1000)] = ()
    #: counter: what flows between two readings further apart is estimated; None: an hour
    estimated_after: DurationS | None = None
    #: gauge: how long a value holds when no other follows
    max_gap: DurationS = 300.0
    basis: Literal["wet", "dry"] | None = None
    range: tuple[Figure, Figure] | None = None
    #: percent of the value, at 95 % confidence
    uncertainty: Percent | None = None
    #: which of two readings for one time stands: the better one by its quality, the newest, or the
    #: first until somebody accepts the other; None: better-quality
    corrections: Literal["better-quality", "newest", "by-hand"] | None = None
    #: what the device sends where it has no value: numbers as sent, and texts (json)
    invalid: Annotated[tuple[InvalidMarker, ...], Field(max_length=20)] | None = None
    #: gauge: readings of quality calibration are judged by it
    calibration: Calibration | None = None
    #: gauge: relative accuracy test audits; what they say holds when hours are closed by a rule
    audits: Annotated[tuple[Audit, ...], at_most(1000)] | None = None
    #: interval: how long one is, and which of its ends the time names
    length: DurationS | None = None
    stamp: Literal["start", "end"] | None = None

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

    id: Slug
    name: str | None = None
    topic: Topic | None = None
    format: Literal["native", "json", "senml"] = "native"
    #: json: JMESPath to the readings in a message, each with its own values and time; None: one
    records: Expression | None = None
    timestamp: Timestamp | None = None
    #: json: how good the values of a message are
    quality: Quality | None = None
    channels: Annotated[tuple[Channel, ...], at_most(2000)] = Field(min_length=1)


class Factor(Part):
    """One version of an emission factor: masses per unit of activity, for a span of days."""

    id: Slug
    unit: str
    co2_kg: FactorKg
    ch4_kg: GasKg = 0.0
    n2o_kg: GasKg = 0.0
    co2e_kg: FactorKg | None = None
    ch4_origin: Literal["fossil", "non-fossil"] = "non-fossil"
    basis: Literal["none", "gross", "net", "location", "market"] = "none"
    #: days of the facility's time zone; valid_to is exclusive
    valid_from: Day | None = None
    valid_to: Day | None = None
    citation: Annotated[str, StringConstraints(min_length=1)]
    uncertainty: Percent | None = None
    data_year: Annotated[int, Within(least=1900, most=2200)] | None = None
    release: str = ""

    @model_validator(mode="after")
    def _ends_after_start(self) -> Factor:
        if self.valid_to and self.valid_from and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from; it is exclusive")
        return self


class _Source(Part):
    id: Slug
    name: str | None = None
    scope: Literal[1, 2, 3]
    validity: Literal["part75", "mrr", "hj75", "none"] = "none"
    substitution: Literal["part75", "mrr", "none"] = "none"
    #: how long after its end an hour stays provisional
    lateness: WaitS = 900.0
    #: another source that measures the same emission: counted once, the difference reported
    check: Slug | None = None


class ActivitySource(_Source):
    """Mass = activity x emission factor."""

    method: Literal["activity"]
    input: ChannelReference
    factor: Slug
    #: scope 2: the market-based factor beside the location-based one
    market_factor: Slug | None = None
    #: None: the facility's, else AR6
    gwp: GwpName | None = None
    #: MJ/m3, gross: turns gas volume into energy
    calorific_value: Annotated[float, Field(gt=0), Within(least=0.1, most=1000)] | None = None
    #: from metered to reference volume where the meter does not correct (1.02264 in Great Britain)
    volume_correction: Annotated[float, Field(gt=0), Within(least=0.001, most=1000)] = 1.0

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

    channel: ChannelReference
    #: in the channel's unit
    above: Figure


class Load(Part):
    """The unit's load, by which a missing flow is filled from hours of about the same load."""

    channel: ChannelReference
    #: the greatest load of an hour, in the channel's unit
    maximum: PositiveFigure


class StackSource(_Source):
    """Mass from what an emission monitoring system measures in the stack."""

    method: Literal["stack"]
    equation: str
    diluent: Literal["F-14A", "F-14B"] | None = None
    fuel: str | None = None
    inputs: dict[Role, ChannelReference] = Field(min_length=1)
    #: None: it always operates
    operating: Operating | None = None
    #: None: flow has one load range
    load: Load | None = None

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

    webhook: WebAddress | None = None
    #: webhook: the environment variable of the notifier with the secret that messages are signed by
    secret_env: SecretVariable | None = None
    alertmanager: WebAddress | None = None
    #: at the facility's own topics, which needs no entry; False: not there
    mqtt: bool | None = None
    email: MailAddress | None = None
    #: dead man's switch: how often it is told that alerts would be told
    heartbeat: EveryS | None = None

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

    facility: Facility
    devices: Annotated[tuple[Device, ...], at_most(10_000)] = Field(min_length=1)
    factors: Annotated[tuple[Factor, ...], at_most(10_000)] = ()
    sources: Annotated[tuple[Source, ...], at_most(10_000)] = ()
    thresholds: Annotated[tuple[Threshold, ...], at_most(10_000)] = ()
    maintenance: Annotated[tuple[Maintenance, ...], at_most(10_000)] = ()
    notify: Annotated[tuple[Notify, ...], at_most(100)] = ()

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
