"""Two sites whose devices have the same ids, because one integrator set them up alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from services.core.store.readings.replays import Selection
from tests.integration.field.bench import FieldBench

_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def _site(facility: str, factor: float, *, topic: str = "", device: str = "gas-1") -> str:
    own = f"topic: {topic}, format: json, timestamp: {{from: t}}, " if topic else ""
    path = f"from: '{facility}', " if topic else ""
    return f"""
facility: {{id: {facility}, name: {facility}, timezone: UTC}}
devices:
  - {{id: {device}, {own}channels: [
      {{id: volume, {path}quantity: volume, unit: m3, kind: counter, max_rate: 900}}]}}
factors: [{{id: gas, unit: m3, co2_kg: {factor}, citation: supplier}}]
sources: [{{id: boiler, scope: 1, method: activity, input: {device}.volume, factor: gas}}]
"""


def _said(facility: str, at: datetime, value: float | str) -> tuple[str, str]:
    payload = {"ts": at.isoformat(), "values": {"volume": value}}
    return f"emissions/{facility}/gas-1/readings", json.dumps(payload)


def test_each_sites_readings_and_totals_are_its_own(field: FieldBench) -> None:
    field.apply(_site("linz", 2.0))
    field.apply(_site("graz", 3.0))
    batch = []
    for k in range(61):
        at = _NOW + k * timedelta(minutes=1)
        batch += [_said("linz", at, 100.0 + k), _said("graz", at, 5000.0 + 2 * k)]
    field.deliver(batch, at=_NOW + _HOUR)
    field.settle(_NOW + 2 * _HOUR)
    assert field.quarantine() == []
    assert [v for _, v, _ in field.readings("gas-1.volume", facility="linz")][:2] == [100.0, 101.0]
    assert [v for _, v, _ in field.readings("gas-1.volume", facility="graz")][:2] == [
        5000.0,
        5002.0,
    ]
    assert field.total("boiler", facility="linz") == (60.0, 120.0)
    assert field.total("boiler", facility="graz") == (120.0, 360.0)


def test_quarantine_names_the_one_whose_message_it_is_and_no_other(field: FieldBench) -> None:
    field.apply(_site("linz", 2.0))
    field.deliver([_said("graz", _NOW, 1.0)], at=_NOW)
    field.apply(_site("graz", 3.0, device="gas-2"))
    field.deliver([_said("graz", _NOW, 1.0), _said("linz", _NOW, "?")], at=_NOW)
    entries = field.quarantine()
    assert [(e["facility"], e["device"], e["reason"]) for e in entries] == [
        ("graz", "gas-1", "unknown_facility"),
        ("graz", "gas-1", "unknown_device"),
        ("linz", "gas-1", "bad_value"),
    ]
    # what linz has is no business of graz: the same words as where nobody has such a device
    assert "linz" not in entries[1]["detail"]
    assert entries[1]["detail"].startswith("facility 'graz' has no device 'gas-1'")
    field.apply(_site("graz", 3.0))
    assert field.replay(facility="graz").restored == 2
    assert [(e["facility"], e["state"]) for e in field.quarantine()] == [
        ("graz", "replayed"), ("graz", "replayed"), ("linz", "open"),
    ]  # fmt: skip
    assert field.readings("gas-1.volume", facility="linz") == []


def test_a_refusal_of_one_is_not_taken_for_that_of_the_other(field: FieldBench) -> None:
    """Both take the same value from one message at a shared topic."""
    topic = "plant/gas"
    for facility, factor in (("linz", 2.0), ("graz", 3.0)):
        field.apply(_site(facility, factor, topic=topic))
    stamp = _NOW.timestamp()
    field.deliver([(topic, json.dumps({"t": stamp, "linz": 1.0, "graz": 5.0}))], at=_NOW)
    field.deliver([(topic, json.dumps({"t": stamp, "linz": 2.0, "graz": 2.0}))], at=_NOW)

    def entries() -> list[tuple[str, str, str, float]]:
        rows = sorted(field.quarantine(), key=lambda row: row["facility"])
        return [(e["facility"], e["reason"], e["state"], e["stored_value"]) for e in rows]

    before = [("graz", "conflict", "open", 5.0), ("linz", "conflict", "open", 1.0)]
    assert entries() == before
    # a second try of both in one step
    assert field.replay().refused == {"conflict": 2}
    assert entries() == before
    field.rows(
        "DELETE FROM reading r USING channel c, device d, facility f WHERE c.id = r.channel_id"
        " AND d.id = c.device_id AND f.id = d.facility_id AND f.slug = 'graz' RETURNING 1"
    )
    assert field.replay().restored == 1
    assert entries() == [("graz", "conflict", "replayed", 5.0), ("linz", "conflict", "open", 1.0)]
    assert [v for _, v, _ in field.readings("gas-1.volume", facility="graz")] == [2.0]
    assert [v for _, v, _ in field.readings("gas-1.volume", facility="linz")] == [1.0]


def test_a_lone_reading_waits_for_its_own_devices_back_fill(field: FieldBench) -> None:
    field.apply(_site("linz", 2.0))
    field.apply(_site("graz", 3.0))
    lone = datetime(2019, 12, 31, 23, 30, tzinfo=UTC)
    for facility in ("linz", "graz"):
        field.deliver([_said(facility, _NOW, 9.0)], at=_NOW)
        field.deliver([_said(facility, lone, 1.0)], at=_NOW)
    assert {e["reason"] for e in field.quarantine()} == {"stands_alone"}
    history = [_said("graz", lone + k * _HOUR, 1.0 + k) for k in range(-48, 48) if k]
    field.deliver(history, at=_NOW + timedelta(minutes=1))
    field.serve_replays()
    assert {e["facility"]: e["state"] for e in field.quarantine()} == {
        "linz": "open",
        "graz": "replayed",
    }
    assert len(field.readings("gas-1.volume", facility="linz")) == 1
    assert len(field.readings("gas-1.volume", facility="graz")) == 97


def test_a_selection_may_name_one_of_several_devices_of_an_id(field: FieldBench) -> None:
    field.apply(_site("linz", 2.0))
    field.apply(_site("graz", 3.0))
    field.deliver([_said(f, _NOW, "?") for f in ("linz", "graz")], at=_NOW)
    wanted = Selection(devices=("graz/gas-1", "linz/gas-2"))
    assert field.replay(chosen=wanted).tried == 1
    assert field.replay(chosen=Selection(devices=("gas-1",))).tried == 2
