"""One message of each format through the real ingest, from the broker to the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import cbor2
import pytest

from tests.contract.ingest.formats.station import VARIOUS, example
from tests.contract.ingest.traffic import publish
from tests.integration.ingest.plant import METER, Plant
from tests.patience import until

pytestmark = [pytest.mark.broker, pytest.mark.database]

SIX_PM = datetime(2025, 11, 23, 18, tzinfo=UTC)
SIX_PM_S = int(SIX_PM.timestamp())


@dataclass(frozen=True)
class Sent:
    """A message and what is to be stored of it; the time None: that of its arrival."""

    topic: str
    payload: bytes
    stored: dict[str, float | None]
    ts: datetime | None = SIX_PM


SENT = [
    Sent(
        METER,
        b'{"ts": "2025-11-23T18:00:00Z", "values": {"import-energy": 18234.125}}',
        {"meter-grid.import-energy": 18234.125},
    ),
    Sent(
        "tele/pow1/SENSOR",
        b'{"Time":"2025-11-23T18:00:00","ENERGY":{"Total":6.294,"Power":2635,"Voltage":227}}',
        {"pow1.energy": 6.294, "pow1.power": 2635},
    ),
    Sent(
        "shellies/shellyem-b1e05a/emeter/0/total",
        b"1234567.8",
        {"shellyem-house.import": 1234567.8},
        ts=None,
    ),
    Sent(
        "shellypro3em-1234567890ab/events/rpc",
        b'{"method":"NotifyStatus","params":{"ts":%d.5,"em:0":{"total_act_power":-18.017}}}'
        % SIX_PM_S,
        {"shellypro3em-house.power": -18.017},
        ts=SIX_PM + timedelta(seconds=0.5),
    ),
    Sent(
        "zigbee2mqtt/PS5",
        b'{"energy":31.02,"last_seen":"2025-11-23T19:00:00+01:00","power":0,"state":"ON"}',
        {"ps5.energy": 31.02, "ps5.power": 0},
    ),
    Sent(
        "dsmr/json",
        b'{"timestamp":"2025-11-23T19:00:00+01:00","electricity_delivered_1":"5779.835"}',
        {"p1-json.import-low": 5779.835},
    ),
    Sent(
        "dsmr/reading/electricity_delivered_1",
        b"5779.835",
        {"p1-split.import-low": 5779.835},
        ts=None,
    ),
    Sent(
        "sma/90296857",
        b'{"1-0:1.8.0":{"value":83622,"time":%d},"UNKNOWN-OBIS-CODE":{"value":0,"time":0}}'
        % SIX_PM_S,
        {"sma-90296857.import": 83622},
    ),
    Sent("edge/edge0/channel/meter0/ActivePower", b"null", {"edge0-meter0.power": None}, ts=None),
    Sent(
        "emonhub/rx/10/values",
        b"10,11,0,0,230.1,12",
        {"emon-node10.power-1": 10, "emon-node10.power-2": 11, "emon-node10.energy": 12},
        ts=None,
    ),
    Sent(
        "boiler-house/v1/devices/me/telemetry",
        b'[{"ts":%d000,"values":{"energy":42.0}}]' % SIX_PM_S,
        {"boiler-house.energy": 42},
    ),
    Sent(
        "plant/gateway-1/senml",
        b'[{"bn":"urn:dev:mac:0024befffe804ff1:","n":"power","u":"W","t":%d,"v":500,"s":3.6e9}]'
        % SIX_PM_S,
        {"gateway-1.power": 0.5, "gateway-1.energy": 1000},
    ),
    Sent(
        "plant/gateway-1/senml",
        cbor2.dumps([{0: "gas", 1: "m3", 2: 1234.5, 6: SIX_PM_S}]),
        {"gateway-1.gas": 1234.5},
    ),
]

#: At each format's topic, what cannot be understood, and as what it is kept.
BAD = [
    (METER, b"\xff", "malformed_json"),
    ("tele/pow1/SENSOR", b'{"Time":"yesterday","ENERGY":{"Total":1}}', "bad_time"),
    ("shellies/shellyem-b1e05a/emeter/0/total", b"nan", "malformed_json"),
    ("zigbee2mqtt/PS5", b'{"energy":"high","last_seen":1763920800000}', "bad_value"),
    ("plant/gateway-1/senml", b"\x81\x01", "malformed_senml"),
    ("plant/gateway-1/senml", b'{"n":"gas","v":1}', "malformed_senml"),
]


@pytest.fixture
def stations(plant: Plant) -> Plant:
    """The plant with the devices of every example, and ingest running."""
    for name in VARIOUS:
        plant.apply(example(name))
    plant.started()
    return plant


def test_each_format_is_stored_with_its_time_and_whose_clock_told_it(stations: Plant) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    publish(stations.broker.port, [(each.topic, each.payload) for each in SENT])
    stations.holds(readings=sum(len(each.stored) for each in SENT), quarantine=0)
    found = {
        row["name"]: row
        for row in stations.rows(
            "SELECT d.slug || '.' || c.slug AS name, r.ts, r.value, r.time_source, r.received_at"
            " FROM reading r JOIN channel c ON c.id = r.channel_id"
            " JOIN device d ON d.id = c.device_id"
        )
    }
    for each in SENT:
        for name, value in each.stored.items():
            row = found[name]
            assert row["value"] == (None if value is None else pytest.approx(value, rel=1e-12)), (
                name
            )
            assert began < row["received_at"] < datetime.now(UTC) + timedelta(seconds=5)
            if each.ts is None:
                assert (row["time_source"], row["ts"]) == (1, row["received_at"]), name
            else:
                assert (row["time_source"], row["ts"]) == (0, each.ts), name


def test_what_cannot_be_understood_is_kept_and_keys_that_nobody_asked_for_are_not(
    stations: Plant,
) -> None:
    publish(
        stations.broker.port,
        [
            ("tele/pow1/SENSOR", b'{"Time":"2025-11-23T18:00:00","ANALOG":{"A0":7}}'),
            ("tele/pow1/STATE", b"{"),
            ("zigbee2mqtt/bridge/state", b"\xff"),
            *((topic, payload) for topic, payload, _ in BAD),
        ],
    )
    stations.holds(readings=0, quarantine=len(BAD))
    kept = [(e["topic"], bytes(e["payload"]), e["reason"]) for e in stations.quarantine()]
    # what comes by different subscriptions comes in no order
    assert sorted(kept) == sorted(BAD)


def test_a_new_devices_topic_is_heard_without_a_restart(plant: Plant) -> None:
    plant.started()
    plant.apply(example("openems"))
    topic = "edge/edge0/channel/meter0/ActivePower"

    def stored() -> int:
        publish(plant.broker.port, [(topic, b"2500")])
        return plant.count("reading")

    until(stored, "the new topic is subscribed")
    assert {row["time_source"] for row in plant.rows("SELECT time_source FROM reading")} == {1}
    assert plant.count("quarantine") == 0
