"""Totals as sensors of Home Assistant: what it discovers, reads, and is told no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from services.api.live.body import live_body
from services.cli.device_accounts import (
    Account,
    for_mosquitto,
    for_nats,
    home_assistant_account,
    own_accounts,
)
from services.core.runtime.clock import FixedClock
from services.core.store.answers.live import facility_live
from services.core.store.answers.source_uncertainty import source_accounts
from services.core.store.database.connect import async_engine, engine
from services.core.store.database.progress import ProgressReporter
from services.core.store.operations.purge_facility import purge
from services.core.store.operations.readiness import alerts_arise
from services.core.store.operations.retire_facility import retire_facility
from services.core.timeline.windows import TO_DATE, first_minutes
from services.notify.homeassistant import announcer
from services.notify.homeassistant.announced import Pace
from services.notify.homeassistant.announcer import Announcer
from services.notify.homeassistant.totals import MAX_SOURCES
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text
from tests.integration.notify.harness import notifier, until
from tests.integration.notify.home_assistant import (
    HomeAssistant,
    check_discovery,
    render,
    state_of,
)
from tests.services import Mosquitto, Server, UnsyncedNats, as_login, server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker]

CONFIG = "homeassistant/device/tonne_works/config"
TOTALS = "emissions/works/totals"
NOW = datetime(2026, 11, 29, 10, 30, 20, tzinfo=UTC)
ANNOUNCED = f"{FILE}notify: [{{homeassistant: true}}]\n"
#: Nothing waits for a pause.
AT_ONCE = Pace(least_pause_s=0.05)
#: As long as a name may be, with what JSON, YAML, HTML and templates take for their own.
NAME = ("Werk \"Süd\" {{ 1 / 0 }} <b>'工厂'\\ " + "é" * 200)[:200]


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A broker with the accounts that `tonne devices credentials` makes."""

    server: Server
    accounts: dict[str, Account]

    @property
    def notifier_url(self) -> str:
        account = self.accounts["tonne-notify"]
        return f"mqtt://{account.user}:{quote(account.password)}@127.0.0.1:{self.server.port}"

    def home_assistant(self, **more: Any) -> HomeAssistant:
        return HomeAssistant(self.server.port, self.accounts["home-assistant"], **more)


class _Mosquitto(Mosquitto):
    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        users = (self.directory / "mosquitto-users.conf").read_text()
        settings.write_text(settings.read_text().replace("allow_anonymous true", users))
        return words


def _guarded(name: str, directory: Path) -> Guarded:
    accounts = [*own_accounts(), home_assistant_account()]
    if name == "nats":
        server: Server = UnsyncedNats(directory)
        texts = for_nats(accounts, anybody="nobody")
    else:
        server, texts = _Mosquitto(directory), for_mosquitto(accounts, directory=directory)
    for file, text in texts.items():
        (directory / file).write_text(text)
    return Guarded(server=server, accounts={account.user: account for account in accounts})


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    """Each of the two brokers."""
    with server_directory() as directory:
        made = _guarded(request.param, directory)
        made.server.start()
        yield made
        made.server.kill()


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """The works with readings of the last hours by one channel; of the others nothing is known."""
    made = Plant(database_url, ANNOUNCED.replace("name: Works", f"name: {json.dumps(NAME)}"))
    start = NOW - timedelta(hours=3)
    made.store(
        [
            Reading("meter.power", start + timedelta(minutes=m), 100.0 + m)
            for m in range(180)
            if not 60 < m < 75
        ]
    )
    made.tick(NOW)
    _report(made)
    yield made
    made.close()


def _report(plant: Plant) -> None:
    """Have ingest and the aggregator say that they work."""
    for process in ("ingest", "aggregator"):
        ProgressReporter(process).report(plant.connection, {"broker": "connected"})


Announcing = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def announcing(database_url: str, broker: Guarded) -> Announcing:
    """Starts a notifier, with the rights of its login, that publishes at the broker."""
    url = as_login(database_url, "tonne_notify")

    def start(pace: Pace = AT_ONCE) -> AbstractAsyncContextManager[None]:
        totals = Announcer(
            url, clock=FixedClock(NOW), public_url="https://tonne.example", pace=pace
        )
        return notifier(url, announcer=totals, mqtt_url=SecretStr(broker.notifier_url))

    return start


async def _live(url: str) -> dict[str, Any]:
    """Ask for what the API answers at that instant."""
    engine = async_engine(url, process="test", pool_size=1, autocommit=True)
    async with engine.connect() as connection:
        state = await facility_live(connection, "works", now=NOW)
        accounts = await source_accounts(connection, "works")
    await engine.dispose()
    assert state is not None
    return live_body(state, accounts)


@pytest.mark.usefixtures("plant")
async def test_sensors_show_what_the_api_answers(
    announcing: Announcing, broker: Guarded, database_url: str
) -> None:
    with broker.home_assistant() as home:
        async with announcing():
            await until(lambda: {CONFIG, TOTALS} <= set(home.heard), "it is announced")
    message, payload = home.message(CONFIG), home.heard[TOTALS]
    assert message is not None
    check_discovery(CONFIG, message, prefix="homeassistant")
    assert message["device"]["name"] == NAME
    assert message["device"]["configuration_url"] == "https://tonne.example/?facility=works"
    assert message["state_topic"] == TOTALS
    sensors = message["components"]
    assert {sensor["expire_after"] for sensor in sensors.values()} == {180}
    live = await _live(database_url)
    begins = first_minutes(NOW.replace(second=0), ZoneInfo("Europe/Vienna"))
    expected = {"rate": live["rate_kg_h"], "newest_minute": live["newest_minute"]}
    for window in ("1h", *TO_DATE):
        total = live["totals"][window]
        expected[f"co2_{window}"] = total["co2_kg"]
        expected[f"coverage_{window}"] = round(100 * total["coverage"], 4)
    for source in live["sources"]:
        expected[f"source_{source['id']}_rate"] = source["rate_kg_h"]
        expected[f"source_{source['id']}_today"] = source["totals"]["today"]["co2_kg"]
    assert {key: state_of(sensor, payload) for key, sensor in sensors.items()} == expected
    assert expected["co2_today"] > 0 < expected["source_by-gauge_rate"] < expected["co2_today"]
    # of these nothing was ever read
    assert expected["source_stack_rate"] is None is expected["source_stack_today"]
    for window in TO_DATE:
        resets = render(sensors[f"co2_{window}"]["last_reset_value_template"], payload)
        assert datetime.fromisoformat(resets) == begins[window]


async def test_totals_follow_and_what_is_announced_no_more_is_retracted(
    plant: Plant, announcing: Announcing, broker: Guarded, database_url: str
) -> None:
    with broker.home_assistant() as home:
        async with announcing():
            await until(lambda: home.message(CONFIG), "it is announced")
            plant.store([Reading("meter.energy", NOW - timedelta(minutes=m), 9.0) for m in (9, 4)])
            plant.tick(NOW)
            before = home.heard[TOTALS]
            plant.connection.execute("SELECT pg_notify('tonne_live', 'works')")
            await until(lambda: home.heard[TOTALS] != before, "totals follow")
            # a source leaves the file: its sensors go, and the others stay
            apply_text(database_url, ANNOUNCED.replace("- {id: by-interval,", "- {id: other,"))
            await until(
                lambda: (home.message(CONFIG) or {})["components"].get("source_other_rate"),
                "the new source has sensors",
            )
            message = home.message(CONFIG)
            assert message is not None
            check_discovery(CONFIG, message, prefix="homeassistant")
            assert message["components"]["source_by-interval_today"] == {"platform": "sensor"}
            assert "unique_id" in message["components"]["source_by-gauge_today"]
        # another notifier, later: the entry has left the file, or names another topic
        apply_text(database_url, f"{FILE}notify: [{{homeassistant: true, prefix: ha/x}}]\n")
        async with announcing():
            await until(lambda: home.heard[CONFIG] == b"", "it is retracted where it was")
            assert home.message(TOTALS) is not None
        apply_text(database_url, FILE)
        async with announcing():
            await until(lambda: home.heard[TOTALS] == b"", "totals are retracted")


@pytest.mark.usefixtures("plant")
async def test_a_facility_that_is_gone_is_retracted(
    announcing: Announcing, broker: Guarded, database_url: str
) -> None:
    bind = engine(database_url, process="test")
    with broker.home_assistant() as home:
        async with announcing():
            await until(lambda: home.message(CONFIG), "it is announced")
        with bind.begin() as connection:
            retire_facility(connection, "works", by="test", reason="closed")
        purge(bind, "works", by="test", reason="closed", rest=lambda _: None)
        bind.dispose()
        async with announcing():
            await until(lambda: home.heard[TOTALS] == home.heard[CONFIG] == b"", "it is retracted")


@pytest.mark.usefixtures("plant")
async def test_a_broker_that_starts_anew_is_told_again(
    announcing: Announcing, broker: Guarded
) -> None:
    with broker.home_assistant() as home:
        async with announcing():
            await until(lambda: {CONFIG, TOTALS} <= set(home.heard), "it is announced")
            # whatever it retained in memory is lost
            broker.server.kill()
            broker.server.start()
            with broker.home_assistant() as other:
                await until(lambda: {CONFIG, TOTALS} <= set(other.heard), "it is announced again")
                assert other.message(CONFIG) == home.message(CONFIG)


async def test_of_very_many_sources_the_first_have_sensors_and_a_broker_takes_the_message(
    plant: Plant, announcing: Announcing, broker: Guarded, database_url: str
) -> None:
    long = "x" * 56
    name = json.dumps(NAME[:20] + "\N{CJK UNIFIED IDEOGRAPH-5382}" * 180)
    more = "".join(
        f"  - {{id: {long}-{n:03}, name: {name}, scope: 2, method: activity,"
        " input: meter.power, factor: f}\n"
        for n in range(MAX_SOURCES)
    )
    apply_text(database_url, ANNOUNCED.replace("notify:", f"{more}notify:"))
    with broker.home_assistant() as home:
        async with announcing():
            # processes say that they work all the while
            await until(
                lambda: (_report(plant), {CONFIG, TOTALS} <= set(home.heard))[1], "it is announced"
            )
    message = home.message(CONFIG)
    assert message is not None
    check_discovery(CONFIG, message, prefix="homeassistant")
    of_sources = {
        key: len(sensor) > 1
        for key, sensor in message["components"].items()
        if key.startswith("source_")
    }
    # what is beyond them is removed, if it ever was there
    assert (len(of_sources), sum(of_sources.values())) == (2 * MAX_SOURCES + 8, 2 * MAX_SOURCES)
    assert len(json.loads(home.heard[TOTALS])["sources"]) == MAX_SOURCES


async def test_figures_of_a_pipeline_that_stands_still_are_not_told_again(
    plant: Plant, announcing: Announcing, broker: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    #: at each look at the pipeline: whether it works, and how much was told before
    looks: list[tuple[bool, int]] = []

    async def look(connection: Any) -> bool:
        looks.append((await alerts_arise(connection), len(home.told)))
        return looks[-1][0]

    monkeypatch.setattr(announcer, "alerts_arise", look)
    with broker.home_assistant() as home:
        async with announcing(Pace(least_pause_s=0.02, longest_pause_s=0.1)):
            await until(lambda: home.told.count(TOTALS) >= 3, "they are told again and again")
            assert home.told.count(CONFIG) == 1
            plant.connection.execute("DELETE FROM process_progress WHERE process = 'aggregator'")
            silent = await until(
                lambda: still if len(still := [n for runs, n in looks if not runs]) > 3 else None,
                "it looks on",
            )
            # the first look may have come before the last message did
            assert len(set(silent[1:])) == 1
            _report(plant)
            await until(lambda: len(home.told) > silent[-1], "they are told once it goes on")
