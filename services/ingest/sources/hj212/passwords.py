"""Which password (PW) a station has to send, as ``TONNE_HJ212_PASSWORDS`` states it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Final

from services.ingest.stated_bounds import UnusableSettingError

#: Stands for every station that is not named.
_OTHERS: Final = "*"

_ENTRY: Final = re.compile(r"(?P<mn>\*|[0-9A-Za-z_-]{1,64}):(?P<password>[^\s,;=&]{1,64})")


class Passwords:
    """Passwords by MN; who is not named may send any."""

    def __init__(self, by_station: Mapping[str, str]) -> None:
        self._by_station = dict(by_station)

    def accept(self, station: str, password: str) -> bool:
        """Whether a station may send with a password."""
        wanted = self._by_station.get(station, self._by_station.get(_OTHERS))
        return wanted is None or hmac.compare_digest(wanted.encode(), password.encode())


def passwords(text: str) -> Passwords:
    """Read ``MN:PW`` by spaces, commas or lines; ``*:PW`` is of all others.

    :raises UnusableSettingError: an entry is none, or two are of one station.
    """
    by_station: dict[str, str] = {}
    for number, entry in enumerate(re.split(r"[\s,]+", text.strip()), start=1):
        match = _ENTRY.fullmatch(entry)
        if match is None or match["mn"] in by_station:
            # the entry itself is a secret
            raise UnusableSettingError(
                f"TONNE_HJ212_PASSWORDS: entry {number} is not MN:PW, or its MN stands there twice;"
                " write 010000A8900016F000169DC0:123456, parted by spaces, *:PW for all others"
            )
        by_station[match["mn"]] = match["password"]
    return Passwords(by_station)
