"""Nothing that the broker has acknowledged is lost or counted twice, whatever dies."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.contract.ingest.brokers import is_settled
from tests.contract.ingest.traffic import Cable, publish
from tests.integration.ingest.plant import METER, Plant
from tests.patience import until
from tests.services import Postgres

pytestmark = [pytest.mark.broker, pytest.mark.database, pytest.mark.redelivery]

_FIRST_S = 1_700_000_000


def reading(number: int) -> bytes:
    return b'{"ts": %d, "values": {"import-energy": %d}}' % (_FIRST_S + number, number)


def comes_to(plant: Plant, number: int) -> None:
    until(lambda: plant.count("reading") >= number, f"{number} readings are stored")


def all_there(plant: Plant, number: int) -> None:
    plant.holds(readings=number, quarantine=0)
    assert [(ts.timestamp(), value) for _, ts, value, _ in plant.readings()] == [
        (float(_FIRST_S + i), float(i)) for i in range(number)
    ]


@pytest.fixture
def cable(plant: Plant) -> Iterator[Cable]:
    made = Cable(plant.broker.port)
    yield made
    made.close()


def test_a_kill_between_commit_and_ack_doubles_nothing(plant: Plant, cable: Cable) -> None:
    """No ack leaves ingest here, so it always dies between the two."""
    plant.started(TONNE_MQTT_URL=f"mqtt://127.0.0.1:{cable.port}")
    cable.mute = True
    bad = [
        b"{",
        b'{"ts": 1700000000, "values": {"import-energy": 99, "import-power": "x"}}',
    ]
    messages = [reading(i) for i in range(100)] + bad
    plant.publish(*messages)
    # and the gap that the refused value leaves
    plant.holds(readings=101, quarantine=3)
    plant.end(signal.SIGKILL)
    plant.started()
    # what ingest that was killed did is still counted for its own process
    until(lambda: plant.state.get("messages", 0) >= len(messages), "all messages came again")
    plant.holds(readings=101, quarantine=3)
    assert [entry["reason"] for entry in plant.quarantine()] == [
        "malformed_json",
        "bad_value",
        "conflict",
    ]


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_kills_at_any_instant_lose_nothing_and_double_nothing(plant: Plant) -> None:
    number = 3000
    dice = random.Random(4711)
    plant.started()
    publisher = threading.Thread(
        target=publish, args=(plant.broker.port, [(METER, reading(i)) for i in range(number)])
    )
    publisher.start()
    for _ in range(3):
        aim = plant.count("reading") + dice.randrange(1, 400)
        comes_to(plant, min(aim, number))
        plant.end(signal.SIGKILL)
        plant.started(TONNE_FLUSH_INTERVAL_MS=str(dice.randrange(1, 50)))
    publisher.join()
    all_there(plant, number)


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_a_kill_between_the_pieces_of_a_message_loses_nothing_and_doubles_nothing(
    plant: Plant,
) -> None:
    """It holds live readings too, which come first; the second piece of history waits for a key."""
    now_s = int(time.time())
    history = [{"ts": _FIRST_S + i, "values": {"import-energy": i}} for i in range(250)]
    live = [{"ts": now_s - i, "values": {"import-energy": 1000 - i}} for i in range(2)]
    plant.started(TONNE_BATCH_ROWS="100")
    # so that there is a chunk, which otherwise only one of two makes
    plant.publish(reading(0))
    comes_to(plant, 1)
    with psycopg.connect(plant.database) as other:
        other.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)"
            " SELECT id, to_timestamp(%s), 0, 0, 0, now() FROM channel"
            " WHERE slug = 'import-energy'",
            (_FIRST_S + 150,),
        )
        plant.publish(json.dumps([*history, *live]))
        comes_to(plant, 102)
        until(
            lambda: plant.rows("SELECT FROM pg_locks WHERE NOT granted"), "the second piece waits"
        )
        times = [ts.timestamp() for _, ts, _, _ in plant.readings()]
        assert times == [*range(_FIRST_S, _FIRST_S + 100), now_s - 1, now_s]
        # nothing is taken back by what was begun
        plant.end(signal.SIGKILL)
        other.rollback()
    plant.started(TONNE_BATCH_ROWS="100")
    plant.holds(readings=252)
    until(lambda: plant.state.get("messages", 0) >= 1, "the message is acknowledged")
    plant.holds(readings=252, quarantine=0)
    assert [value for _, _, value, _ in plant.readings()] == [*range(250), 999, 1000]
    # and does not come again; on a slow machine it did before all of it was stored
    until(lambda: is_settled(plant.broker.nats_url), "NATS waits for no acknowledgement")
    plant.end()
    plant.started()
    plant.publish(reading(1000))
    plant.holds(readings=253, quarantine=0)
    until(lambda: plant.state.get("messages", 0) == 1, "only the new message came")


@pytest.mark.parametrize("plant", ["jetstream"], indirect=True)
def test_of_two_that_share_a_consumer_either_may_be_killed(plant: Plant, twin: Plant) -> None:
    number = 4000
    dice = random.Random(1147)
    plant.started()
    twin.started()
    messages = [(METER, reading(i)) for i in range(number)]
    publish(plant.broker.port, messages[:500])
    comes_to(plant, 500)
    until(lambda: plant.at_work == 2, "both have taken messages")
    publisher = threading.Thread(target=publish, args=(plant.broker.port, messages[500:]))
    publisher.start()
    for victim in (plant, twin, plant):
        aim = plant.count("reading") + dice.randrange(1, 500)
        comes_to(plant, min(aim, number))
        victim.end(signal.SIGKILL)
        comes_to(plant, min(plant.count("reading") + 200, number))
        victim.started()
    publisher.join()
    all_there(plant, number)


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_a_database_that_is_killed_is_waited_for_and_the_broker_keeps_the_rest(
    plant: Plant, postgres_cluster: Postgres
) -> None:
    plant.started()
    plant.publish(*[reading(i) for i in range(50)])
    plant.holds(readings=50)
    postgres_cluster.kill()
    try:
        plant.publish(*[reading(i) for i in range(50, 500)])
        until(lambda: plant.said("the database is away"), "the loss is said")
        until(lambda: plant.said("leaving the messages to the broker"), "the session is left")
    finally:
        postgres_cluster.start()
    plant.publish(*[reading(i) for i in range(500, 600)])
    all_there(plant, 600)
    assert plant.said("the database is away") == 1
    assert plant.said("the database is back") == 1
    assert plant.end() == 0


def test_a_stop_while_the_database_is_away_leaves_the_messages_to_the_broker(
    plant: Plant, postgres_cluster: Postgres
) -> None:
    plant.started()
    postgres_cluster.kill()
    try:
        plant.publish(*[reading(i) for i in range(20)])
        until(lambda: plant.said("the database is away"), "the loss is said")
        assert plant.end() == 0
    finally:
        postgres_cluster.start()
    plant.started()
    all_there(plant, 20)


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_a_broker_that_is_killed_is_waited_for(plant: Plant) -> None:
    plant.started()
    plant.publish(*[reading(i) for i in range(50)])
    plant.broker.kill()
    until(lambda: plant.said("the broker is away"), "the loss is said")
    plant.broker.start()
    plant.publish(*[reading(i) for i in range(50, 100)])
    all_there(plant, 100)


def test_one_row_that_the_database_refuses_does_not_stop_the_others(plant: Plant) -> None:
    with psycopg.connect(plant.database, autocommit=True) as superuser:
        superuser.execute("ALTER TABLE reading ADD CONSTRAINT lucky CHECK (value <> 13)")
    plant.started(TONNE_FLUSH_INTERVAL_MS="1000")
    messages = [reading(i) for i in range(40)]
    plant.publish(*messages, b"{")
    plant.holds(readings=39, quarantine=2)
    refused = [e for e in plant.quarantine() if e["reason"] == "refused_by_database"]
    assert [(bytes(e["payload"]), e["channel"], e["value"]) for e in refused] == [
        (messages[13], "import-energy", 13.0)
    ]
    assert "lucky" in refused[0]["detail"]
    assert plant.end() == 0
