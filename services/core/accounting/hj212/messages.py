"""Messages of a stack's hours or days: the frames, and what is told beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from services.core.accounting.hj212 import stack
from services.core.accounting.hj212.frames import Edition, Flag, Frame, write
from services.core.accounting.hj212.packets import split
from services.core.accounting.hj212.stack import BEIJING, Content, StackHour

Period = Literal["hour", "day"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """Who sends: MN and PW as the authority gave them, and the edition that it reads."""

    mn: str
    password: str
    edition: Edition


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An hour or a day: its frames, ready to be sent, and what they do not say."""

    begins: datetime
    letter: str
    frames: tuple[bytes, ...]
    left_out: tuple[str, ...]


def of_stack(
    hours: Sequence[StackHour],
    station: Station,
    *,
    period: Period,
    begins: datetime,
    ends: datetime,
    now: datetime,
) -> list[Message]:
    """Return a message for each final hour, or each whole day of Beijing time, of a span.

    Days that have no final hour are left out: nothing is known of them. ``QN`` counts up from
    ``now`` by the millisecond, as each message has to have one of its own. :raises FrameError: MN
    or PW are not of their form.
    """
    content = {hour.begins: stack.of_hour(hour) for hour in hours}
    if period == "day":
        content = dict(_days(content, begins, ends))
    command = stack.HOUR if period == "hour" else stack.DAY
    return [
        _message(start, part, station, command, now + timedelta(milliseconds=number))
        for number, (start, part) in enumerate(sorted(content.items()))
    ]


def _days(
    hours: dict[datetime, Content], begins: datetime, ends: datetime
) -> Iterator[tuple[datetime, Content]]:
    local = begins.astimezone(BEIJING)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if day < begins:
        day += timedelta(days=1)
    while day + timedelta(days=1) <= ends:
        if any(day <= hour < day + timedelta(days=1) for hour in hours):
            yield day.astimezone(UTC), stack.of_day(hours, day)
        day += timedelta(days=1)


def _message(
    begins: datetime, content: Content, station: Station, command: str, sent_at: datetime
) -> Message:
    local = sent_at.astimezone(BEIJING)
    common = Frame(
        request=f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}",
        system=stack.STATIONARY_SOURCE,
        command=command,
        password=station.password,
        station=station.mn,
        flag=Flag(edition=station.edition, wants_answer=True),
    )
    frames = split(common, stack.groups(begins, content, station.edition))
    return Message(
        begins=begins,
        letter=content.letter,
        frames=tuple(write(frame) for frame in frames),
        left_out=content.left_out,
    )
