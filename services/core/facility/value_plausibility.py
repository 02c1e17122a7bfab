"""Whether values of a factor can be what they say: grams are often sent where kilograms are meant.

A value that is a thousand times too high would stand in every hour without a value of its own, too,
by the mean of its month and year. So it is refused where it comes in.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.core.accounting.units import convert, quantity_of
from services.core.facility.value_file import FactorValues
from services.core.timeline.instants import HOUR_US, from_us, rfc3339

#: kg of CO2 of a kWh of electricity or heat. Blast furnace gas (274.32 kg/mmBtu, 40 CFR 98 table
#: C-1), made into electricity with an efficiency of 30 %, is 3.1 kg/kWh.
MOST_KG_PER_KWH: Final = 10.0


class ImplausibleValueError(ValueError):
    """A value cannot be kilograms per unit; the message says which, and what to do."""


def check(factor: str, unit: str, values: FactorValues) -> None:
    """Refuse values of a factor of energy that nothing can emit; ``unit``: what they are per.

    :raises ImplausibleValueError: with the first of them.
    """
    if quantity_of(unit) != "energy":
        return
    most_kg = MOST_KG_PER_KWH * convert(1.0, unit, "kWh")
    beyond = np.flatnonzero(values.kg > most_kg)
    if beyond.size:
        first = int(beyond[0])
        hour = rfc3339(from_us(int(values.hours[first]) * HOUR_US), timespec="minutes")
        raise ImplausibleValueError(
            f"{factor}, value of {hour}: {values.kg[first]:g} kg of CO2 per {unit} is more than any"
            f" plant emits ({most_kg:g}); values are kilograms: divide grams by 1000"
        )
