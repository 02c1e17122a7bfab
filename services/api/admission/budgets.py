"""Token buckets, one for each API key or address.

A few lines of our own instead of a library: see ``deploy/docs/adr`` on budgets.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final

#: How many clients a budget remembers; one that is forgotten begins with a full bucket.
_MAX_REMEMBERED: Final = 20_000


class Budget:
    """An amount per minute for each client, refilled evenly.

    The clock is monotonic, so that setting the system clock changes nothing.
    """

    def __init__(self, a_minute: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        #: what each client had left, and when; the most recent client comes last
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, who: str) -> float:
        """Return what ``who`` may still spend; below zero after an answer that cost more."""
        left, at_s = self._left.get(who, (self._a_minute, 0.0))
        return min(self._a_minute, left + (self._clock() - at_s) * self._a_minute / 60)

    def spend(self, who: str, amount: float) -> None:
        """Take ``amount``, even where less is left."""
        self._left[who] = (self.left(who) - amount, self._clock())
        self._left.move_to_end(who)
        while len(self._left) > _MAX_REMEMBERED:
            self._left.popitem(last=False)

    def wait_s(self, who: str, amount: float = 0.0) -> float:
        """Return how long until ``who`` may spend ``amount``; 0: now."""
        missing = amount - self.left(who)
        return max(0.0, missing * 60 / self._a_minute)


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """Name a client without a key: its IPv4 address, or the /64 of its IPv6 address.

    A client with one IPv6 address usually has all 2^64 of its network.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
