"""What must hold of a decoder's answer, whatever the bytes were."""

from __future__ import annotations

import math
from typing import Final

from services.ingest.decode.observation import (
    MAX_VALUES,
    TIME_FROM_BROKER,
    Decoder,
    UndecodableError,
)

#: 2026-11-23T18:30:00Z
RECEIVED_US: Final = 1_795_458_600_000_000


def holds(decoder: Decoder, payload: bytes) -> bool:
    """Decode a payload, and hold what comes against the promise; whether readings came."""
    try:
        decoded = decoder(payload, RECEIVED_US)
    except UndecodableError as error:
        tells(error.detail)
        return False
    assert len(decoded.observations) <= 2 * MAX_VALUES
    for observation in decoded.observations:
        assert isinstance(observation.channel, str)
        assert type(observation.ts_us) is int
        assert observation.value is None or (
            type(observation.value) is float and math.isfinite(observation.value)
        )
        assert observation.unit is None or isinstance(observation.unit, str)
        assert observation.quality in range(5)
        assert observation.time_source in {0, TIME_FROM_BROKER}
    for problem in decoded.problems:
        tells(problem.detail)
    return bool(decoded.observations)


def tells(text: str) -> None:
    """A refusal is a sentence that somebody can read."""
    assert 0 < len(text) < 500
