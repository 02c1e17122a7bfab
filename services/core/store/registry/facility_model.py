"""What a facility file may say: one model for each of its parts, units and defaults in place."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|h|d)?$")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _duration_s(value: object) -> object:
    match = _DURATION.match(str(value).strip()) if isinstance(value, int | float | str) else None
    if match is None or isinstance(value, bool):
        raise ValueError("a duration is a number of seconds or a text such as 90s, 15m, 1h, 1d")
    return float(match[1]) * _SECONDS[match[2]]


def _instant(value: object) -> object:
    # A bare date starts at midnight UTC; YAML gives dates and naive datetimes as such.
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value + "T00:00:00Z"
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a time zone of the IANA database, such as Europe/Vienna"
        ) from error
    return name


def _reference(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}\.[a-z0-9][a-z0-9-]{0,62}", value):
        raise ValueError(f"{value!r} does not name a channel as device.channel")
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[^+#\x00]{1,1000}", value):
        raise ValueError(
            f"{value[:60]!r} is not one topic: write out the wildcards + and #, for instance with a"
            " topic for each channel"
        )
    return value


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9.-]+", value):
        raise ValueError(f"{value!r} is no mail address such as alerts@example.org")
    return value


def _secret_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("secret_env is the name of an environment variable, never the secret")
    if name.upper().startswith(("TONNE_", "PG")):
        raise ValueError(f"{name} holds a secret of tonne itself; choose a name of your own")
    return name


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        found = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        found = False
    if not found or re.search(r"[\s\x00-\x20\x7f]", value):
        raise ValueError(f"{value!r} is no address such as https://example.org/hook")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address holds no user and password: everybody may read this file")
    if parts.fragment:
        raise ValueError("an address is sent without what follows its #")
    return value


Slug = Annotated[str, StringConstraints(pattern=_SLUG)]
DurationS = Annotated[float, BeforeValidator(_duration_s), Field(gt=0)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Zone = Annotated[str, AfterValidator(_zone)]
#: An input of an equation, such as co2 or heat_input.
Role = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]
ChannelReference = Annotated[str, AfterValidator(_reference)]
#: The role of the channel that tells whether a unit operates.
OPERATING = "operating"

WebAddress = Annotated[str, AfterValidator(_web_address), Field(max_length=2000)]
MailAddress = Annotated[str, AfterValidator(_mail_address), Field(max_length=254)]
#: An environment variable; tonne's own and the database's hold other secrets.
SecretVariable = Annotated[str, AfterValidator(_secret_variable)]
Percent = Annotated[float, Field(ge=0, le=1000)]
#: An MQTT topic without wildcards.
Topic = Annotated[str, AfterValidator(_topic)]
#: An expression that finds something in a payload.
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Part(BaseModel):
    """A part of a facility file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Facility(Part):
    """The site itself."""

    id: Slug
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    timezone: Zone


class Epoch(Part):
    """From when on a counter counts from which index, and why."""

    from_: Instant = Field(alias="from")
    #: the register's index at that instant; None: unknown
    start: float | None = None
    reason: Literal["installation", "replacement", "reset", "rollover", "correction", "unknown"]
    modulus: float | None = Field(None, gt=0)


class Timestamp(Part):
    """Where a foreign JSON payload carries its time, and how it tells it."""

    #: JMESPath; where a message has no such key, its arrival at the broker is its time
    from_: Expression = Field(alias="from")
    #: of texts without an offset
    timezone: Zone | None = None
    #: of numbers; None: milliseconds from 1e11 on, else seconds
    unit: Literal["s", "ms"] | None = None


class Calibration(Part):
    """What a stack monitor is tested with every day, in the channel's unit."""

    references: tuple[float, ...] = Field(min_length=1)
    #: flow: errors are told in percent of it
    span: float | None = Field(None, gt=0)


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
    quantity: str
    unit: str
    kind: Literal["counter", "gauge", "interval"]
    #: counter: the register's capacity, in the channel's unit
    modulus: float | None = Field(None, gt=0)
    #: counter: the fastest that the register can rise, in the channel's unit per hour
    max_rate: float | None = Field(None, gt=0)
    epochs: tuple[Epoch, ...] = ()
    #: gauge: how long a value holds when no other follows
    max_gap: DurationS = 300.0
    basis: Literal["wet", "dry"] | None = None
    range: tuple[float, float] | None = None
    #: percent of the value, at 95 % confidence
    uncertainty: Percent | None = None
    #: gauge: readings of quality calibration are judged by it
    calibration: Calibration | None = None
    #: interval: how long one is, and which of its ends the time names
    length: DurationS | None = None
    stamp: Literal["start", "end"] | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Channel:
        for name, kind in (
            ("modulus", "counter"),
            ("max_rate", "counter"),
            ("epochs", "counter"),
            ("max_gap", "gauge"),
            ("calibration", "gauge"),
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
    channels: tuple[Channel, ...] = Field(min_length=1)


class Factor(Part):
    """One version of an emission factor: masses per unit of activity, for a span of days."""

    id: Slug
    unit: str
    co2_kg: float
    ch4_kg: float = 0.0
    n2o_kg: float = 0.0
    co2e_kg: float | None = None
    ch4_origin: Literal["fossil", "non-fossil"] = "non-fossil"
    basis: Literal["none", "gross", "net", "location", "market"] = "none"
    #: days of the facility's time zone; valid_to is exclusive
    valid_from: date | None = None
    valid_to: date | None = None
    citation: Annotated[str, StringConstraints(min_length=1)]
    uncertainty: Percent | None = None
    data_year: int | None = None
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
    lateness: DurationS = 900.0
    #: another source that measures the same emission: counted once, the difference reported
    check: Slug | None = None


class ActivitySource(_Source):
    """Mass = activity x emission factor."""

    method: Literal["activity"]
    input: ChannelReference
    factor: Slug
    #: scope 2: the market-based factor beside the location-based one
    market_factor: Slug | None = None
    #: MJ/m3, gross: turns gas volume into energy
    calorific_value: float | None = Field(None, gt=0)
    #: from metered to reference volume where the meter does not correct (1.02264 in Great Britain)
    volume_correction: float = Field(1.0, gt=0)

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
    above: float


class StackSource(_Source):
    """Mass from what an emission monitoring system measures in the stack."""

    method: Literal["stack"]
    equation: str
    diluent: Literal["F-14A", "F-14B"] | None = None
    fuel: str | None = None
    inputs: dict[Role, ChannelReference] = Field(min_length=1)
    #: None: it always operates
    operating: Operating | None = None

    @property
    def channels(self) -> dict[str, str]:
        """The channels it needs, ``device.channel`` by role; ``operating`` is no input."""
        if self.operating is None:
            return dict(self.inputs)
        return {**self.inputs, OPERATING: self.operating.channel}


Source = Annotated[ActivitySource | StackSource, Field(discriminator="method")]


class Threshold(Part):
    """A limit that is watched."""

    id: Slug
    source: Slug | None = None
    scope: Literal[1, 2, 3] | None = None
    channel: ChannelReference | None = None
    device: Slug | None = None
    measure: str
    window: str | None = None
    above: float | None = None
    below: float | None = None
    clear_below: float | None = None
    clear_above: float | None = None
    for_: DurationS | Literal[0] = Field(0, alias="for")
    severity: Literal["info", "warning", "critical"] = "warning"
    message: str | None = None

    @model_validator(mode="after")
    def _has_one_limit(self) -> Threshold:
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold has either above or below")
        return self


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
    heartbeat: DurationS | None = Field(None, ge=10)

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
    devices: tuple[Device, ...] = Field(min_length=1)
    factors: tuple[Factor, ...] = ()
    sources: tuple[Source, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    notify: tuple[Notify, ...] = ()

    def channel(self, reference: str) -> Channel | None:
        """The channel that ``device.channel`` names, None if there is none."""
        device_id, channel_id = reference.split(".")
        for device in self.devices:
            if device.id == device_id:
                return next((c for c in device.channels if c.id == channel_id), None)
        return None


def own_topic(device_topic: str | None, channel_topic: str | None) -> str | None:
    """The topic at which a channel's values come; None: the native one."""
    if device_topic is not None and channel_topic is not None:
        return f"{device_topic}/{channel_topic}"
    return channel_topic or device_topic


def spec(part: Part) -> dict[str, Any]:
    """A part as JSON, the way the registry stores it."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)
