"""What a version says of the past, to be said by every later one too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.upgrade.version import Version

HOUR = timedelta(hours=1)

#: When it was asked, and when a device was heard last.
_OF_THE_PRESENT = ("as_of", "last_seen")


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def calls(now: datetime) -> list[str]:
    """Questions about hours that were closed then."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    span = f"from={_written(hour - 70 * 24 * HOUR)}&to={_written(hour - 2 * HOUR)}"
    asked = [
        f"/v1/emissions?{span}&interval=1h",
        f"/v1/emissions?{span}&interval=1d",
        f"/v1/restatements?{span}",
        f"/v1/readings?facility=works&{span}",
        "/v1/facilities",
    ]
    for facility, source in (
        ("works", "by-counter"), ("works", "by-gauge"), ("works", "by-interval"),
        ("works", "boiler"), ("works", "stack"), ("kiln", "stack"), ("kiln", "plug"),
        ("mill", "grid"), ("mill", "flights"),
        ("edge", "stack"), ("edge", "plant"), ("yard", "grid"),
    ):  # fmt: skip
        for back in (3, 30):
            at = _written(hour - back * HOUR)
            asked.append(f"/v1/explain?facility={facility}&source={source}&hour={at}")
    return asked


def ask(version: Version, asked: list[str]) -> dict[str, Any]:
    """Answer the questions; one that a version does not understand has none."""
    return {call: version.get(call) for call in asked}


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Say where an answer no longer holds what it held; what it holds in addition is none."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name in _OF_THE_PRESENT:
                continue
            if name in after:
                yield from differences(value, after[name], f"{path}.{name}")
            else:
                yield f"{path}.{name} is gone"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, value in enumerate(before):
            yield from differences(value, after[place], f"{path}[{place}]")
    elif before != after:
        was, now = (str(value)[:60] for value in (before, after))
        yield f"{path} was {was} and is {now}"
