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
            if not OLDEST_US <= ts_us <= NEWEST_US:
                detail = (
                    NO_TIME_TOLD
                    if time is None
                    else f"{time} {precision} since 1970 lie beyond the years 1 to 9999"
                )
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
