"""The kinds of value that a facility file holds: ids, durations, instants, addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from services.core.facility import scale_text, secret_names
from services.core.facility.topics import ANY, uncarried, unheard
from services.core.timeline import durations
from services.core.timeline.instants import DAY_S

SLUG: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
ROLE: Final = r"^[a-z0-9][a-z0-9_]{0,62}$"
CHANNEL_NAME: Final = r"^(?:[a-z0-9][a-z0-9-]{0,62}\.)?[a-z0-9][a-z0-9-]{0,62}$"

#: The size of a scale; nothing that is sent is worth less of any unit.
_LEAST_SCALE: Final = 1e-12

#: Validation context of what somebody states now. What is stored was stated under the bounds of its
#: time, and is read whatever they are today: a facility must not fall silent because of a release.
STATED: Final = {"stated": True}

#: Control characters, marks of direction, surrogates, separators of lines and paragraphs, and what
#: is no character: they would change the files and logs that topics are written to.
_NOT_IN_TOPICS: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """Bounds of a figure that somebody states; beyond them no plant on earth has one.

    With ``texts`` the ends are written so. A list is bounded by its length.
    """

    lowest: Any
    highest: Any
    texts: tuple[str, str] | None = None
    #: what to write instead, the end of the refusal
    instead: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check after everything else; and that yes and no are not taken for 1 and 0 before it."""
        return core_schema.with_info_wrap_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell the bounds where JSON Schema has words for them."""
        json_schema = handler(schema)
        if json_schema.get("type") in {"number", "integer"}:
            json_schema = {"minimum": self.lowest, "maximum": self.highest, **json_schema}
        elif json_schema.get("type") == "array":
            json_schema["maxItems"] = self.highest
        return json_schema

    def _check(self, value: Any, handler: Any, info: ValidationInfo) -> Any:
        if not is_stated(info):
            return handler(value)
        if isinstance(value, bool):
            raise ValueError(f"{str(value).lower()} is not a number")  # noqa: TRY004 - as pydantic asks
        checked = handler(value)
        if isinstance(checked, tuple | Mapping):
            if len(checked) > self.highest:
                raise ValueError(
                    f"{len(checked)} entries are more than the {self.highest} of one list"
                )
        elif checked is not None and not self.lowest <= checked <= self.highest:
            lowest, highest = self.texts or (f"{self.lowest:g}", f"{self.highest:g}")
            raise ValueError(
                f"{_shown(checked)} makes no sense here: it must lie between {lowest} and {highest}"
                f"{self.instead}"
            )
        return checked


def is_stated(info: ValidationInfo) -> bool:
    """Whether what is validated is stated now, not read from the registry."""
    return info.context is not None and bool(info.context.get("stated"))


def at_most(count: int) -> Within:
    """Bound the length of a list."""
    return Within(lowest=0, highest=count)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _lasting(least_s: float, max_s: float) -> Within:
    texts = (durations.in_words(least_s) if least_s else "0", durations.in_words(max_s))
    return Within(lowest=least_s, highest=max_s, texts=texts, instead=f"; {durations.HOW}")


def _day(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f"{value} is not a day: write it as 2026-11-22")  # noqa: TRY004 - as above
    return value


def _instant(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(  # noqa: TRY004 - as above
            f"{value} is not a time: write it as 2026-11-22T18:00:00Z"
        )
    # A bare date starts at midnight UTC; YAML gives dates and naive datetimes as such.
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value + "T00:00:00Z"
    return value


def _zone_like(name: str) -> str:
    city = name.strip().replace(" ", "_").rpartition("/")[2].casefold()
    cities = sorted(zone for zone in available_timezones() if zone.casefold().endswith(f"/{city}"))
    return cities[-1] if cities else "Europe/Vienna"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not a time zone of the IANA database, such as {_zone_like(name)}"
        ) from error
    return name


def _scale(value: float) -> float:
    if abs(value) < _LEAST_SCALE:
        raise ValueError("a scale of zero would lose the reading")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _stated_scale(value: object) -> object:
    if not isinstance(value, str) or _is_number(value):
        return value
    return scale_text.scale(value)


def _reference(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}\.[a-z0-9][a-z0-9-]{0,62}", value):
        raise ValueError(f"{value!r} does not name a channel; write device.channel")
    return value


def _sparkplug_id(name: str) -> str:
    if not set("/+#").isdisjoint(name) or uncarried(name):
        raise ValueError(
            f"{name[:60]!r} cannot be a name of Sparkplug: it is one level of a topic, without / +"
            " and #"
        )
    return name


def _topic(value: str, info: ValidationInfo) -> str:
    if not is_stated(info):
        return value
    if not value:
        raise ValueError("a topic has at least one character")
    shown = ascii(value[:60])
    if "#" in value or any("+" in level and level != ANY for level in value.split("/")):
        raise ValueError(
            f"{shown} is not one topic: write out the wildcards + and #, for instance with a"
            " topic for each channel; where a whole level is the device's id, + stands for it,"
            " beside known_as"
        )
    if any(unicodedata.category(character) in _NOT_IN_TOPICS for character in value):
        raise ValueError(
            f"{shown} has a character that cannot be seen, such as a line break: a topic has none"
        )
    if any(level in {"*", ">"} for level in value.split("/")):
        raise ValueError(
            f"{shown} has a level * or >, which is a wildcard to NATS: let the device publish"
            " elsewhere"
        )
    if why := unheard(value):
        raise ValueError(f"{shown} is not a topic that a device may use: {why}")
    return value


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"()\[\]\\]+@[A-Za-z0-9.-]+", value):
        raise ValueError(f"{value!r} is not a mail address such as alerts@example.org")
    return value


def _secret_variable(name: str, info: ValidationInfo) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            f"{info.field_name} is the name of an environment variable, never the secret"
        )
    if is_stated(info) and not secret_names.is_allowed(name):
        raise ValueError(secret_names.refusal(name))
    return name


def _discovery_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", value) or len(value) > 100:
        raise ValueError(
            f"{value[:60]!a} is not a topic such as homeassistant: up to 100 letters, digits,"
            " - and _, in levels with / between them"
        )
    if value.split("/", maxsplit=1)[0] == "emissions":
        raise ValueError("topics below emissions are tonne's own: take another prefix")
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or re.search(r"[\s\x00-\x20\x7f]", value):
        # a password that somebody put there is not said back
        which = "this" if "@" in value else repr(value)
        raise ValueError(f"{which} is not an address such as https://example.org/hook")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address holds no user and password: everybody may read this file")
    if parts.fragment:
        raise ValueError("an address is sent without what follows its #")
    return value


Slug = Annotated[str, StringConstraints(pattern=SLUG)]
_Duration = Annotated[
    float,
    BeforeValidator(durations.seconds),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
#: How long something is or holds, in seconds.
DurationS = Annotated[_Duration, _lasting(0.1, 366.0 * DAY_S)]
#: How long something is waited for, in seconds; 0: not at all.
WaitS = Annotated[_Duration, _lasting(0.0, 366.0 * DAY_S)]
#: How often something is said, in seconds.
EveryS = Annotated[_Duration, _lasting(10.0, 366.0 * DAY_S)]
#: How far apart the readings of a monitor are, in seconds.
PointEveryS = Annotated[_Duration, _lasting(0.1, 3600.0)]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    Within(
        lowest=datetime(1900, 1, 1, tzinfo=UTC),
        highest=datetime(2200, 1, 1, tzinfo=UTC),
        texts=("1900-01-01", "2200-01-01"),
    ),
]
#: When a log of events begins: its minutes are computed from then on, whether anything was or not.
LogBegin = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    Within(
        lowest=datetime(2000, 1, 1, tzinfo=UTC),
        highest=datetime(2200, 1, 1, tzinfo=UTC),
        texts=("2000-01-01", "2200-01-01"),
    ),
]
#: A day of the facility's time zone.
Day = Annotated[
    date,
    BeforeValidator(_day),
    Within(
        lowest=date(1900, 1, 1),
        highest=date(2200, 1, 1),
        texts=("1900-01-01", "2200-01-01"),
        instead="; leave it out where it is open",
    ),
]
#: A figure in a channel's unit; the least bit of a sensor to more than the world's energy.
Figure = Annotated[float, Within(lowest=-1e15, highest=1e15)]
PositiveFigure = Annotated[float, Field(gt=0), Within(lowest=1e-9, highest=1e15)]
#: From what a device sends to a channel's unit; a negative one is of a meter mounted backwards.
#: A text is read with the channel's unit.
Scale = Annotated[
    float,
    BeforeValidator(_stated_scale),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
    AfterValidator(_scale),
    Within(lowest=-1e12, highest=1e12),
]
#: Where a register stands, and where it begins anew; one of 64 bits fits in.
Index = Annotated[float, Within(lowest=-1e20, highest=1e20)]
Capacity = Annotated[float, Field(gt=0), Within(lowest=1e-6, highest=1e20)]
#: kg of CO2 or CO2e by a unit of activity: the worst fuel by the TWh, SF6 by the kt.
FactorKg = Annotated[float, Within(lowest=-1e12, highest=1e12)]
#: kg of a gas by a unit of activity: nothing takes it out of the air.
GasKg = Annotated[float, Within(lowest=0, highest=1e12)]
Zone = Annotated[str, AfterValidator(_zone)]
#: An input of an equation, such as co2 or heat_input.
Role = Annotated[str, StringConstraints(pattern=ROLE)]
ChannelReference = Annotated[str, AfterValidator(_reference)]
#: Which way a meter counts; both: what is below zero flows out.
Direction = Literal["import", "export", "both"]
#: A channel of the same device, or device.channel.
ChannelName = Annotated[str, StringConstraints(pattern=CHANNEL_NAME)]
#: The topic below which Home Assistant looks for devices.
DiscoveryPrefix = Annotated[str, AfterValidator(_discovery_prefix)]
WebAddress = Annotated[str, AfterValidator(_web_address), Field(max_length=2000)]
MailAddress = Annotated[str, AfterValidator(_mail_address), Field(max_length=254)]
#: An environment variable of the notifier, by its name one that is there to be named.
SecretVariable = Annotated[str, AfterValidator(_secret_variable)]
Percent = Annotated[float, Field(ge=0, le=1000)]
#: An MQTT topic; a level that is ``+`` is any, see :mod:`services.core.facility.fleets`.
Topic = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_topic)]
#: A name of Sparkplug B, one level of a topic.
SparkplugId = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_sparkplug_id)
]
#: An expression that finds something in a payload.
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Part(BaseModel):
    """A part of a facility file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def stated(cls, data: object) -> Self:
        """Read what somebody states now: its figures must make sense, too.

        :raises pydantic.ValidationError: see :mod:`services.core.facility.plain_words`.
        """
        return cls.model_validate(data, context=STATED)
