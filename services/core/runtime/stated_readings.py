"""What passes between API and ingest where a person corrects readings (:mod:`.reading_door`)."""

from __future__ import annotations

from typing import Literal

import msgspec

#: Rows of one request.
MAX_ROWS = 1000

RefusalReason = Literal[
    "unknown_channel",
    "stored_already",
    "not_stored",
    "changed",
    "register_order",
    "of_activity",
    "too_late",
    "archived",
    "absurd_time",
    "not_finite",
    "out_of_range",
    "below_zero",
    "unit_not_convertible",
]


class StatedReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reading as a person states it."""

    device: str
    channel: str
    #: microseconds since the epoch, UTC
    ts_us: int
    #: in the channel's unit, as answers have it, or in ``unit``; None: there is no value
    value: float | None
    unit: str | None = None
    quality: str
    #: what is stored was seen, and is to be replaced; else nothing may be stored
    is_stored: bool
    #: in the channel's unit
    was: float | None = None
    #: None: whatever it is
    was_quality: str | None = None


class StatedReadings(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="correct"):
    """The head of a question whose body is a list of :class:`StatedReading`."""

    body_bytes: int
    facility: str
    #: who corrects, as the ledger shows it, and the address that the request comes from
    by: str
    address: str | None = None
    reason: str
    request_id: str | None = None


class RefusedCorrection(msgspec.Struct, frozen=True, kw_only=True):
    """Why one reading was not corrected."""

    #: of the row in the request, from 0
    index: int
    device: str
    channel: str
    #: RFC 3339, UTC
    time: str
    reason: str
    #: what is wrong, and what to do
    detail: str


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of a request."""

    corrected: int = 0
    added: int = 0
    #: stored just so already
    unchanged: int = 0
    refused: int = 0
    refusals: list[RefusedCorrection] = []
