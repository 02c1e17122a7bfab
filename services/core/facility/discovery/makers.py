"""What the makers document of the numbers that their devices publish: unit, kind and a short name.

Of a family in this table only what is named here is proposed; the sources are the pages that
deploy/docs/howto/devices names for each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.core.facility.discovery import families

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A number that a maker documents."""

    #: name of a channel
    name: str
    unit: str
    kind: Kind
    #: whether everybody wants it; others are offered
    included: bool = True


_COMPONENT: Final = r"(?:switch|pm1|cover|light|rgb|rgbw|cct|em|em1|emdata|em1data):(?P<n>\d+)"

#: A pattern of topic and path together, parted by a space, and what stands there.
_TABLE: Final[dict[str, tuple[tuple[str, str, str, Kind], ...]]] = {
    families.SHELLY_2: (
        (r"aenergy\.total", "energy", "Wh", "counter"),
        (r"ret_aenergy\.total", "returned", "Wh", "counter"),
        (r"total_act|total_act_energy", "import", "Wh", "counter"),
        (r"total_act_ret|total_act_ret_energy", "export", "Wh", "counter"),
        (r"apower|act_power|total_act_power", "power", "W", "gauge"),
    ),
    families.SHELLY_1: (
        (r"total", "import", "Wh", "counter"),
        (r"total_returned", "export", "Wh", "counter"),
        (r"energy", "energy", "Wmin", "counter"),
        (r"power", "power", "W", "gauge"),
    ),
    families.ZIGBEE2MQTT: (
        (r"energy", "energy", "kWh", "counter"),
        (r"produced_energy", "export", "kWh", "counter"),
        (r"power", "power", "W", "gauge"),
    ),
    families.TASMOTA: (
        (r"ENERGY\.Total(?:\[\d+\])?", "energy", "kWh", "counter"),
        (r"ENERGY\.ExportActive(?:\[\d+\])?", "export", "kWh", "counter"),
        (r"ENERGY\.Power(?:\[\d+\])?", "power", "W", "gauge"),
    ),
}
#: Where a family's names end and the place of the component begins.
_IN_TOPIC: Final = re.compile(rf"/status/{_COMPONENT}\Z")
_IN_PATH: Final = re.compile(rf'params\."{_COMPONENT}"\.(?P<rest>.+)\Z')
_GEN_1: Final = re.compile(r"/(?P<what>relay|emeter|meter|roller)/(?P<n>\d+)/(?P<rest>[a-z_]+)\Z")
_INDEX: Final = re.compile(r"\[(?P<n>\d+)\]\Z")


def has_table(family: str, path: str) -> bool:
    """Whether a family's maker documents all that counts; of optical heads at Tasmota none does."""
    return family in _TABLE and (family != families.TASMOTA or "ENERGY." in path)


def known(family: str, topic: str, path: str) -> Known | None:
    """Return what the maker documents of a number; None: nothing, or that it counts for nothing."""
    number, rest = _part(family, topic, path)
    if rest is None:
        return None
    for pattern, name, unit, kind in _TABLE.get(family, ()):
        if re.fullmatch(pattern, rest):
            # what a first-generation meter counts since it was switched on, "total" counts for good
            is_second_best = (
                family == families.SHELLY_1 and name == "energy" and "/emeter/" in topic
            )
            return Known(
                name=f"{name}-{number}" if number else name,
                unit=unit,
                kind=kind,
                included=not is_second_best,
            )
    return None


def _part(family: str, topic: str, path: str) -> tuple[int, str | None]:
    """Return which component of a device a number is of, and its name there."""
    if family == families.SHELLY_1:
        match = _GEN_1.search(topic)
        return (int(match["n"]), match["rest"]) if match and path == "@" else (0, None)
    if family == families.SHELLY_2:
        match = _IN_PATH.match(path) if topic.endswith("/events/rpc") else None
        if match is not None:
            return int(match["n"]), match["rest"]
        match = _IN_TOPIC.search(topic)
        return (int(match["n"]), path) if match is not None else (0, None)
    if family == families.TASMOTA:
        match = _INDEX.search(path)
        return (int(match["n"]) if match else 0), path.removeprefix("StatusSNS.")
    return 0, path
