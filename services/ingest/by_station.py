"""Settings that state something for each station by its MN, as ``TONNE_HJ212_*`` do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: Stands for every station that is not named.
_OTHERS: Final = "*"

_STATION: Final = re.compile(r"\*|[0-9A-Za-z_-]{1,64}")


class UnusableStationsError(ValueError):
    """A setting is no list of what belongs to stations; says where, and never what is in it."""


def stated(
    text: str, value: re.Pattern[str], *, setting: str, form: str, example: str
) -> Mapping[str, str]:
    """Read ``MN:VALUE`` by spaces, commas or lines; ``*:VALUE`` is of all others.

    :param form: of an entry, such as ``MN:PW``.
    :raises UnusableStationsError: an entry is none, or two are of one station.
    """
    by_station: dict[str, str] = {}
    for number, entry in enumerate(re.split(r"[\s,]+", text.strip()), start=1):
        station, _, secret = entry.partition(":")
        usable = _STATION.fullmatch(station) and value.fullmatch(secret)
        if not usable or station in by_station:
            raise UnusableStationsError(
                f"{setting}: entry {number} is not {form}, or its MN stands there twice; write"
                f" {example}, parted by spaces, * in place of the MN for all others"
            )
        by_station[station] = secret
    return by_station


def value_of(by_station: Mapping[str, str], station: str) -> str | None:
    """Return what is stated for a station; None: nothing is."""
    return by_station.get(station, by_station.get(_OTHERS))
