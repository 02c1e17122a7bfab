"""Carry energy through a storage: what is discharged emits what its charging did.

A storage is filled in one hour and emptied in others. Losses are borne by what comes out: of
100 kWh that were charged at 85 % there are 85 to come out, with all of the mass. What is in it is
one mixture, so each discharge has the mean of what was charged before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StorageHours:
    """What a storage gives back in each hour."""

    #: of what is discharged, the part whose charging is known
    known_kwh: Floats
    #: what that emits, by mass as :func:`carry` was given them
    kg: Floats
    #: what can still come out at the end of the hour, and its masses
    stored_kwh: Floats
    stored_kg: Floats


def carry(
    charged_kwh: Floats, charged_kg: Floats, discharged_kwh: Floats, *, efficiency: float
) -> StorageHours:
    """Return what is given back by hour, from an empty storage on.

    ``charged_kg``: masses by row, what charging emitted by hour. ``efficiency``: what comes out of
    what goes in, 0.85 of 85 %. In one hour charging comes first.
    """
    hours = charged_kwh.size
    known, out_kg = np.zeros(hours), np.zeros_like(charged_kg)
    stored, stored_kg = np.zeros(hours), np.zeros_like(charged_kg)
    content, mass = 0.0, np.zeros(charged_kg.shape[0])
    busy = (charged_kwh > 0) | (discharged_kwh > 0)
    last = 0
    for hour in np.flatnonzero(busy).tolist():
        stored[last:hour], stored_kg[:, last:hour] = content, mass[:, np.newaxis]
        last = hour
        content += charged_kwh[hour] * efficiency
        mass = mass + charged_kg[:, hour]
        taken = min(float(discharged_kwh[hour]), content)
        if taken > 0:
            known[hour], out_kg[:, hour] = taken, mass * (taken / content)
            mass = mass - out_kg[:, hour]
            content -= taken
    stored[last:], stored_kg[:, last:] = content, mass[:, np.newaxis]
    return StorageHours(known_kwh=known, kg=out_kg, stored_kwh=stored, stored_kg=stored_kg)
