"""How times and lists are written in a query, in every call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.http.formats import TextFormat
from services.api.http.problems import InvalidRequest
from services.core.runtime.clock import Clock
from services.core.store.readings.quarantine_reasons import Reason
from services.core.timeline import relative
from services.core.timeline.instants import DAY

#: When the current request came in: what `now` means in its parameters.
_ASKED_AT: ContextVar[datetime | None] = ContextVar("asked_at", default=None)


#: What Grafana fills in panels.
_UNFILLED: Final = re.compile(r"\$(?:__interval|__maxDataPoints|\{__(?:interval|maxDataPoints)\})")


class TellTime:
    """Make `now` mean the same instant in all parameters of a request."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            _ASKED_AT.set(self._clock.now())
        await self._app(scope, receive, send)


def parse_instant(value: Any) -> Any:
    """Read a time as the contract writes it.

    :raises ValueError: the text is not a time, has no offset or is outside 1900 .. 2200.
    """
    return _read(value, is_end=False)


def parse_end(value: Any) -> Any:
    """Read a time that ends a span: `now/d` is the end of the day.

    :raises ValueError: as above.
    """
    return _read(value, is_end=True)


def _read(value: Any, *, is_end: bool) -> Any:
    if not isinstance(value, str):
        return value
    return relative.read(value, now=_ASKED_AT.get() or datetime.now(UTC), is_end=is_end)


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("write the reason on one line")
    return text


#: Why somebody changes what counts.
StatedReason = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=200)]

Instant = Annotated[datetime, BeforeValidator(parse_instant)]
End = Annotated[datetime, BeforeValidator(parse_end)]


def split_list(value: Any) -> Any:
    """Read a list that is repeated, comma separated or both; drop empty parts.

    It may be in braces, as Grafana writes what is chosen of a variable; its ``$__all`` is all.
    """
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sequence):
        parts = [part.strip(" {}") for item in value for part in str(item).split(",")]
        return [] if "$__all" in parts else [part for part in parts if part]
    return value


def filled(default: Any) -> BeforeValidator:
    """Take ``default`` where Grafana left a variable of its own as it is, as in alert rules."""

    def read(value: Any) -> Any:
        is_left = isinstance(value, str) and _UNFILLED.fullmatch(value) is not None
        return default if is_left else value

    return BeforeValidator(read)


SlugList = Annotated[list[str], BeforeValidator(split_list)]
ReasonList = Annotated[list[Reason], BeforeValidator(split_list)]
FacilityList = Annotated[
    SlugList, Field(description="facility ids; none: all", examples=[["linz"]])
]
SourceList = Annotated[SlugList, Field(description="source ids; none: all", examples=[["stack-1"]])]
FacilityId = Annotated[str, Field(min_length=1, description="facility id", examples=["linz"])]


class Query(BaseModel):
    """The parameters of one call: an unknown one is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _span_is_in_order(self) -> Self:
        relative.in_order(getattr(self, "from_", None), getattr(self, "to", None))
        return self


class FacilitiesQuery(Query):
    """Which facilities, of a list."""

    facility: FacilityList = Field([])
    format: TextFormat = None


class FacilityQuery(Query):
    """Which facility."""

    facility: str | None = Field(
        None, description="facility id; optional if the key can see only one", examples=["linz"]
    )


class TimeSpan(Query):
    """``from`` and ``to`` of a call; by default the last 24 hours."""

    from_: Instant | None = Field(
        None,
        alias="from",
        description="start, inclusive; default: 24 hours before `to`",
        examples=["2026-11-22T18:00:00Z"],
    )
    to: End | None = Field(
        None, description="end, exclusive; default: now", examples=["2026-11-23T18:00:00Z"]
    )

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Return both ends, the later one exclusive.

        :raises InvalidRequest: the span is reversed or empty.
        """
        ends = self.to or now
        begins = self.from_ or ends - DAY
        try:
            relative.in_order(begins, ends)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        return begins, ends
