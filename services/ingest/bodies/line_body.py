"""Bodies in line protocol: a field is a channel, the tags say whose it is.

``facility`` and ``device`` are tags, or what the address says; where nothing says the device, the
measurement is it. Other tags mean nothing.
"""

from __future__ import annotations

from typing import Final

from services.core.runtime.reading_door import Precision
from services.core.timeline.instants import from_us
from services.ingest.bodies.records import (
    MAX_RECORDS,
    NO_TIME_TOLD,
    Records,
    TooLargeBodyError,
    UnusableBodyError,
    record,
)
from services.ingest.decode import line_protocol
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import UndecodableError
from services.ingest.quarantine.reasons import Reason

#: Microseconds of one of each, as a fraction.
_MICROSECONDS: Final[dict[Precision, tuple[int, int]]] = {
    "ns": (1, 1000),
    "us": (1, 1),
    "ms": (1000, 1),
    "s": (1_000_000, 1),
}

#: How many of each a second has.
_PER_SECOND: Final[dict[Precision, int]] = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}

#: Seconds since 1970 that a meter's clock may say: 2001 to 2286.
_LIKELY_S: Final = range(10**9, 10**10)
_LIKELY_FROM_US: Final = _LIKELY_S.start * 10**6

_FORM: Final = "let nanoseconds stand behind the fields, or say ?precision=us, ms or s"


def read(
    body: bytes,
    records: Records,
    *,
    device: str | None,
    precision: Precision,
) -> None:
    """Take the lines of a body; a field is a record.

    :raises UnusableBodyError: a line is no line protocol; none is taken.
    :raises TooLargeBodyError: there are too many.
    """
    times, by = _MICROSECONDS[precision]
    ts_us, ts = OLDEST_US, from_us(OLDEST_US)
    try:
        for index, (number, line) in enumerate(line_protocol.lines(body)):
            if index == MAX_RECORDS:
                raise TooLargeBodyError(
                    f"the body has more than {MAX_RECORDS} lines; send fewer at once"
                )
            time = line.get("time")
            before_us, ts_us = ts_us, NEWEST_US + 1 if time is None else time * times // by
            if not _LIKELY_FROM_US <= ts_us <= NEWEST_US and (
                detail := _problem(time, ts_us, precision)
            ):
                records.refuse(Reason.BAD_TIME, detail, index=index, line=number, advice=_FORM)
                continue
            tags = line["tags"]
            if ts_us != before_us:
                ts = from_us(ts_us)
            its_device = tags.get("device") or device or line["measurement"]
            for channel, value in line["fields"].items():
                records.add(
                    record(ts, channel, value),
                    index=index,
                    line=number,
                    facility=tags.get("facility"),
                    device=its_device,
                )
    except UndecodableError as error:
        raise UnusableBodyError(error.detail.replace("the payload", "the body")) from None


def _problem(time: int | None, ts_us: int, precision: Precision) -> str | None:
    """Return what is wrong with a time, or nothing if it may be old only."""
    if time is None:
        return NO_TIME_TOLD
    if not OLDEST_US <= ts_us <= NEWEST_US:
        return f"{time} {precision} since 1970 lie beyond the years 1 to 9999"
    for coarser, number in _PER_SECOND.items():
        if time // number in _LIKELY_S:
            return f"{time} {precision} lie in 1970, and as {coarser} in our times"
    return None
