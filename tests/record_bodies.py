"""Bodies of ``POST /v1/readings``, read as ingest reads them, for tests of every form."""

from __future__ import annotations

import json
from typing import Any

from services.core.runtime.reading_door import Form, Question
from services.ingest.bodies.body import read
from services.ingest.bodies.records import Records
from services.ingest.decode import native

AT = "2026-11-23T18:00:00Z"
AT_S = 1795456800
AT_US = AT_S * 1_000_000


def taken(body: bytes | str | Any, form: Form = "json", **stated: Any) -> Records:
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    max_bytes = stated.pop("max_bytes", 1 << 20)
    return read(Question(form=form, body_bytes=len(body), **stated), body, max_bytes=max_bytes)


def readings(records: Records) -> list[tuple[Any, ...]]:
    """Facility, device, channel, microseconds, value, unit, quality and index of each reading."""
    found = []
    for part in records.parts():
        document = json.loads(part.payload)
        number = len(document) if isinstance(document, list) else 1
        assert number == len(part.indices)
        for one, index in zip(
            document if isinstance(document, list) else [document], part.indices, strict=True
        ):
            decoded = native.decode(json.dumps(one).encode(), 0)
            assert not decoded.problems
            found += [
                (part.facility, part.device, o.channel, o.ts_us, o.value, o.unit, o.quality, index)
                for o in decoded.observations
            ]
    return found


def one(value: float = 1.5, unit: str | None = None, quality: int = 0) -> list[tuple[Any, ...]]:
    return [("linz", "m", "p", AT_US, value, unit, quality, 0)]
