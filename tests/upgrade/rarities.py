"""What few installations live through, or only after months: added to the week of :mod:`.fill`.

As all of the story it is said from outside; what a version does not know, it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import psycopg

from sensors_sim.sparkplug import EdgeNode, Metric
from tests.edge_node import Peer
from tests.patience import until

if TYPE_CHECKING:
    from tests.upgrade.fill import Message, Story

HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)

#: Readings older than these are packed, and dropped.
PACKED_AFTER_DAYS: Final = 3
_DROPPED_AFTER_DAYS: Final = 90

_UNPACKED: Final = {"TONNE_PACK_AFTER_DAYS": "0"}

_CELL: Final = "annex"
_PASSWORD: Final = "correct horse battery staple"

_FACILITIES: Final = ("quarry", "holding", "edge", "shed", "yard")


def packing(story: Story) -> dict[str, str]:
    """Return the setting by which what is days old is packed, where this version knows it."""
    settings = (story.version.code / "services/core/runtime/settings.py").read_text()
    known = "pack_after_days" in settings
    return {"TONNE_PACK_AFTER_DAYS": str(PACKED_AFTER_DAYS)} if known else {}


def apply(story: Story) -> None:
    """Apply the facilities of this part; one of them twice without a source that comes back."""
    for name in _FACILITIES:
        text = (story.facilities / f"{name}.yaml").read_text(encoding="utf-8")
        # a base year is over
        text = text.replace("year: 2025", f"year: {story.now.year - 1}")
        story.apply(name, text)
        if name == "quarry":
            story.apply(name, re.sub(r"^  - {id: office.*\n", "", text, flags=re.MULTILINE))
            story.apply(name, text)
    story.command("remove", "shed", "--reason", "sold")
    story.command("remove", "shed", "--purge", "--reason", "sold", "--confirm", "shed")


def messages(story: Story) -> Iterable[Message]:
    """What devices of these facilities publish."""
    begins = story.hour - 4 * HOUR
    for i in range(4 * 60):
        at = begins + i * MINUTE
        values: dict[str, object] = {"co2": 8 + i % 3, "flow": 100_000 + 500 * (i % 7)}
        if i in (30, 31, 32):
            # at zero, and near the top of the scale
            values = {"co2": {"v": 0.05 if i < 32 else 13.95, "q": "calibration"}}
        yield "emissions/edge/cems/readings", {"ts": at.isoformat(), "values": values}
    for i in range(30):
        at = story.hour - (33 - i) * HOUR
        body = {"ts": at.isoformat(), "values": {"power": 20 + i % 5}}
        yield "emissions/yard/meter/readings", body


def sparkplug(story: Story) -> None:
    """Let an edge node be born, tell a value, and die."""
    meter = {"Power": Metric(datatype="Double", value=5.0, properties={"engUnit": "kW"})}
    node = EdgeNode(group="Edge", edge_node="Gateway", devices={"Meter": meter})
    port = urlsplit(story.version.mqtt_url).port or 1883
    with Peer(port, node) as peer:
        peer.connect()
        peer.publish(peer.data("Meter", Power=7.5))
        story.settle()


def old_readings(story: Story) -> None:
    """Import a day of last year, some of a month that is archived then, and some days ago."""
    month = (story.hour.replace(day=1) - timedelta(days=20)).replace(day=15, hour=0)
    last_year = story.hour.replace(year=story.now.year - 1, month=12, day=30, hour=0)
    for name, begins in (
        ("last-year", last_year),
        ("month", month),
        ("days", story.hour - timedelta(days=20)),
    ):
        file = story.version.directory / f"{name}.csv"
        file.write_text(_day(begins))
        # rows are dropped by the week, packed days are not
        is_dropped = name == "last-year"
        story.command("import", str(file), **(_UNPACKED if is_dropped else packing(story)))
    story.settle()
    place = str(story.version.directory / "archive")
    story.command("archive", "--facility", "quarry", "--to", place, **packing(story))


def _day(begins: datetime) -> str:
    rows = (
        f"{(begins + i * HOUR).isoformat()},quarry,meter,energy,{50 + i % 9}\n" for i in range(24)
    )
    return "time,facility,device,channel,value\n" + "".join(rows)


def grow_old(story: Story) -> None:
    """Let an aggregator begin that keeps readings for three months, and remove what is archived."""
    settings = packing(story) | {"TONNE_RETENTION_DAYS": str(_DROPPED_AFTER_DAYS)}
    with story.version.serving("aggregate", **settings):
        for table in ("base_year_figure", "organisation_base_figure", "dropped_readings"):
            story.expect(table)
    story.command("archive", "remove", "--facility", "quarry", "--before", f"{story.now:%Y-%m}",
                  "--yes", **packing(story))  # fmt: skip


def move(story: Story) -> None:
    """Move a facility to another cell and back."""
    home = story.version.database_url
    other = home.rpartition("/")[0] + f"/{_CELL}"
    with psycopg.connect(home, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_CELL}".encode())
    cells = {"TONNE_CELLS": f"{_CELL}={other}"}
    story.command("migrate", TONNE_DATABASE_URL=other)
    story.command("cells", "add", _CELL, **cells)
    story.command("cells", "move", "yard", "--to", _CELL, **cells)
    story.command("cells", "move", "yard", "--to", "home", **cells)


def people(story: Story, key: str) -> None:
    """Sign in, and send readings by a key and with a name of the body."""
    with story.version.serving("ingest", "api", TONNE_API_AUTH="required"):
        own_page = {"Origin": story.version.address, "Sec-Fetch-Site": "same-origin"}
        account = {"name": "anna", "password": _PASSWORD}
        story.version.send("POST", "/v1/sign-in", account, own_page)
        story.expect("person_session")
        at = (story.hour - 5 * MINUTE).isoformat()
        reading = {"facility": "works", "device": "meter", "ts": at, "values": {"power": 12}}
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "shift-1"}
        until(
            lambda: story.version.send("POST", "/v1/readings", [reading], headers) is not None,
            "readings are taken by HTTP",
        )


def leave_work(story: Story) -> None:
    """End while there is work for the aggregator: readings, a factor's value, a recomputation."""
    before = story.count("touched")
    with story.version.serving("ingest"):
        ts = story.now.isoformat()
        at = story.hour.isoformat().replace("+00:00", "Z")
        story.devices.publish(
            [
                ("emissions/works/meter/readings", {"ts": ts, "values": {"power": 12.5}}),
                (
                    "emissions/mill/factors/grid-at/values",
                    {"values": [{"hour": at, "co2_kg": 0.33}]},
                ),
            ]
        )
        until(lambda: story.count("touched") > before, "the reading is stored")
        until(lambda: story.count("factor_inbox") > 0, "the factor's value is stored")
    hours = [f"{story.hour - back * HOUR:%Y-%m-%dT%H:%M:%SZ}" for back in (30, 20)]
    story.command("recompute", "--facility", "yard", "--from", hours[0], "--to", hours[1],
                  "--no-wait", "--note", "asked for at the end")  # fmt: skip


def key_of(printed: str) -> str:
    """Return the key that ``tonne keys create`` printed."""
    words = re.findall(r"\S{20,}", printed)
    return words[-1]
