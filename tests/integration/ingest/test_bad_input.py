"""What cannot become a reading is in quarantine with its bytes, topic, time and what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import create_engine

from services.core.store.readings import quarantine as stored
from tests.contract.ingest.traffic import publish
from tests.integration.ingest.plant import METER, Plant
from tests.patience import until

pytestmark = [pytest.mark.broker, pytest.mark.database]

_TWO_MEBIBYTES = b'{"ts": 1700000000, "values": {"import-energy": 1}}'.ljust(2 << 20)
_MANY = json.dumps({"ts": 1700000000, "values": {f"c{i}": i for i in range(10_001)}}).encode()


@dataclass(frozen=True)
class Bad:
    """A message, and the reason it is to be quarantined for."""

    reason: str
    payload: bytes
    topic: str = METER


def _with(value: str, *, good_at: int) -> bytes:
    """A good reading of one channel beside a bad one of another."""
    return (
        f'{{"ts": {good_at}, "values": {{"import-energy": 1, "import-power": {value}}}}}'.encode()
    )


WHOLE = [
    Bad("malformed_json", b'{"ts": 1700000000, "values": {"import-energy": 1'),
    Bad("malformed_json", b"\xff\xfe\x00"),
    Bad("malformed_json", b" "),
    Bad("not_a_reading", b'"hello\\u0000"'),
    Bad("bad_time", b'{"values": {"import-energy": 1}}'),
    Bad("bad_time", b'{"ts": "2026-11-23T18:00:00", "values": {"import-energy": 1}}'),
    Bad("absurd_time", b'{"ts": "1970-01-01T00:00:00Z", "values": {"import-energy": 1}}'),
    Bad("absurd_time", b'{"ts": "2106-02-07T06:28:15Z", "values": {"import-energy": 1}}'),
    Bad("too_large", _TWO_MEBIBYTES),
    Bad("too_many_values", _MANY),
    Bad("unknown_facility", b"{}", "emissions/wels/meter-grid/readings"),
    Bad("unknown_device", b"{}", "emissions/linz/meter-x/readings"),
    Bad("unknown_channel", b'{"ts": 1700000000, "values": {"x\\u0000\\ud800": 1}}'),
    Bad("bad_topic", b'{"ts": 1700000000, "values": {}}', "emissions/linz/readings"),
    Bad("bad_topic", b"x", "emissions/linz/meter-grid/phase/1/readings"),
    Bad("bad_topic", b"x", "emissions/Linz/meter-grid/readings"),
    Bad("bad_status", b"asleep", "emissions/linz/meter-grid/status"),
]

BESIDE_GOOD = [
    Bad("bad_value", _with('"12.5"', good_at=1_700_000_001)),
    Bad("not_finite", _with("NaN", good_at=1_700_000_002)),
    Bad("not_finite", _with("1e999", good_at=1_700_000_003)),
    Bad("unit_not_convertible", _with('{"v": 1, "u": "m3"}', good_at=1_700_000_004)),
    Bad("bad_quality", _with('{"v": 1, "q": "superb"}', good_at=1_700_000_005)),
    Bad(
        "unknown_channel",
        b'{"ts": 1700000006, "values": {"import-energy": 1, "import-enrgy": 1}}',
    ),
]


def test_each_is_quarantined_and_the_good_readings_beside_it_are_stored(plant: Plant) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    plant.started()
    bad = WHOLE + BESIDE_GOOD
    publish(plant.broker.port, [(each.topic, each.payload) for each in bad])
    plant.publish('{"ts": 1700000007, "values": {"import-energy": 1}}')
    plant.holds(quarantine=len(bad))
    entries = plant.quarantine()
    assert [(e["reason"], e["topic"], bytes(e["payload"])) for e in entries] == [
        (each.reason, each.topic, each.payload) for each in bad
    ]
    for entry in entries:
        assert began < entry["received_at"] < datetime.now(UTC) + timedelta(seconds=5)
        what, _, advice = entry["detail"].partition("; ")
        assert what
        assert advice
    stored = [(name, ts.timestamp(), value) for name, ts, value, _ in plant.readings()]
    # the gauge holds what it held no longer: each refused value of it leaves a gap
    assert stored == [
        *(("import-energy", 1_700_000_001.0 + i, 1.0) for i in range(len(BESIDE_GOOD) + 1)),
        *(("import-power", 1_700_000_001.0 + i, None) for i in range(len(BESIDE_GOOD) - 1)),
    ]
    assert plant.end() == 0


def test_a_value_outside_the_channels_range_is_kept_for_judgement(plant: Plant) -> None:
    plant.started()
    plant.publish(
        '{"ts": 1700000000, "values": {"co2": 25.5, "flow": 1}}',
        topic="emissions/linz/cems-1/readings",
    )
    # and a gap in its place: what the channel held, it holds no longer
    plant.holds(readings=2, quarantine=1)
    (entry,) = plant.quarantine()
    assert (entry["reason"], entry["device"], entry["channel"], entry["value"]) == (
        "out_of_range",
        "cems-1",
        "co2",
        25.5,
    )


def test_ten_thousand_bad_values_do_not_keep_the_message_ten_thousand_times(plant: Plant) -> None:
    plant.started()
    values = {"import-energy": 1, **{f"c{i}": i for i in range(9_999)}}
    plant.publish(json.dumps({"ts": 1700000000, "values": values}))
    plant.holds(readings=1, quarantine=1)


def test_readiness_says_when_most_is_refused(plant: Plant) -> None:
    plant.started()
    plant.publish(*[b"{"] * 30)
    plant.holds(quarantine=30)
    until(
        lambda: plant.state.get("mostly_refused"),
        "ingest says that most messages are refused",
    )


def test_the_listing_pages_from_the_newest_and_cuts_payloads(plant: Plant) -> None:
    plant.started()
    plant.publish(b"{", b"[" * 3000, b"x")
    plant.holds(quarantine=3)
    bind = create_engine(plant.database.replace("postgresql", "postgresql+psycopg", 1))
    with bind.connect() as connection:

        def page(**options: object) -> list[stored.QuarantineItem]:
            statement = stored.select_page(**options)  # type: ignore[arg-type]
            return [stored.item(dict(row)) for row in connection.execute(statement).mappings()]

        newest, middle = page(limit=2, payload_bytes=4)
        assert (newest.payload, middle.payload, middle.payload_bytes) == (b"x", b"[[[[", 3000)
        assert [i.payload for i in page(limit=2, before_id=middle.id)] == [b"{"]
        assert page(limit=9, reasons=["conflict"]) == []
        assert len(page(limit=9, facilities=["linz"], devices=["meter-grid"], states=["open"])) == 3
        (row,) = connection.execute(stored.select_item(middle.id)).mappings()
        assert stored.item(dict(row)).payload == b"[" * 3000
    bind.dispose()


def test_a_device_that_has_filled_its_part_of_quarantine_is_shed_and_others_are_not(
    plant: Plant,
) -> None:
    with psycopg.connect(plant.database, autocommit=True) as superuser:
        superuser.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility, device)"
            " SELECT 'bad_value', '', '', '', 'linz', 'meter-grid' FROM generate_series(1, 100000)"
        )
    plant.started()
    plant.publish(b"{", b'{"ts": 1700000000, "values": {"import-energy": 1, "x": 1}}')
    plant.publish(b"{", topic="emissions/linz/cems-1/readings")
    plant.holds(readings=1, quarantine=100_001)
    until(lambda: plant.state.get("shed") == 2, "readiness says what was dropped")
    assert plant.said("quarantine is full") >= 1
