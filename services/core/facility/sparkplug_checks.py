"""What must hold in a facility file so that metrics of Sparkplug B become values of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.core.facility.devices import Device

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: Group, edge node, device and name.
Metric = tuple[str, str, str | None, str]


def problems(
    path: Path,
    device: Device,
    takers: dict[Metric, str],
    *,
    device_keys: Sequence[str],
    channel_keys: Sequence[str],
) -> Iterator[Finding]:
    """Find every reason why the device's channels could not be told from its metrics.

    ``takers``: which channel takes a metric, of the devices before. ``device_keys``,
    ``channel_keys``: those that map other formats.
    """
    advice = "maps another format; a metric of Sparkplug tells it itself: remove it"
    if device.sparkplug is None:
        mistake = f"{device.id} needs sparkplug: whose metrics its channels are, such as"
        yield path, f"{mistake} {{group: Linz, edge_node: Gateway, device: Meter 1}}"
    if device.topic is not None:
        yield (*path, "topic"), "topics of Sparkplug follow from group, edge_node and device"
    for key in device_keys:
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} {advice}"
    for j, channel in device.numbered:
        place = (*path, "channels", j)
        for key in channel_keys:
            if getattr(channel, key) is not None:
                yield (*place, key), f"{key} {advice}"
        name, address = channel.from_ or channel.id, device.sparkplug
        if address is None:
            continue
        taken = (address.group, address.edge_node, address.device, name)
        taker = takers.setdefault(taken, f"{device.id}.{channel.id}")
        if taker != f"{device.id}.{channel.id}":
            mistake = f"the metric {name} feeds {taker} already, and would count twice"
            yield (*place, "from"), f"{mistake}; one channel is enough"
