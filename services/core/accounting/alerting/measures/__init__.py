"""What thresholds can watch: a measure is one class, and every measure is in ``MEASURES``.

A measure says what it is called, which windows it takes, in which unit it counts, what it may
watch, and how its values follow from what was read for it. The facility file, the plan of what is
watched, the evaluation and the API ask the measure and know none by name. Measures that read the
same things have a common class: of :mod:`.emissions`, :mod:`.channels`, :mod:`.devices`,
:mod:`.pollutants`, :mod:`.products`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from services.core.accounting.alerting.measures import (
    channels,
    devices,
    emissions,
    pollutants,
    products,
)
from services.core.accounting.alerting.measures.measure import Measure

#: Every measure by its name, in the order in which they are listed.
MEASURES: Final[Mapping[str, Measure]] = {
    measure.name: measure
    for measure in (
        *emissions.MEASURES,
        *channels.MEASURES,
        *devices.MEASURES,
        *pollutants.MEASURES,
        *products.MEASURES,
    )
}

if TYPE_CHECKING:
    MeasureName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    MeasureName = Literal[tuple(MEASURES)]
