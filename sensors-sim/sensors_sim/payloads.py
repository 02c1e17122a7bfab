"""Samples as the bytes of tonne's native payload."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from sensors_sim.devices import Sample


def rfc3339(ts_ms: int) -> str:
    """Return epoch milliseconds as RFC 3339 in UTC, with milliseconds."""
    seconds, millis = divmod(ts_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def encode_sample(sample: Sample) -> bytes:
    """Return the payload of a single sample, its time as RFC 3339."""
    body = {"ts": rfc3339(sample.ts_ms), "values": dict(sample.values)}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def encode_history(samples: Iterable[Sample]) -> bytes:
    """Return the payload of many samples as one array, their times as epoch milliseconds."""
    body = [{"ts": sample.ts_ms, "values": dict(sample.values)} for sample in samples]
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
