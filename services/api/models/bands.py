"""Totals with their uncertainty band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.core.accounting.uncertainty import Part, band
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.schema.figures import MASSES

_UG_PER_KG = 1_000_000_000
_KEYS = tuple(mass.answer for mass in MASSES)


def kg(micrograms: float) -> float:
    """Convert micrograms to kilograms."""
    return micrograms / _UG_PER_KG


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
