"""What the devices of a retired facility still send is kept, under a reason that says so."""

from __future__ import annotations

import itertools
import json

import pytest

from services.core.store.database.connect import engine
from services.core.store.operations.retire_facility import retire_facility
from tests.integration.ingest.plant import FILE, METER, Plant
from tests.integration.ingest.test_filter_changes import OVERLAP
from tests.patience import until

pytestmark = [pytest.mark.broker, pytest.mark.database]

OWN_TOPIC = "plant/pow1/energy"

POW1 = f"""  - id: pow1
    topic: {OWN_TOPIC}
    format: json
    timestamp: {{from: t}}
    channels: [{{id: e, from: e, quantity: energy, unit: kWh, kind: counter}}]
"""


def reading(number: int) -> str:
    return json.dumps({"ts": 1_700_000_000 + number, "values": {"import-power": 5}})


def retire(plant: Plant) -> None:
    bind = engine(plant.database, process="test")
    with bind.begin() as connection:
        retire_facility(connection, "linz", by="user anna", reason=None)
    bind.dispose()


def kept(plant: Plant) -> list[tuple[str, str, str]]:
    rows = plant.rows("SELECT reason, facility, device, detail FROM quarantine ORDER BY id")
    return [(row["reason"], f"{row['facility']}/{row['device']}", row["detail"]) for row in rows]


def count(plant: Plant) -> int:
    return int(plant.rows("SELECT count(*) FROM reading")[0]["count"])


def test_messages_go_to_quarantine_and_come_back_with_the_facility(plant: Plant) -> None:
    plant.started()
    numbers = itertools.count()

    def goes_on() -> None:
        """The device does not know that its facility is retired."""
        plant.publish(reading(next(numbers)))

    goes_on()
    until(lambda: count(plant) == 1, "the reading is stored")
    retire(plant)

    def refused() -> bool:
        goes_on()
        return bool(kept(plant))

    until(refused, "the message is in quarantine")
    reason, device, detail = kept(plant)[0]
    assert (reason, device) == ("retired_facility", "linz/meter-grid")
    assert detail.startswith("facility 'linz' was retired at 20")
    assert "bring the facility back with `tonne apply`" in detail
    sent = next(numbers)
    until(lambda: count(plant) + len(kept(plant)) == sent, "none is on its way")
    before = count(plant)
    plant.apply()
    goes_on()
    until(lambda: count(plant) == before + 1, "it is heard again")


def test_what_the_broker_still_holds_of_its_own_topics_is_not_lost(plant: Plant) -> None:
    plant.apply(FILE + POW1)
    plant.started(**OVERLAP)
    plant.publish('{"t": 1700000000000, "e": 1}', topic=OWN_TOPIC)
    until(lambda: count(plant) == 1, "the reading is stored")
    plant.leave()
    # the session holds it while ingest is away
    plant.publish('{"t": 1700000060000, "e": 2}', topic=OWN_TOPIC)
    retire(plant)
    plant.started(**OVERLAP)
    until(lambda: len(kept(plant)) == 1, "the message is in quarantine")
    assert kept(plant)[0][:2] == ("retired_facility", "linz/pow1")
    assert count(plant) == 1
    until(
        lambda: plant.rows("SELECT filters FROM broker_session")[0]["filters"] == ["emissions/#"],
        "its topics are left",
    )
    assert METER.startswith("emissions/")
