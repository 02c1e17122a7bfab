"""What of a source's emissions is a product's: exact shares, each for some days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

AllocationMethod = Literal["mass", "energy", "area", "money", "stated"]

WHOLE: Final = Fraction(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """What of a source is a product's from ``first`` to before ``end``; None: open."""

    source: str
    method: AllocationMethod | Literal["whole"]
    share: Fraction
    first: date | None = None
    end: date | None = None

    def holds(self, day: date) -> bool:
        """Return whether it holds on a day."""
        return (self.first is None or self.first <= day) and (self.end is None or day < self.end)

    def until(self, day: date | None) -> Allocation:
        """Return it ended on a day, if it does not end before."""
        ends = [end for end in (self.end, day) if end is not None]
        return replace(self, end=min(ends, default=None))

    @property
    def text(self) -> str:
        """Return how answers tell it."""
        return f"{self.source} {float(self.share):.6g} {self.method}"


def exact(value: float) -> Fraction:
    """Return the number that somebody wrote, not the float next to it."""
    return Fraction(Decimal(repr(value)))


def in_force(allocations: Iterable[Allocation], day: date) -> tuple[Allocation, ...]:
    """Return the allocations of a product that hold on a day."""
    return tuple(allocation for allocation in allocations if allocation.holds(day))


def changes(allocations: Iterable[Allocation]) -> list[date]:
    """Return the days, ascending, on which any allocation begins or ends to hold."""
    return sorted(
        {day for part in allocations for day in (part.first, part.end) if day is not None}
    )


def too_much(
    by_product: Sequence[tuple[str, Sequence[Allocation]]],
) -> Iterator[tuple[str, date | None, tuple[str, ...]]]:
    """Find sources of which more than the whole is shared out: source, first such day, products.

    A product that has two shares of a source at a time is one of them.
    """
    sources = dict.fromkeys(part.source for _, parts in by_product for part in parts)
    for source in sources:
        of_source = [
            (name, part) for name, parts in by_product for part in parts if part.source == source
        ]
        for day in (None, *changes(part for _, part in of_source)):
            holding = [
                (name, part)
                for name, part in of_source
                if (part.first is None if day is None else part.holds(day))
            ]
            names = [name for name, _ in holding]
            if sum(part.share for _, part in holding) > WHOLE or len(set(names)) < len(names):
                yield source, day, tuple(dict.fromkeys(names))
                break
