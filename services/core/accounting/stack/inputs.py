"""What an equation takes: its inputs with unit and basis, and what a channel offers for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from services.core.accounting.stack.rounding import half_away
from services.core.accounting.units import UnitError, conversion


class Basis(StrEnum):
    """Whether a gas is counted with its water vapour (wet) or without (dry)."""

    WET = "wet"
    DRY = "dry"


@dataclass(frozen=True, kw_only=True)
class ChannelKind:
    """What a facility file declares of the channel that feeds an input.

    `quantity` and `unit` as declared; `basis` None where the file does not state one, which is
    taken as the basis the chosen equation needs.
    """

    quantity: str
    unit: str
    basis: Basis | None = None


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of an equation: the caller converts to `unit` before it computes.

    `recorded_places` is the number of decimals at which the rule records the hourly average
    (40 CFR 75.57; -3 is thousands), None where the rule names none.
    """

    name: str
    meaning: str
    quantity: str
    unit: str
    basis: Basis | None = None
    recorded_places: int | None = None

    def record(self, value: float | Decimal | None) -> Decimal | None:
        """Return an hourly average as the rule records it; None for a missing (NaN) one."""
        if value is None:
            return None
        exact = value if isinstance(value, Decimal) else Decimal(str(float(value)))
        if not exact.is_finite():
            return None
        if self.recorded_places is None:
            return exact
        return half_away(exact, self.recorded_places)


def mismatches(
    equation_id: str, wanted: tuple[Input, ...], offered: Mapping[str, ChannelKind]
) -> list[str]:
    """Return every reason why `offered` cannot feed the inputs `wanted`; empty if it can."""
    names = ", ".join(item.name for item in wanted)
    reasons = [
        f"{equation_id} takes no input called '{name}'; it takes {names}"
        for name in offered
        if all(item.name != name for item in wanted)
    ]
    for item in wanted:
        channel = offered.get(item.name)
        if channel is None:
            reasons.append(
                f"{equation_id} needs {item.meaning}: name a channel as its input '{item.name}'"
            )
            continue
        if channel.quantity != item.quantity:
            reasons.append(
                f"{equation_id} takes '{item.name}' as {item.quantity} in {item.unit}; "
                f"the channel gives {channel.quantity} in {channel.unit}"
            )
        else:
            try:
                conversion(channel.unit, item.unit)
            except UnitError as error:
                reasons.append(f"{equation_id} takes '{item.name}' in {item.unit}: {error}")
        if item.basis and channel.basis and channel.basis != item.basis:
            reasons.append(
                f"{equation_id} takes {item.meaning} on a {item.basis} basis; "
                f"the channel measures it {channel.basis}"
            )
    return reasons
