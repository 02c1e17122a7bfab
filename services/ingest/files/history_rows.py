"""Which rows of a file are history, and which of them are plainly readings.

A row is of history if its channel is known and its time lies between the oldest that is believed
and the first day that is not packed. It is plain if its value lies where no value needs a second
look, by the bounds that ingest itself looks at first. Everything else goes the way of messages
(:mod:`.row_messages`), where it is judged one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from services.core.accounting.units import UnitError, conversion
from services.ingest.check import FLOAT_MARKERS_FROM
from services.ingest.files.row_messages import quality_code
from services.ingest.files.rows import UNSTATED, Bools, FileRows, Floats, Integers, Names, Place
from services.ingest.resolve import Directory, Publisher
from services.ingest.target import Target

#: Of channels that nobody knows nothing is plain.
_NOBODY: Final = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryRows:
    """Rows of history, in the channels' units."""

    facility: Integers
    channel: Integers
    ts_us: Integers
    #: 0 where missing
    value: Floats
    missing: Bools
    quality: Integers
    place: Integers
    line: Integers
    #: its number among the rows of its piece of a file
    row: Integers
    #: it is plain
    is_plain: Bools

    def __len__(self) -> int:
        return self.ts_us.size

    def where(self, chosen: Bools | Integers | slice) -> HistoryRows:
        """Return those chosen."""
        return HistoryRows(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def joined(cls, parts: list[HistoryRows]) -> HistoryRows:
        """Return the rows of at least one part, one after the other."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


class KnownPlaces:
    """What the registry says of the channels that files name, as arrays by the place's number."""

    def __init__(self, names: Names, directory: Directory) -> None:
        self._names = names
        self._directory = directory
        self._targets: list[tuple[Publisher, Target] | None] = []
        self.facility = self.channel = self.device = np.zeros(0, dtype=np.int64)
        self.lowest = self.highest = np.zeros(0)
        #: readings from before may be those of a wrong clock
        self.alone_until_us = np.zeros(0, dtype=np.int64)

    def learn(self) -> None:
        """Look up places that were numbered since."""
        new = self._names.places.words[len(self._targets) :]
        if not new:
            return
        self._targets += [self._target(place) for place in new]
        known = self._targets
        self.facility = np.array([_NOBODY if k is None else k[1].facility_id for k in known])
        self.channel = np.array([_NOBODY if k is None else k[1].channel_id for k in known])
        self.device = np.array([_NOBODY if k is None else k[0].device_id for k in known])
        self.alone_until_us = np.array([0 if k is None else k[1].alone_until_us for k in known])
        # nothing lies above infinity
        self.lowest = np.array([np.inf if k is None else k[1].plain_lowest for k in known])
        self.highest = np.array([-np.inf if k is None else k[1].plain_highest for k in known])

    def _target(self, place: Place) -> tuple[Publisher, Target] | None:
        facility, device, channel = place
        publisher = self._directory.publisher(facility, device)
        target = None if publisher is None else publisher.targets.get(channel)
        return None if publisher is None or target is None else (publisher, target)

    def __getitem__(self, number: int) -> tuple[Publisher, Target] | None:
        return self._targets[number]


def history_rows(
    rows: FileRows, names: Names, places: KnownPlaces, bounds: tuple[int, int]
) -> HistoryRows:
    """Return the rows that are history.

    :param places: all that the rows name is learned.
    :param bounds: of the times of history, in microseconds since the epoch, the end exclusive.
    """
    begins, ends = bounds
    chosen = (
        (places.channel[rows.place] != _NOBODY)
        # a day before the epoch has no number that orders with those after it
        & (rows.ts_us >= max(begins, 0))
        & (rows.ts_us < ends)
    )
    value, is_convertible = _in_units(rows, names, places)
    qualities = np.array([quality_code(name) for name in names.qualities.words], dtype=np.int64)
    quality = qualities[rows.quality]
    with np.errstate(invalid="ignore"):
        is_possible = (
            (places.lowest[rows.place] <= value)
            & (value <= places.highest[rows.place])
            & (np.abs(rows.value) < FLOAT_MARKERS_FROM)
        )
    is_plain = (quality >= 0) & is_convertible & (is_possible | rows.missing)
    place = rows.place[chosen]
    return HistoryRows(
        facility=places.facility[place],
        channel=places.channel[place],
        ts_us=rows.ts_us[chosen],
        value=np.where(rows.missing, 0.0, value)[chosen],
        missing=rows.missing[chosen],
        quality=quality[chosen],
        place=place,
        line=rows.line[chosen],
        row=np.flatnonzero(chosen),
        is_plain=is_plain[chosen],
    )


def _in_units(rows: FileRows, names: Names, places: KnownPlaces) -> tuple[Floats, Bools]:
    """Return values in the channels' units, and which of the units can be converted."""
    is_convertible = np.ones(rows.line.size, dtype=np.bool_)
    value = rows.value
    units = names.units.words
    if units == [UNSTATED]:
        return value, is_convertible
    pairs = rows.place * len(units) + rows.unit
    for pair in np.unique(pairs).tolist():
        known, unit = places[pair // len(units)], units[pair % len(units)]
        if known is None or unit in {UNSTATED, known[1].unit}:
            continue
        chosen = pairs == pair
        try:
            converted = conversion(unit, known[1].unit)(value[chosen])
        except UnitError:
            is_convertible[chosen] = False
            continue
        value = value.copy() if value is rows.value else value
        value[chosen] = converted
    return value, is_convertible
