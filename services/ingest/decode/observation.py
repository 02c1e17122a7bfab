"""What every wire format decodes into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.ingest.quarantine.reasons import Reason

#: Payloads of this size and more are not decoded.
TOO_LARGE_BYTES: Final = 1 << 20

#: More values than this in one message are not decoded.
MAX_VALUES: Final = 10_000

#: quality as sent -> quality as stored
QUALITY: Final[Mapping[str, int]] = {
    "good": 0,
    "uncertain": 1,
    "bad": 2,
    "calibration": 3,
    "maintenance": 4,
}

GOOD: Final = 0

#: time_source as stored
TIME_FROM_DEVICE: Final = 0
TIME_FROM_BROKER: Final = 1
#: as TIME_FROM_BROKER, and the message may have waited in the broker before it arrived here
TIME_AFTER_WAITING: Final = 2


#: told by the device in a message of its own that came before
TIME_FROM_MESSAGE_BEFORE: Final = 3


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One value of one channel, as the device said it."""

    channel: str
    #: microseconds since the epoch, UTC
    ts_us: int
    #: None: an explicit gap
    value: float | None
    #: None: the channel's own unit
    unit: str | None
    quality: int
    time_source: int = TIME_FROM_DEVICE


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing of a message that cannot become a reading; the rest of the message still can."""

    reason: Reason
    detail: str
    channel: str | None = None
    ts_us: int | None = None
    value: float | None = None
    #: by which it names devices that nobody registered
    unknown_ids: tuple[str, ...] = ()
    #: number of the record of the message that it is of, from 0; None: not known
    record: int | None = None


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """What a payload holds."""

    observations: list[Observation]
    problems: list[Problem] = []


class RefusedError(Exception):
    """Something of a message cannot be used."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class UndecodableError(RefusedError):
    """Nothing of a payload can be used."""


class UnreadableValueError(RefusedError):
    """One value cannot be read; the others of its message go on."""


#: (payload, arrival in microseconds since the epoch) -> what it holds.
#: Raises UndecodableError and nothing else, whatever the payload.
Decoder = Callable[[bytes, int], Decoded]

#: A part of a facility file, validated, as the registry stores it.
Part = Mapping[str, Any]

#: (the device's part, those of its channels whose values come at the topic) -> the topic's decoder.
#: Raises ValueError, KeyError or TypeError if the parts cannot be used.
DecoderFactory = Callable[[Part, Sequence[Part]], Decoder]
