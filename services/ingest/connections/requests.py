"""Which registers of a Modbus device are read at once; pure.

Registers that touch are one request, as many as the protocol allows: a number is never read in two
halves, nor apart from its power of ten where they stand side by side. Between registers that no
channel names a device may have none, so no request reaches over a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.core.facility.connections import REGISTERS

#: Modbus Application Protocol V1.1b3, sections 6.3 and 6.4.
MAX_REGISTERS: Final = 125


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Request:
    """Registers that follow each other."""

    function: Literal["holding", "input"]
    address: int
    count: int


def requests(channels: Sequence[Any]) -> list[Request]:
    """Return what is to be read for channels, by function and address."""
    wanted: set[tuple[Any, int, int]] = set()
    for channel in channels:
        register = channel["register"]
        function = register.get("function", "holding")
        wanted.add((function, register["address"], REGISTERS[register["type"]]))
        if (power_at := register.get("power_of_ten")) is not None:
            wanted.add((function, power_at, 1))
    joined: list[Request] = []
    for function, address, length in sorted(wanted):
        last = joined[-1] if joined else None
        if last is not None and last.function == function:
            end = max(last.address + last.count, address + length)
            if address <= last.address + last.count and end - last.address <= MAX_REGISTERS:
                joined[-1] = Request(
                    function=last.function, address=last.address, count=end - last.address
                )
                continue
        joined.append(Request(function=function, address=address, count=length))
    return joined
