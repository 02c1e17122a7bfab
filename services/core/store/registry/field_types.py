"""The kinds of value that a facility file holds: ids, durations, instants, addresses."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated
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
