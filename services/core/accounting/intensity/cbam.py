"""Embedded emissions of a production process, as the carbon border adjustment mechanism has them.

Regulation (EU) 2023/956, Annex IV: of simple goods SEE = AttrEm / AL, of complex goods
SEE = (AttrEm + EE_InpMat) / AL with EE_InpMat = sum of M_i SEE_i over the precursors; AttrEm are
the direct and indirect emissions attributed to the process, AL its activity level. What is
attributed follows Implementing Regulation (EU) 2023/1773 of 17 August 2023, Annex III, for the
transitional period, and (EU) 2025/2547 of 10 December 2025 from 2026 on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final, Literal

CbamGoods = Literal["cement", "iron-and-steel", "aluminium", "fertilisers", "hydrogen"]

#: Goods whose emissions are CO2 alone (2023/956, Annex I); of the others CO2e is told.
_CO2_ALONE: Final = frozenset({"cement", "iron-and-steel", "hydrogen"})
#: Goods of which only direct emissions count from 2026 on (2023/956, Annex II).
_DIRECT_ALONE: Final = frozenset({"iron-and-steel", "aluminium", "hydrogen"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CbamPolicy:
    """A rule by which embedded emissions are reported, and the day from which on it holds."""

    name: str
    source: str
    published: date
    first: date
    #: False: of all goods indirect emissions are reported
    direct_alone: bool

    def counts_indirect(self, goods: CbamGoods) -> bool:
        """Return whether indirect emissions are among a good's embedded emissions."""
        return not (self.direct_alone and goods in _DIRECT_ALONE)


#: By the day from which on each holds.
POLICIES: Final = (
    CbamPolicy(
        name="eu-2023-1773",
        source="Commission Implementing Regulation (EU) 2023/1773, transitional period",
        published=date(2023, 9, 15),
        first=date(2023, 10, 1),
        direct_alone=False,
    ),
    CbamPolicy(
        name="eu-2025-2547",
        source="Commission Implementing Regulation (EU) 2025/2547, definitive period",
        published=date(2025, 12, 22),
        first=date(2026, 1, 1),
        direct_alone=True,
    ),
)


def policy_on(day: date) -> CbamPolicy:
    """Return the policy of a period that begins on a day; before the first one it is the first."""
    return next((p for p in reversed(POLICIES) if p.first <= day), POLICIES[0])


def is_co2_alone(goods: CbamGoods) -> bool:
    """Return whether a good's emissions are CO2 alone; else CO2e."""
    return goods in _CO2_ALONE


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """What an amount of something carries with it, or takes away, in kg."""

    #: None: nothing is known of the amount
    amount: Fraction | None
    direct_kg: Fraction
    indirect_kg: Fraction = Fraction()


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedEmissions:
    """Emissions of a process in kg, exactly; None: a part is not known."""

    direct_kg: Fraction | None
    indirect_kg: Fraction | None
    precursors_direct_kg: Fraction | None
    precursors_indirect_kg: Fraction | None

    def by_unit(self, amount: Fraction | None, *, with_indirect: bool) -> Fraction | None:
        """Return the specific embedded emissions; None: they are not known, or nothing was made."""
        direct, indirect = self.direct_by_unit(amount), self.indirect_by_unit(amount)
        if not with_indirect:
            return direct
        return None if direct is None or indirect is None else direct + indirect

    def direct_by_unit(self, amount: Fraction | None) -> Fraction | None:
        """Return what is direct of the process and its precursors."""
        return _by_unit(self.direct_kg, self.precursors_direct_kg, amount)

    def indirect_by_unit(self, amount: Fraction | None) -> Fraction | None:
        """Return what is of electricity used for the process and its precursors."""
        return _by_unit(self.indirect_kg, self.precursors_indirect_kg, amount)


def _by_unit(
    process_kg: Fraction | None, precursors_kg: Fraction | None, amount: Fraction | None
) -> Fraction | None:
    if process_kg is None or precursors_kg is None or amount is None or amount <= 0:
        return None
    return (process_kg + precursors_kg) / amount


def embedded(
    direct_kg: Fraction | None,
    indirect_kg: Fraction | None,
    precursors: Iterable[Embedded],
    deductions: Iterable[Embedded],
) -> EmbeddedEmissions:
    """Add up what is attributed to a process, and what its precursors carry.

    ``deductions`` are taken off direct emissions: heat and waste gases that leave, electricity that
    is produced.
    """
    used, left = list(precursors), list(deductions)
    of_left = _sum((part.amount, part.direct_kg) for part in left)
    return EmbeddedEmissions(
        direct_kg=None if direct_kg is None or of_left is None else direct_kg - of_left,
        indirect_kg=indirect_kg,
        precursors_direct_kg=_sum((part.amount, part.direct_kg) for part in used),
        precursors_indirect_kg=_sum((part.amount, part.indirect_kg) for part in used),
    )


def _sum(parts: Iterable[tuple[Fraction | None, Fraction]]) -> Fraction | None:
    total = Fraction()
    for amount, kg in parts:
        if amount is None:
            return None
        total += amount * kg
    return total
