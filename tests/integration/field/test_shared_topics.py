"""Gateways whose one topic carries the meters of several devices, or of several tenants."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.integration.field.bench import FieldBench

TOPIC = "plant/gw1c/meters"
ARRIVAL = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
MESSAGE = (
    '[{"macid":"Slave1","ts":1780305300,"kwh":"102.5"},{"macid":"Slave9","ts":1780305300,'
    '"kwh":"3"}]'
)


def tenant(facility: str, *slaves: int) -> str:
    """A facility whose meters are slaves of the gateway, a device each."""
    devices = "".join(
        f"""
  - id: {facility}-slave{n}
    topic: {TOPIC}
    format: json
    records: "[?macid=='Slave{n}']"
    timestamp: {{from: ts}}
    channels: [{{id: energy, from: kwh, quantity: energy, unit: kWh, kind: counter, max_rate: 100}}]
"""
        for n in slaves
    )
    return (
        f"facility: {{id: {facility}, name: {facility}, timezone: Asia/Kolkata}}\ndevices:{devices}"
    )


def test_a_second_tenant_of_a_gateway_takes_nothing_from_the_first(field: FieldBench) -> None:
    field.apply(tenant("first", 1, 2))
    field.deliver([(TOPIC, MESSAGE)], at=ARRIVAL)
    at = datetime.fromtimestamp(1780305300, UTC)
    assert field.readings("first-slave1.energy") == [(at, 102.5, 0)]
    field.apply(tenant("second", 9))
    field.deliver([(TOPIC, MESSAGE.replace("1780305300", "1780305360"))], at=ARRIVAL)
    later = datetime.fromtimestamp(1780305360, UTC)
    assert field.readings("first-slave1.energy") == [(at, 102.5, 0), (later, 102.5, 0)]
    assert field.readings("first-slave2.energy") == []
    assert field.readings("second-slave9.energy") == [(later, 3.0, 0)]
    assert field.quarantine() == []


def test_a_change_of_one_tenant_leaves_the_others_readings_alone(field: FieldBench) -> None:
    field.apply(tenant("first", 1))
    for k, other in enumerate((tenant("second", 9), tenant("second", 1), tenant("second", 7))):
        field.apply(other)
        field.deliver([(TOPIC, MESSAGE.replace("1780305300", str(1780305300 + k)))], at=ARRIVAL)
    assert [value for _, value, _ in field.readings("first-slave1.energy")] == [102.5] * 3


def test_what_neither_understands_is_told_to_both(field: FieldBench) -> None:
    field.apply(tenant("first", 1, 2))
    field.apply(tenant("second", 9))
    field.deliver([(TOPIC, "{")], at=ARRIVAL)
    found = [(row["facility"], row["device"], row["reason"]) for row in field.quarantine()]
    assert found == [
        ("first", None, "malformed_json"),
        ("second", "second-slave9", "malformed_json"),
    ]


def test_a_redelivered_refusal_is_kept_once_for_each(field: FieldBench) -> None:
    field.apply(tenant("first", 1))
    field.apply(tenant("second", 9))
    for redelivered in (True, True, False, True):
        field.deliver([(TOPIC, "{")], at=ARRIVAL, redelivered=redelivered)
    owners = sorted(row["facility"] for row in field.quarantine())
    assert owners == ["first", "first", "second", "second"]


def test_a_replay_for_one_tenant_tries_nothing_of_the_other(field: FieldBench) -> None:
    field.apply(tenant("first", 1))
    field.apply(tenant("second", 9))
    bad = MESSAGE.replace('"102.5"', '"?"').replace('"3"', '"?"')
    field.deliver([(TOPIC, bad)], at=ARRIVAL)
    assert [row["facility"] for row in field.quarantine()] == ["first", "second"]
    field.apply(tenant("first", 2))
    field.replay(facility="first")
    states = [(row["facility"], row["state"]) for row in field.quarantine()]
    assert states == [("first", "replayed"), ("second", "open")]
