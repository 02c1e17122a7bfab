"""Numbers of formats that say themselves what stands where: SenML, and tonne's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services.core.facility import senml_names
from services.core.facility.discovery.payloads import MAX_NUMBERS, number_of


def of_senml(records: list[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the newest numbers of a pack (RFC 8428) and their units, by the records' names."""
    numbers: dict[str, float] = {}
    units: dict[str, str] = {}
    base_name, base_unit = "", None
    for record in records:
        base_name, base_unit = record.get("bn", base_name), record.get("bu", base_unit)
        base_value = number_of(record.get("bv", 0)) or 0.0
        value = number_of(record.get("v"))
        name = f"{base_name}{record.get('n', '')}"
        if value is None or (name not in numbers and len(numbers) >= MAX_NUMBERS):
            continue
        if not senml_names.is_name(name):
            # a decoder refuses its record, and no channel can name it
            continue
        numbers[name] = base_value + value
        unit = record.get("u", base_unit)
        if isinstance(unit, str):
            units[name] = unit
    return numbers, units


def of_native(document: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers of a message in tonne's own format and their units, by channel."""
    numbers: dict[str, float] = {}
    units: dict[str, str] = {}
    for channel, value in _native_values(document):
        unit = value.get("u") if isinstance(value, dict) else None
        number = number_of(value.get("v") if isinstance(value, dict) else value)
        if number is None or (channel not in numbers and len(numbers) >= MAX_NUMBERS):
            continue
        numbers[channel] = number
        if isinstance(unit, str):
            units[channel] = unit
    return numbers, units


def _native_values(document: Any) -> Iterator[tuple[str, Any]]:
    for reading in document if isinstance(document, list) else [document]:
        values = reading.get("values") if isinstance(reading, dict) else None
        if isinstance(values, dict):
            yield from values.items()
