"""What hours of a source came to at an instant, by the readings and the configuration of then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import psycopg

from services.core.store.computation import minutes_as_known
from services.core.store.schema.figures import CHECKED, names

#: Sums of an hour's minutes by figure, without what closing it added.
Sums = Mapping[str, int]


class Then:
    """The past of one source."""

    def __init__(self, connection: psycopg.Connection[Any], source_id: int) -> None:
        self._connection, self._source_id = connection, source_id
        self._source = minutes_as_known.sources(connection, [source_id]).get(source_id)

    def sums(self, hours: Collection[int], as_of: datetime) -> dict[int, Sums | None]:
        """Compute what the hours (since the epoch) came to at ``as_of``, aware; None: nobody knows.

        Of a source that was retired before, what they came to when it was.
        """
        sums, unknown = self.sums_and_unknown(hours, as_of)
        return {**sums, **dict.fromkeys(unknown)}

    def sums_and_unknown(
        self, hours: Collection[int], as_of: datetime
    ) -> tuple[dict[int, Sums], Mapping[int, str]]:
        """As :meth:`sums`, and why nobody knows what others came to."""
        if self._source is None or not hours:
            return {}, dict.fromkeys(hours, "the source is not there")
        then = minutes_as_known.minutes(self._connection, self._source, hours, as_of)
        sums: dict[int, Sums] = {
            hour: {
                name: 0
                if then.computed is None
                else int(then.computed.figures[name][then.of_hour(hour)].sum())
                for name in names(CHECKED)
            }
            for hour in hours
            if hour not in then.unknown
        }
        return sums, then.unknown
