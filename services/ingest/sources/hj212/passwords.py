"""Which password (PW) a station has to send, as ``TONNE_HJ212_PASSWORDS`` states it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Final

from services.ingest import by_station

_PASSWORD: Final = re.compile(r"[^\s,;=&]{1,64}")


class Passwords:
    """Passwords by MN; who is not named may send any."""

    def __init__(self, stated: Mapping[str, str]) -> None:
        self._stated = dict(stated)

    def accept(self, station: str, password: str) -> bool:
        """Whether a station may send with a password."""
        wanted = by_station.value_of(self._stated, station)
        return wanted is None or hmac.compare_digest(wanted.encode(), password.encode())


def passwords(text: str) -> Passwords:
    """Read ``MN:PW`` by spaces, commas or lines; ``*:PW`` is of all others.

    :raises UnusableStationsError: an entry is none, or two are of one station.
    """
    return Passwords(
        by_station.stated(
            text,
            _PASSWORD,
            setting="TONNE_HJ212_PASSWORDS",
            form="MN:PW",
            example="010000A8900016F000169DC0:123456",
        )
    )
