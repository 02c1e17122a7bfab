"""Bodies in SenML (RFC 8428), JSON or CBOR: a record's name says whose value it is.

The last part of a name is the channel, the one before it the device, the one before that the
facility; a name has slashes or colons between its parts. What a name leaves out the address says.
"""

from __future__ import annotations

import re
from typing import Final

from services.core.timeline.instants import from_us
from services.ingest.bodies.records import NO_TIME_TOLD, Records, UnusableBodyError, record
from services.ingest.decode import senml, senml_pack
from services.ingest.decode.observation import TIME_FROM_BROKER, Problem, UndecodableError
from services.ingest.quarantine.reasons import Reason

_BETWEEN: Final = re.compile(r"[/:]")


_TIME: Final = "send bt and t that add up to seconds since 1970"


def read(body: bytes, records: Records) -> None:
    """Take the records of a pack.

    :raises UnusableBodyError: it is no pack.
    """
    try:
        pack = senml_pack.read(body, limit=None)
        for index, (name, taken) in enumerate(senml.by_name(pack)):
            if taken is None:
                # it says only what holds for those after it
                continue
            if isinstance(taken, Problem):
                records.refuse(taken.reason, taken.detail, index=index)
                continue
            if taken.time_source == TIME_FROM_BROKER:
                records.refuse(Reason.BAD_TIME, NO_TIME_TOLD, index=index, advice=_TIME)
                continue
            *before, channel = _BETWEEN.split(name)
            if not channel:
                records.refuse(
                    Reason.MALFORMED_SENML, "its name ends before the channel", index=index
                )
                continue
            records.add(
                record(from_us(taken.ts_us), channel, taken.value, unit=taken.unit),
                index=index,
                device=before[-1] if before else None,
                facility=before[-2] if len(before) > 1 else None,
            )
    except UndecodableError as error:
        detail = error.detail.replace("the payload", "the body")
        raise UnusableBodyError(f"{detail}; send one pack as RFC 8428 describes it") from None
