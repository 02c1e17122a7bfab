"""Totals with their uncertainty band."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.uncertainty import Component, Part, band
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.schema.figures import MASSES, UG_PER_KG, kg

#: Up to here each whole number is a float.
_EXACT = 2**53
_KEYS = tuple(mass.answer for mass in MASSES)


def masses_kg(masses_ug: Sequence[float] | None) -> dict[str, float | None]:
    """Return masses, in the order in which the store has them, by their keys in answers."""
    if masses_ug is None:
        return dict.fromkeys(_KEYS)
    return {key: kg(micrograms) for key, micrograms in zip(_KEYS, masses_ug, strict=True)}


def rates_kg_h(rates_ug_h: Sequence[float] | None) -> dict[str, float | None]:
    """Return rates, in the order in which the store has masses, by their keys in answers."""
    return {f"{key}_h": rate for key, rate in masses_kg(rates_ug_h).items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMass:
    """What one source emitted from ``begins`` to before ``ends``; micrograms of CO2."""

    account: SourceAccount | None
    co2_ug: int
    begins: datetime
    ends: datetime


def band_kg(masses: Iterable[SourceMass], zone: ZoneInfo) -> tuple[float | None, float | None]:
    """Compute the 95 % interval of the sum of masses, in kg.

    Nones where a source does not state its uncertainty: a band that leaves a part out would be too
    narrow.
    """
    parts = []
    for mass in masses:
        components = None
        if mass.account is not None:
            components = mass.account.components(
                mass.begins.astimezone(zone).date(), mass.ends.astimezone(zone).date()
            )
        if components is None:
            return None, None
        parts.append(Part(kg=kg(mass.co2_ug), components=components))
    if not parts:
        return None, None
    limits = band(parts)
    return limits.low_kg, limits.high_kg


def kg_column(micrograms: NDArray[Any]) -> NDArray[np.float64]:
    """Convert many micrograms to kilograms, each to the very float that ``kg`` returns."""
    if micrograms.dtype == np.object_:
        return np.array([kg(mass) for mass in micrograms.tolist()], dtype=np.float64)
    masses_kg = micrograms / UG_PER_KG
    # as floats these would be rounded twice
    is_large = np.abs(micrograms) > _EXACT
    if is_large.any():
        masses_kg[is_large] = [kg(mass) for mass in micrograms[is_large].tolist()]
    return masses_kg


def band_columns(
    co2_kg: NDArray[np.float64],
    account: SourceAccount | None,
    first_days: NDArray[np.int64],
    last_days: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return :func:`band_kg` of many masses of one source, each by itself; NaN: it is not stated.

    ``first_days`` and ``last_days``: proleptic Gregorian ordinals of what each mass is of.
    """
    low, high = np.full(co2_kg.size, np.nan), np.full(co2_kg.size, np.nan)
    if account is None or not account.meters:
        return low, high
    of_days: NDArray[np.int64] = np.zeros(co2_kg.size, dtype=np.int64)
    day_ranges: NDArray[np.int64] = np.zeros((1, 2), dtype=np.int64) + 1
    if account.factor is not None:
        day_ranges, of_days = np.unique(
            np.column_stack((first_days, last_days)), axis=0, return_inverse=True
        )
    known: dict[tuple[Component, ...] | None, list[int]] = {}
    for index, (first, last) in enumerate(day_ranges.tolist()):
        components = account.components(date.fromordinal(first), date.fromordinal(last))
        known.setdefault(components, []).append(index)
    for components, indices in known.items():
        if components is not None:
            rows = np.isin(of_days.ravel(), indices)
            half_kg = _half_kg(co2_kg[rows], components)
            low[rows] = np.maximum(co2_kg[rows] - half_kg, np.minimum(co2_kg[rows], 0.0))
            high[rows] = co2_kg[rows] + half_kg
    return low, high


def _half_kg(
    masses_kg: NDArray[np.float64], components: Sequence[Component]
) -> NDArray[np.float64]:
    """Return half the width of the band of each mass, as :func:`uncertainty.band` adds it up."""
    errors: dict[str, list[NDArray[np.float64]]] = {}
    for component in components:
        errors.setdefault(component.id, []).append(masses_kg * component.percent / 100)
    of_causes = [
        group[0]
        if len(group) == 1
        else np.array(
            [math.fsum(errors_kg) for errors_kg in zip(*map(np.ndarray.tolist, group), strict=True)]
        )
        for group in errors.values()
    ]
    if len(of_causes) == 1:
        return np.abs(of_causes[0])
    # NumPy's hypot takes two, and rounds otherwise
    return np.array(list(map(math.hypot, *(group.tolist() for group in of_causes))))
