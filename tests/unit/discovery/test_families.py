"""Each family's devices are recognised by their own messages, and adopted as its file has them."""

from __future__ import annotations

from typing import Final

import pytest

from sensors_sim.hj212 import framed
from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.observing import Observed, fitted, needs_family, observe
from services.core.facility.discovery.pieces import ChosenChannel, device
from services.core.facility.discovery.proposals import ProposedChannel, channels
from services.core.facility.families.catalogue import DocumentedMessage, Family, families
from services.core.facility.model import FacilityFile
from services.core.store.registry import unapplied
from services.ingest import trial
from services.ingest.discovery.recogniser import Recogniser
from services.ingest.sources.source import Message
from services.ingest.trial import Taken
from tests.contract.ingest.formats.station import ARRIVAL, BOUNDS

#: Families that say themselves what stands where, with how they are recognised.
ELSEWHERE: Final = {
    "node-red": "its messages are tonne's own",
    "senml": "a pack says its units by itself",
}

#: Of these a table has what makers document of every model; their files have more of some.
BY_TABLE: Final = {"shelly-gen1", "shelly-gen2", "tasmota", "zigbee2mqtt"}

NOW = ARRIVAL.timestamp()


def heard(recogniser: Recogniser, message: DocumentedMessage) -> list[Observed]:
    """What discovery learns of a message."""
    payload = message.payload.encode()
    observed = observe(message.topic, payload, NOW)
    if needs_family(observed, message.topic):
        fits = recogniser.fits(message.topic, payload, ARRIVAL)
        if fits:
            return [fitted(observed, fit) for fit in fits]
    return [] if observed is None else [observed]


def learn(learned: Learned, observed: Observed, topic: str) -> Learned:
    if observed.fit is not None:
        learned.fit(topic, observed.fit, NOW)
    learned.take(topic, observed.numbers, NOW, time=observed.time, units=observed.units)
    return Learned.from_json(learned.as_json())


def adopted(family: str, learned: Learned, proposed: list[ProposedChannel]) -> FacilityFile:
    """A facility of the device alone, as it would be adopted with all that its family has."""
    chosen = [
        ChosenChannel(
            topic=c.topic, path=c.path, id=c.id, unit=c.unit or "1", kind=c.kind, example=c.example
        )
        for c in proposed
        if c.example is not None or (c.included and learned.recognised is None)
    ]
    piece = device(family, "adopted", chosen, learned, timezone="Europe/Vienna")
    return FacilityFile.model_validate(
        {
            "facility": {"id": "site", "name": "Site", "timezone": "Europe/Vienna"},
            "devices": [piece],
        }
    )


def readings(file: FacilityFile, message: DocumentedMessage) -> set[str]:
    """Value and unit of what a message is in a facility."""
    verdicts = trial.verdicts(
        unapplied.devices(file),
        Message(
            topic=message.topic, payload=message.payload.encode(), received_at=ARRIVAL, token=None
        ),
        BOUNDS,
    )
    return {
        "no value" if v.value is None else f"{v.value:.15g} {v.channel.unit}"
        for v in verdicts
        if isinstance(v, Taken)
    }


def documented(reading: str) -> str:
    """Value and unit of a reading as a family writes it."""
    return " ".join(reading.split()[1:3])


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_its_own_messages_are_recognised_and_adopted_give_its_readings(family: Family) -> None:
    if family.name in ELSEWHERE:
        pytest.skip(ELSEWHERE[family.name])
    recogniser = Recogniser()
    by_topic: dict[tuple[str, str], Learned] = {}
    messages = [message for message in family.messages() if message.readings]
    # of a topic that users choose, what tells little is recognised once another has told more
    for number, message in enumerate([*messages, *messages]):
        own = {documented(reading) for reading in message.readings}
        got: set[str] = set()
        names: list[str] = []
        for observed in heard(recogniser, message):
            key = (message.topic, observed.place.key if observed.shares_topic else "")
            learned = learn(by_topic.get(key, Learned()), observed, message.topic)
            by_topic[key] = learned
            if number < len(messages):
                continue
            names.append(observed.place.family)
            proposed = channels(observed.place.family, learned)
            got |= readings(adopted(observed.place.family, learned, proposed), message)
        if number < len(messages):
            continue
        assert names, f"{message.topic}: nobody's device"
        missing = own - got
        allowed = len(own) - 1 if family.name in BY_TABLE else 0
        assert len(missing) <= allowed, (message.topic, names, missing)


TASMOTA_LIKE = '{"Time":"2026-11-23T18:29:00+00:00","E320":{"E_in":123.4,"E_out":1.2,"Power":456}}'


def test_other_names_are_written_into_the_familys_file_and_local_times_are_the_facilitys() -> None:
    (fit,) = Recogniser().fits("energy/growatt", GROTT.encode(), ARRIVAL)
    assert fit.recognised.reason == "energy/growatt, 2 of 2 values as roof of grott"
    observed = fitted(None, fit)
    learned = learn(Learned(), observed, "energy/growatt")
    file = adopted("grott", learned, channels("grott", learned))
    (written,) = file.devices
    assert written.where == {"device": ("XYZ1234567",)}
    assert written.timestamp is not None
    assert written.timestamp.timezone == "Europe/Vienna"


GROTT = """{"device": "XYZ1234567", "time": "2026-11-23T19:29:00", "buffered": "no",
"values": {"pvserial": "XYZ1234567", "pvpowerout": 5000, "pvenergytotal": 123456}}"""


def test_the_closest_family_wins_and_says_which_others_fitted() -> None:
    (fit,) = Recogniser().fits("tele/WattWaechter_AABBCC/SENSOR", TASMOTA_LIKE.encode(), ARRIVAL)
    assert fit.recognised.family == "wattwaechter"
    assert fit.values == {"import": 123.4, "export": 1.2, "power": 456.0}


def test_each_id_of_a_gateways_message_is_a_device() -> None:
    payload = (
        '{"Boiler":[{"ts":1763922000000,"values":{"energy":101.5}}],'
        '"Chiller":[{"ts":1763922000000,"values":{"energy":7.5,"temperature":4}}]}'
    )
    fits = Recogniser().fits("v1/gateway/telemetry", payload.encode(), ARRIVAL)
    assert {fit.label: dict(fit.values) for fit in fits} == {
        "Boiler": {"energy": 101.5},
        "Chiller": {"energy": 7.5, "temperature": 4.0},
    }
    assert len({fit.key for fit in fits}) == 2


def test_an_id_that_no_database_stores_names_no_device() -> None:
    payload = b'{"Boiler\\u0000":[{"ts":1763922000000,"values":{"energy":101.5}}]}'
    assert Recogniser().fits("v1/gateway/telemetry", payload, ARRIVAL) == []


def test_a_flood_of_devices_fills_a_bounded_number() -> None:
    recogniser = Recogniser()
    payload = b'{"time":"2026-11-23T18:29:00Z","object":{"power_consumption":1,"active_power":2}}'
    fitted_ones = sum(
        bool(recogniser.fits(f"application/a/device/{i:016x}/event/up", payload, ARRIVAL))
        for i in range(400)
    )
    assert 10 < fitted_ones < 200
    assert not recogniser.fits("application/a/device/x/event/up", b"x" * 20_000, ARRIVAL)


@pytest.mark.parametrize(
    ("command", "factors", "place", "counted"),
    [
        ("2011", "a05024-Rtd=0.5,a05024-Flag=N,a05024-Info=1", "a05024.Rtd", []),
        ("2011", "a05001-Rtd=9,a05001-ZsRtd=8;a05024-Rtd=0.5", "a05024.Rtd", ["co2"]),
        ("2061", "a05024-Avg=0.5,a05024-Cou=9", "hour.a05024.Avg", []),
    ],
)
def test_codes_of_a_station_that_its_family_lacks_are_listed_and_not_counted(
    command: str, factors: str, place: str, counted: list[str]
) -> None:
    region = f"DataTime=20261123180000;{factors}"
    frame = framed(f"ST=31;CN={command};PW=123456;MN={MN};Flag=5;CP=&&{region}&&")
    (fit,) = Recogniser().fits(f"hj212/{MN}", frame, ARRIVAL)
    proposed = channels("hj212", learn(Learned(), fitted(None, fit), f"hj212/{MN}"))
    assert [channel.id for channel in proposed if channel.included] == counted
    (other,) = (channel for channel in proposed if not channel.included)
    assert (other.path, other.last, other.unit, other.kind) == (place, 0.5, None, "gauge")


MN: Final = "010000A8900016F000169DC0"
