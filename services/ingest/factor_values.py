"""What a message at a series' topic holds: values as ``POST /v1/factors/{factor}/values`` takes."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.core.facility import value_plausibility
from services.core.facility.errors import FacilityFileError
from services.core.facility.value_file import read_json
from services.core.facility.value_plausibility import ImplausibleValueError
from services.core.store.factor_series.inbox import SentValues
from services.core.store.factor_series.names import Series
from services.core.timeline.instants import to_us
from services.ingest.decode.observation import MAX_VALUES, UndecodableError
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.source import Message

#: Problems named one by one.
_MAX_NAMED: Final = 10


def read(message: Message, series: Series) -> SentValues:
    """Read the values of a message: all of them, or none.

    A value that does not say since when it could be known is known since the message came. What
    the broker kept for new subscribers came nobody knows when: of that, such values are left out.

    :raises UndecodableError: with every problem.
    """
    arrived_at = message.arrived_at
    try:
        values = read_json(message.payload, arrived_at, series.slug)[series.slug]
        value_plausibility.check(series.slug, series.unit, values)
    except FacilityFileError as error:
        raise UndecodableError(Reason.BAD_FACTOR_VALUES, _summary(error)) from None
    except ImplausibleValueError as error:
        raise UndecodableError(Reason.BAD_FACTOR_VALUES, str(error)) from None
    if values.hours.size > MAX_VALUES:
        raise UndecodableError(
            Reason.TOO_MANY_VALUES, f"the message has {values.hours.size} values"
        )
    is_dated = values.known_at_us != 0
    taken = is_dated if message.retained else np.ones_like(is_dated)
    arrived_us = to_us(arrived_at)
    known_at_us = np.where(is_dated, np.minimum(values.known_at_us, arrived_us), arrived_us)
    return SentValues(
        series_id=series.id,
        hours=values.hours[taken],
        kg=values.kg[taken],
        known_at_us=known_at_us[taken],
    )


def _summary(error: FacilityFileError) -> str:
    texts = [f"value {problem.line}: {problem.message}" for problem in error.problems[:_MAX_NAMED]]
    more = len(error.problems) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")
