"""Totals with the band they are known to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.core.accounting.uncertainty import Part, band
from services.core.store.answers.source_uncertainty import SourceAccount

_UG_PER_KG = 1_000_000_000


def kg(micrograms: float) -> float:
    """Micrograms as kilograms."""
    return micrograms / _UG_PER_KG


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMass:
    """What one source emitted from ``begins`` to before ``ends``; micrograms of CO2."""

    account: SourceAccount | None
    co2_ug: int
    begins: datetime
    ends: datetime


def band_kg(masses: Iterable[SourceMass], zone: ZoneInfo) -> tuple[float | None, float | None]:
    """The 95 % interval of the masses' sum, in kg.

    Nones where a source among them does not state how well it is known: a band that leaves a part
    out would promise too much.
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
    found = band(parts)
    return found.low_kg, found.high_kg
