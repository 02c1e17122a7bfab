"""A service whose answers are written down while data arrive, to be asked for again later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from services.core.runtime.clock import FixedClock
from services.core.store.readings import discards
from tests.integration.aggregator.plant import Plant

HOUR = timedelta(hours=1)

#: Of an answer, what tells when it was given, or which facility it is of in the registry of today.
_OF_TODAY = ("as_of", "sequence", "changed_at", "alerts", "facility_retired_at")


def comparable(answer: Any) -> Any:
    """Return the answer without what has to differ."""
    if isinstance(answer, dict):
        # since when an open hour had been as it was is not kept
        left_out = {*_OF_TODAY, "known_at"} if answer.get("reason") == "open" else _OF_TODAY
        return {k: comparable(v) for k, v in answer.items() if k not in left_out}
    if isinstance(answer, list):
        return [comparable(each) for each in answer]
    return answer


@dataclass
class Recorder:
    """Asks what can be asked, at the plant's present."""

    client: httpx.AsyncClient
    plant: Plant
    clock: FixedClock
    start: datetime
    #: hours that are explained
    explained: Sequence[tuple[str, datetime]] = ()
    #: of the calls, those that are asked; empty: all
    only: frozenset[str] = frozenset()
    facility: str = "works"
    answers: dict[datetime, dict[str, Any]] = field(default_factory=dict)

    async def ask(self, as_of: datetime | None = None) -> dict[str, Any]:
        """Ask all, as of an instant or now."""
        then = {} if as_of is None else {"as_of": as_of.isoformat()}
        present = self.clock.instant if as_of is None else as_of
        span = {"from": self.start.isoformat(), "to": (present + HOUR).isoformat()}
        asked: dict[str, tuple[str, dict[str, Any]]] = {
            "hours": ("/v1/emissions", {**span, "interval": "1h"}),
            "days": ("/v1/emissions", {**span, "interval": "1d"}),
            "live": ("/v1/live", {}),
            "restatements": ("/v1/restatements", {"limit": 1000}),
            "reports": ("/v1/reports", {"year": self.start.year}),
        }
        for source, hour in self.explained:
            asked[f"{source} {hour}"] = (
                "/v1/explain",
                {"source": source, "hour": hour.isoformat()},
            )
        found = {}
        for name, (path, parameters) in asked.items():
            if self.only and name not in self.only:
                continue
            response = await self.client.get(
                path, params={"facility": self.facility, **parameters, **then}
            )
            assert response.status_code == 200, (path, parameters, response.text)
            found[name] = comparable(response.json())
        return found

    async def record(self, now: datetime) -> dict[str, Any]:
        """Let the aggregator work all off that arrived, and write down what is answered."""
        self.plant.tick_as_if(now)
        self.clock.instant = now
        self.answers[now] = await self.ask()
        return self.answers[now]

    async def differences(self) -> dict[tuple[datetime, str], tuple[Any, Any]]:
        """Ask all again as of each instant; return both answers where they differ."""
        found = {}
        for instant, answered in self.answers.items():
            again = await self.ask(instant)
            found |= {
                (instant, name): (answered[name], again[name])
                for name in answered
                if answered[name] != again[name]
            }
        return found


def differing(one: Any, other: Any, path: str = "") -> list[str]:
    """Return where two answers differ, for a failing test to say."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted({*one, *other})
            for line in differing(one.get(key), other.get(key), f"{path}.{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line
            for i, pair in enumerate(zip(one, other, strict=True))
            for line in differing(*pair, f"{path}[{i}]")
        ]
    return [] if one == other else [f"{path}: {one!r} was answered, now {other!r}"]


def discard(plant: Plant, channel: str, since: datetime, until: datetime) -> None:
    """Take readings away, as the command does."""
    key = discards.ChannelKey(
        facility="works",
        name="meter.energy",
        facility_id=plant.facility_id,
        channel_id=plant.channels[channel],
        unit="",
        spec={},
    )
    discards.discard(plant.connection, key, since, until, by="b", reason="a test")


def correct(plant: Plant, channel: str, ts: datetime, value: float) -> None:
    """Replace a reading, as an accepted conflict does."""
    channel_id = plant.channels[channel]
    with plant.connection.transaction():
        plant.connection.execute(
            "SELECT correct_reading(%s, %s, %s, 0::int2, 0::int2, now(), 'b', 'a test', 1)",
            (channel_id, ts, value),
        )
        plant.connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes, reason)"
            " VALUES (%s, %s, %s, 'accepted correction')",
            (plant.facility_id, [channel_id], [int(ts.timestamp()) // 60]),
        )
