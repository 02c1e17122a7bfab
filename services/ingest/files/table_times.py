"""Times of a table, as its table file says that they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from services.core.facility.table_file import TableFile
from services.core.timeline.date_format import parse_date
from services.core.timeline.instants import DAY, to_us
from services.ingest.decode.instant import parse_date_time, parse_epoch
from services.ingest.decode.put_back import Instants
from services.ingest.decode.text_number import READERS
from services.ingest.files import date_forms
from services.ingest.files.date_forms import DateForm, date_form
from services.ingest.files.local_times import ManyLocalTimes
from services.ingest.files.number_columns import plain_numbers
from services.ingest.files.rows import NO_TIME, Integers, UnusableFileError

#: Hours and minutes of a day's end, which Python does not read.
_MIDNIGHT: Final = re.compile(r"(?<!\d)24:00")

_HALF_MS: Final = timedelta(microseconds=500)

#: RFC 3339 without a fraction, and what parts it; an offset is another than that of UTC.
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(Z|\+00:00)?", re.ASCII)

#: Seconds and milliseconds that are no date: see :func:`..decode.instant.parse_epoch`.
_SURE: Final = ((1e9, 1e10, 1e6), (1e12, 1e13, 1e3))


class TableTimes:
    """Reads times."""

    def __init__(self, table: TableFile) -> None:
        form, zone = table.time.format, table.time.timezone
        self._format = form
        self._form = None if form is None else date_form(form)
        self._unit = table.time.unit
        self._local_times = None if zone is None else ManyLocalTimes(ZoneInfo(zone))
        self._read = READERS[None]

    def instants(self, cells: Sequence[Any]) -> tuple[Integers, Integers]:
        """Return the two instants that each cell may mean, mostly the same.

        Microseconds since the epoch; ``NO_TIME`` where it tells none.

        :raises UnusableFileError: one has no offset, and the table file tells no zone.
        """
        if set(map(type, cells)) == {str}:
            plain = self._plain(cells)
            if plain is not None:
                return plain
        return self._one_by_one(cells)

    def _one_by_one(self, cells: Sequence[Any]) -> tuple[Integers, Integers]:
        # times of one instant stand beside each other in most tables
        keys = [(type(cell), cell) for cell in cells]
        none = Instants(NO_TIME, NO_TIME)
        meant = {key: self._meant_or_none(key[1]) or none for key in set(keys)}
        both = [meant[key] for key in keys]
        return (
            np.array([one.first_us for one in both], dtype=np.int64),
            np.array([one.second_us for one in both], dtype=np.int64),
        )

    def _plain(self, texts: Sequence[str]) -> tuple[Integers, Integers] | None:
        """Return the instants of texts that are all of one plain form; None: they are not."""
        if self._format is None and _RFC3339.fullmatch(texts[0]) is None:
            return self._epochs(texts)
        form, is_utc = self._form_of(texts[0])
        read = None if form is None else date_forms.read(texts, form)
        if read is None or not (is_utc or self._local_times):
            return None
        local_us, plain = read
        if is_utc or self._local_times is None:
            first_us, second_us = local_us, local_us.copy()
        else:
            # of a text that is no date nothing can be looked up
            first_us, second_us = self._local_times.instants_us(np.where(plain, local_us, 0))
        others = np.flatnonzero(~plain)
        first_us[others], second_us[others] = self._one_by_one([texts[i] for i in others.tolist()])
        return first_us, second_us

    def _form_of(self, text: str) -> tuple[DateForm | None, bool]:
        """Return the form of texts such as this, and whether it says that it is UTC."""
        if self._format is not None:
            return self._form, False
        match = _RFC3339.fullmatch(text)
        if match is None:
            return None, False
        seconds = ":%S" if match[2] else ""
        return date_form(f"%Y-%m-%d{match[1]}%H:%M{seconds}{match[3] or ''}"), match[3] is not None

    def _epochs(self, texts: Sequence[str]) -> tuple[Integers, Integers] | None:
        numbers = plain_numbers(texts, None)
        if numbers is None or self._unit is not None:
            return None
        for least, below, factor in _SURE:
            if ((numbers >= least) & (numbers < below)).all():
                us = np.rint(numbers * factor).astype(np.int64)
                return us, us.copy()
        return None

    def _meant_or_none(self, raw: Any) -> Instants | None:
        try:
            return self._meant(raw)
        except UnusableFileError:
            raise
        except (ValueError, OverflowError):
            return None

    def _meant(self, raw: Any) -> Instants | None:
        """Return the instants that a time may mean.

        :raises ValueError: it is none.
        """
        if isinstance(raw, datetime):
            # a workbook has days and their fractions
            near = raw + _HALF_MS
            return self._local(near.replace(microsecond=near.microsecond // 1000 * 1000))
        if isinstance(raw, date):
            return self._local(datetime.combine(raw, time()))
        if self._format is None and (epoch := self._read(raw)) is not None:
            us = parse_epoch(epoch, self._unit)
            return Instants(us, us)
        text = str(raw).strip()
        try:
            return self._local(self._moment(text))
        except ValueError:
            # only what is no time as it stands: 19:24:00 and 2024:00:15 are
            begun, count = _MIDNIGHT.subn("00:00", text)
            if not count:
                raise
            return self._local(self._moment(begun) + DAY)

    def _moment(self, text: str) -> datetime:
        if self._format is None:
            return parse_date_time(text)
        return parse_date(text, self._format)

    def _local(self, moment: datetime) -> Instants | None:
        if moment.tzinfo is not None:
            us = to_us(moment)
            return Instants(us, us)
        if self._local_times is None:
            raise UnusableFileError(
                f"the time {moment} has no offset: say timezone with time in the table file"
            )
        return self._local_times.instants(moment)
