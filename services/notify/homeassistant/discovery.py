"""The message by which Home Assistant (2024.11 or later) discovers a facility as one device.

Home Assistant documents which classes and units of sensors go together: ``weight`` is a
``measurement`` only, so sums that begin anew with the day, the month or the year have no device
class; and no class knows kg/h.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

from services.core.timeline.windows import TO_DATE
from services.notify.homeassistant.topics import totals_topic
from services.notify.homeassistant.totals import SOURCE_WINDOWS, WINDOWS

_WINDOW_NAMES: Final = {
    "1h": "CO2 of the last hour",
    "today": "CO2 today",
    "month": "CO2 this month",
    "year": "CO2 this year",
}
_COVERAGE_NAMES: Final = {
    "1h": "Coverage of the last hour",
    "today": "Coverage today",
    "month": "Coverage this month",
    "year": "Coverage this year",
}
_RATE: Final = {"unit_of_measurement": "kg/h", "state_class": "measurement"}
_COVERAGE: Final = {"unit_of_measurement": "%", "state_class": "measurement"}

#: Longer names of sources are cut: with all of them, a message has less than the 1 MiB of a broker.
_NAME_LENGTH: Final = 80

#: Home Assistant removes a component of which the message says no more than this.
_REMOVED: Final = {"platform": "sensor"}


def discovery_message(
    facility: str,
    *,
    name: str,
    sources: Mapping[str, str],
    gone: Iterable[str],
    expire_after_s: int,
    page: str | None,
) -> dict[str, Any]:
    """Build the message that announces a facility.

    ``sources``: the names of those that have sensors, by id; ``gone``: ids of those that may have
    had some; ``expire_after_s``: how long a figure stands without being told again; ``page``:
    address of the page that shows the facility, if it is known.
    """
    release = version("tonne")
    sensors = {**_of_facility(), **_of_sources(sources)}
    return {
        "device": {
            "identifiers": [f"tonne_{facility}"],
            "name": name,
            "manufacturer": "tonne",
            "model": "CO2 totals",
            "sw_version": release,
            **({} if page is None else {"configuration_url": page}),
        },
        "origin": {"name": "tonne", "sw_version": release},
        "components": {
            **{
                key: {
                    "platform": "sensor",
                    "unique_id": f"tonne_{facility}_{key}",
                    "expire_after": expire_after_s,
                    **sensor,
                }
                for key, sensor in sensors.items()
            },
            **{key: _REMOVED for source in gone for key in _of_source(source, "")},
        },
        "state_topic": totals_topic(facility),
        "qos": 1,
    }


def _of_facility() -> dict[str, dict[str, Any]]:
    sensors = {
        "rate": {"name": "CO2 rate", "value_template": "{{ value_json.rate_kg_h }}", **_RATE},
        "newest_minute": {
            "name": "Newest data",
            "device_class": "timestamp",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.newest_minute }}",
        },
    }
    for window in WINDOWS:
        path = f"value_json.totals['{window}']"
        sensors[f"co2_{window}"] = _mass(_WINDOW_NAMES[window], path, window)
        sensors[f"coverage_{window}"] = {
            "name": _COVERAGE_NAMES[window],
            "entity_category": "diagnostic",
            "value_template": f"{{{{ {path}.coverage_percent }}}}",
            **_COVERAGE,
        }
    return sensors


def _of_sources(sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {
        key: sensor
        for source, name in sources.items()
        for key, sensor in _of_source(source, name).items()
    }


def _of_source(source: str, name: str) -> dict[str, dict[str, Any]]:
    path = f"value_json.sources['{source}']"
    if len(name) > _NAME_LENGTH:
        name = f"{name[: _NAME_LENGTH - 1]}…"
    return {
        f"source_{source}_rate": {
            "name": f"{name}: CO2 rate",
            "value_template": f"{{{{ {path}.rate_kg_h }}}}",
            **_RATE,
        },
        **{
            f"source_{source}_{window}": _mass(
                f"{name}: {_WINDOW_NAMES[window]}", f"{path}.totals['{window}']", window
            )
            for window in SOURCE_WINDOWS
        },
    }


def _mass(name: str, path: str, window: str) -> dict[str, Any]:
    """Describe a sensor of a mass, which late readings also correct downwards."""
    sensor = {
        "name": name,
        "unit_of_measurement": "kg",
        "value_template": f"{{{{ {path}.co2_kg }}}}",
    }
    if window not in TO_DATE:
        return {**sensor, "device_class": "weight", "state_class": "measurement"}
    return {
        **sensor,
        "state_class": "total",
        "last_reset_value_template": f"{{{{ {path}.since }}}}",
    }
