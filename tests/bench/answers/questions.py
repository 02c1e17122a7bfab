"""The questions of the bench, each with the time that it may take, and the mix of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from services.core.timeline.instants import rfc3339
from tests.bench.answers.store import PACKED_FACILITIES, Shape

ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question, asked of one facility after the other."""

    name: str
    asked_ms: float
    paths: tuple[str, ...]
    accept: str = "application/json"


def _path(call: str, **parameters: str | int) -> str:
    return f"/v1/{call}?{urlencode(parameters)}"


def questions(shape: Shape, last: datetime) -> list[Question]:
    """Return the questions of the issue; ``last``: where the stored hours end."""
    year = {"from": rfc3339(last - timedelta(days=shape.days)), "to": rfc3339(last)}
    works = [f"f{n}" for n in range(1, shape.facilities)]
    rng = random.Random(1)

    def one_source() -> dict[str, str]:
        return {
            "facility": rng.choice(PACKED_FACILITIES),
            "source": f"s{rng.randrange(shape.sources)}",
        }

    hours = tuple(_path("emissions", **one_source(), **year, interval="1h") for _ in range(30))
    stack_hours = [last - timedelta(hours=n) for n in range(30, 24 * (shape.days - 2), 97)]
    readings = {"device": "cems", "channel": "co2", **year, "max_points": 2000}
    return [
        Question(
            name="live of a facility of 20 sources",
            asked_ms=10,
            paths=tuple(_path("live", facility=f) for f in works),
        ),
        Question(name="one source, a year by hour, JSON", asked_ms=30, paths=hours),
        Question(name="one source, a year by hour, Arrow", asked_ms=15, paths=hours, accept=ARROW),
        Question(
            name="a facility of 20 sources, a year by day",
            asked_ms=25,
            paths=tuple(_path("emissions", facility=f, **year, interval="1d") for f in works),
        ),
        Question(
            name="all facilities, a year by month",
            asked_ms=50,
            paths=(_path("emissions", **year, interval="1mo", group_by="facility"),),
        ),
        Question(
            name="all sources, a year by month",
            asked_ms=50,
            paths=(_path("emissions", **year, interval="1mo"),),
        ),
        Question(
            name="explain of an hour under a rule",
            asked_ms=30,
            paths=tuple(
                _path("explain", facility="f0", source="stack", hour=rfc3339(hour))
                for hour in stack_hours
            ),
        ),
        Question(
            name="readings of a channel, a year thinned to 2 000 points",
            asked_ms=60,
            paths=(_path("readings", facility="f0", **readings),),
        ),
    ]


def mix(shape: Shape, last: datetime) -> Iterator[tuple[str, str]]:
    """Yield questions as dashboards and scripts ask them: name of the kind, and path.

    Of a hundred: 60 live, 15 a source's last day by hour, 10 a facility's last 30 days by day, 8
    the last six hours of a channel, 5 lists of alerts, 1 a source's year by hour, 1 a facility's
    year by day.
    """
    rng = random.Random(2)
    until = rfc3339(last)
    kinds = ["live"] * 60 + ["day"] * 15 + ["month"] * 10 + ["readings"] * 8 + ["alerts"] * 5
    kinds += ["year by hour", "year by day"]
    while True:
        facility = f"f{rng.randrange(1, shape.facilities)}"
        source = f"s{rng.randrange(shape.sources)}"
        kind = rng.choice(kinds)
        since = {"day": 1, "month": 30}.get(kind, shape.days)
        span = {"from": rfc3339(last - timedelta(days=since)), "to": until}
        emissions = {"facility": facility, **span}
        yield (
            kind,
            {
                "live": _path("live", facility=facility),
                "day": _path("emissions", **emissions, source=source, interval="1h"),
                "month": _path("emissions", **emissions, interval="1d"),
                "readings": _path(
                    "readings",
                    facility="f0",
                    device="cems",
                    channel="co2",
                    **{"from": rfc3339(last - timedelta(hours=6)), "to": until},
                ),
                "alerts": _path("alerts", facility=facility),
                "year by hour": _path("emissions", **emissions, source=source, interval="1h"),
                "year by day": _path("emissions", **emissions, interval="1d"),
            }[kind],
        )
