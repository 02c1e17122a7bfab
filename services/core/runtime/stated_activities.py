"""Amounts of periods that a person or program states, as the API hands them to ingest."""

from __future__ import annotations

import msgspec

#: Of one request.
MAX_ENTRIES = 1000


class StatedActivities(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="activities"
):
    """The head of a question whose body is a list of objects, as ``activity_file`` reads rows."""

    body_bytes: int
    facility: str
    #: who states them, as the audit log shows it, and the address that the request comes from
    by: str
    address: str | None = None
    request_id: str | None = None


class WithdrawnActivity(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="withdraw"):
    """Asks that an activity counts no more; there is no body."""

    body_bytes: int = 0
    facility: str
    #: number of the bill or entry
    entry: str
    reason: str
    by: str
    address: str | None = None
    request_id: str | None = None


class WrongActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Why one of them cannot be stored."""

    #: in the request, from 0
    index: int
    detail: str


class TakenActivities(msgspec.Struct, frozen=True, kw_only=True):
    """What became of them: all are stored, or there already; or some are wrong and none is."""

    stored: int = 0
    present: int = 0
    wrong: list[WrongActivity] = []
