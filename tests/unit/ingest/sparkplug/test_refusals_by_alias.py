"""What comes by an alias alone and is refused: it lies in quarantine under its name."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.ingest.decode.sparkplug_payload import read
from services.ingest.quarantine.reasons import Reason
from services.ingest.sparkplug.effects import Forward
from services.ingest.sparkplug.topics import handed_topic
from tests.contract.ingest.formats.station import Station, station_of
from tests.unit.ingest.sparkplug.test_statements import Host

MINUTE: Final = timedelta(minutes=1)

FILE = """
facility: {id: linz, name: Linz, timezone: UTC}
devices:
  - id: meter
    format: sparkplug
    sparkplug: {group: Linz, edge_node: Gateway, device: Meter}
    channels:
      - {id: power, from: Power, quantity: power, unit: kW, kind: gauge, range: [0, 6]}
"""


def refused(host: Host, value: float) -> Station:
    """Hand over what the host makes of data that has an alias and no name."""
    station = station_of(FILE)
    publication = host.power(value)
    (sent,) = read(publication.payload).metrics
    assert (sent.name, sent.HasField("alias")) == ("", True)
    for effect in host.hear(publication):
        assert isinstance(effect, Forward)
        station.receive(handed_topic(effect.address), effect.payload, at=host.received_at + MINUTE)
    return station


def test_a_value_out_of_range_is_named_and_so_are_its_bytes() -> None:
    station = refused(Host().born(), 7.5)
    (entry,) = station.quarantine
    assert (entry.reason, entry.device, entry.channel, entry.value) == (
        Reason.OUT_OF_RANGE, "meter", "power", 7.5,
    )  # fmt: skip
    # a replay years later needs no birth
    (metric,) = read(entry.payload).metrics
    assert (metric.name, metric.double_value) == ("Power", 7.5)


def test_what_fits_is_stored() -> None:
    station = refused(Host().born(), 5.0)
    assert station.quarantine == []
    assert [(reading.channel, reading.value) for reading in station.readings] == [
        ("meter.power", 5.0)
    ]
