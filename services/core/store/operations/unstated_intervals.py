"""Channels whose data points a rule counts, and whose file states no interval: what readings tell.

Said at ``tonne apply``, so that whoever writes the file can state the interval that is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from sqlalchemy import Connection

from services.core.accounting.stack.data_points import hour_interval_us
from services.core.accounting.stack.validity import VALIDITY
from services.core.facility import assemble, model
from services.core.facility.assemble_pollutants import validity_of
from services.core.store.readings import history_arrays
from services.core.timeline.instants import HOUR_US

# An hour has no more at one a second; at a faster pace a part of it tells as well.
_NEWEST: Final = 3600

_CHANNEL = """
SELECT c.id
FROM facility f JOIN device d ON d.facility_id = f.id JOIN channel c ON c.device_id = d.id
WHERE f.slug = %(facility)s AND d.slug = %(device)s AND c.slug = %(channel)s
"""


def warnings(connection: Connection, file: model.FacilityFile) -> list[str]:
    """Return a sentence for each such channel."""
    return [
        f"{reference}: validity {validity} counts data points and the channel states no `every`;"
        f" {_learned(connection, file, reference)}"
        for reference, validity in sorted(set(_unstated(file)))
    ]


def _unstated(file: model.FacilityFile) -> Iterator[tuple[str, str]]:
    for source in file.sources:
        if not isinstance(source, model.StackSource):
            continue
        by_role: dict[str, str] = dict.fromkeys(
            filter(model.enters, source.channels), source.validity
        )
        for pollutant in source.pollutants or ():
            validity = validity_of(source, pollutant)
            by_role |= dict.fromkeys(map(pollutant.role, ("concentration", "oxygen")), validity)
        for role, reference in source.channels.items():
            channel = file.channel(reference)
            if channel is None or channel.every is not None or role not in by_role:
                continue
            if VALIDITY[by_role[role]].counts_points:
                yield reference, by_role[role]


def _learned(connection: Connection, file: model.FacilityFile, reference: str) -> str:
    device, _, channel_id = reference.partition(".")
    names = {"facility": file.facility.id, "device": device, "channel": channel_id}
    known = connection.exec_driver_sql(_CHANNEL, names).scalar()
    channel = file.channel(reference)
    assert channel is not None  # noqa: S101 - it is one of the file's
    none = np.zeros(0, dtype=np.int64)
    times_us = none if known is None else history_arrays.newest_times(connection, known, _NEWEST)
    newest = times_us[times_us > times_us[-1] - HOUR_US] if times_us.size else times_us
    interval_us = hour_interval_us(newest, assemble.channel_rule(channel).max_gap_us)
    if interval_us is None:
        return "it is learned when readings come; state it, such as every: 10s"
    seconds = f"{interval_us / 1e6:g}s"
    return f"its readings come every {seconds}: state every: {seconds} if that is meant"
