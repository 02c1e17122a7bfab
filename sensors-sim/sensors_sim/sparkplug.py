"""An edge node of Sparkplug B with its devices, as the specification wants it; it has no network.

It returns what is to be published, and takes what arrives. Sparkplug 3.0, sections 5.4 to 5.14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sensors_sim.sparkplug_bytes import Metric, payload

_NAMESPACE: Final = "spBv1.0"

#: What a rebirth is asked for with; its bytes stand in no other command.
_REBIRTH: Final = b"Node Control/Rebirth"

_SEQUENCE: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """What is to be published, not retained, at quality of service 0; a will at 1."""

    topic: str
    payload: bytes


@dataclass(kw_only=True, slots=True)
class EdgeNode:
    """An edge node; metrics are named in births, and by aliases from then on."""

    group: str
    edge_node: str
    #: of the edge node itself, and of its devices by name; as they are at present
    metrics: dict[str, Metric] = field(default_factory=dict)
    devices: dict[str, dict[str, Metric]] = field(default_factory=dict)
    uses_aliases: bool = True
    bd_seq: int = -1
    _seq: int = 0
    _aliases: dict[tuple[str, str], int] = field(default_factory=dict)

    def will(self, now_ms: int) -> Publication:
        """Begin a connection: return the will that it is opened with."""
        self.bd_seq = (self.bd_seq + 1) % _SEQUENCE
        return self.death(now_ms)

    def death(self, now_ms: int) -> Publication:
        """Return what ends it, by itself or by the broker."""
        return self._publication("NDEATH", "", payload([self._bd_seq()], timestamp_ms=now_ms))

    def births(self, now_ms: int) -> list[Publication]:
        """Return what a connection begins with, and what a rebirth is."""
        self._seq = 0
        self._aliases = {
            (device, name): number
            for number, (device, name) in enumerate(
                [
                    *(("", name) for name in self.metrics),
                    *((device, name) for device, own in self.devices.items() for name in own),
                ],
                start=1,
            )
        }
        control = Metric(
            name=_REBIRTH.decode(), datatype="Boolean", value=False, timestamp_ms=now_ms
        )
        node = [self._bd_seq(), control, *self._named("", self.metrics, now_ms)]
        births = [self._publication("NBIRTH", "", self._numbered(node, now_ms))]
        births += [self.device_birth(device, now_ms) for device in self.devices]
        return births

    def device_birth(self, device: str, now_ms: int) -> Publication:
        """Return the birth of one device."""
        named = self._named(device, self.devices[device], now_ms)
        return self._publication("DBIRTH", device, self._numbered(named, now_ms))

    def device_death(self, device: str, now_ms: int) -> Publication:
        """Return the death of one device."""
        return self._publication("DDEATH", device, self._numbered([], now_ms))

    def data(
        self,
        device: str,
        values: Mapping[str, float | None],
        now_ms: int,
        *,
        historical: bool = False,
    ) -> Publication:
        """Set metrics of a device, or of the edge node itself (""), and return what tells it."""
        own = self.devices[device] if device else self.metrics
        changed: list[Metric] = []
        for name, value in values.items():
            own[name] = replace(own[name], value=value)
            changed.append(
                replace(
                    own[name],
                    name=None if self.uses_aliases else name,
                    alias=self._aliases[device, name] if self.uses_aliases else None,
                    timestamp_ms=now_ms,
                    with_type=False,
                    is_historical=historical,
                    properties={},
                )
            )
        verb = "DDATA" if device else "NDATA"
        return self._publication(verb, device, self._numbered(changed, now_ms))

    def hear(self, topic: str, command: bytes, now_ms: int) -> list[Publication]:
        """Take a command; return what it asks for."""
        if topic == f"{_NAMESPACE}/{self.group}/NCMD/{self.edge_node}" and _REBIRTH in command:
            return self.births(now_ms)
        return []

    def _bd_seq(self) -> Metric:
        return Metric(name="bdSeq", datatype="Int64", value=self.bd_seq)

    def _named(self, device: str, own: Mapping[str, Metric], now_ms: int) -> list[Metric]:
        return [
            replace(
                metric,
                name=name,
                alias=self._aliases[device, name] if self.uses_aliases else None,
                timestamp_ms=now_ms,
            )
            for name, metric in own.items()
        ]

    def _numbered(self, metrics: Sequence[Metric], now_ms: int) -> bytes:
        numbered = payload(metrics, timestamp_ms=now_ms, seq=self._seq)
        self._seq = (self._seq + 1) % _SEQUENCE
        return numbered

    def _publication(self, verb: str, device: str, content: bytes) -> Publication:
        levels = [_NAMESPACE, self.group, verb, self.edge_node, *([device] if device else [])]
        return Publication(topic="/".join(levels), payload=content)
