"""Codes of HJ 212 that a station sends and its family's file does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.core.facility.hj212_mapping import PERIODS
from services.ingest.decode import hj212
from services.ingest.decode.observation import UndecodableError

#: Fields of a factor that are its value: of an instant, and a period's mean.
_VALUES: Final = ("Rtd", "Avg")


def unlisted(payload: bytes, device: Mapping[str, Any]) -> dict[str, float]:
    """Return the values of other factors than a family's device names, by their places."""
    if device.get("format") != "hj212":
        return {}
    known = {_code(str(channel.get("from", ""))) for channel in device["channels"]}
    try:
        records = hj212.read(payload)
    except UndecodableError:
        return {}
    numbers: dict[str, float] = {}
    for record in records:
        for period in ("", *dict.fromkeys(PERIODS.values())):
            factors = record.get(period) if period else record
            if isinstance(factors, dict):
                numbers.update(_values_by_place(factors, f"{period}." if period else "", known))
    return numbers


def _values_by_place(factors: Mapping[str, Any], before: str, known: set[str]) -> dict[str, float]:
    return {
        f"{before}{code}.{field}": fields[field]
        for code, fields in factors.items()
        if isinstance(fields, dict) and code not in known and code.isidentifier()
        for field in _VALUES
        if isinstance(fields.get(field), float)
    }


def _code(place: str) -> str:
    """Return the code in a place such as ``hour.a00000.Cou``."""
    return place.rpartition(".")[0].rpartition(".")[2]
