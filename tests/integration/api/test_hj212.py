"""Hours and days of a stack as frames of HJ 212, over HTTP and from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from services.core.accounting.hj212.frames import read
from services.core.store.readings.chart import QUALITIES
from tests.command import tonne
from tests.integration.aggregator.plant import Plant, Reading, instant

FILE = """
facility: {id: huaneng, name: Huaneng works, timezone: Asia/Shanghai}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: dry, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
      - {id: h2o, quantity: fraction, unit: "%", kind: gauge, max_gap: 120}
      - {id: load, quantity: power, unit: MW, kind: gauge, max_gap: 86400}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-2
    inputs: {co2: cems.co2, flow: cems.flow, h2o: cems.h2o}
    operating: {channel: cems.load, above: 5}
    validity: hj75
    substitution: mrr
"""
MN = "010000A8900016F000169DC0"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
#: 08:00 in Beijing
START = instant("2026-11-22T00:00:00Z")


@pytest.fixture(autouse=True)
def plant(database_url: str) -> Iterator[Plant]:
    """Three hours of operation, of the second CO2 in calibration, of the third none; then rest."""
    plant = Plant(database_url, FILE)
    readings = [Reading("cems.load", START, 80.0), Reading("cems.load", START + 3 * HOUR, 0.0)]
    for minute in range(180):
        at = START + minute * MINUTE
        readings += [Reading("cems.flow", at, 1_000_000.0), Reading("cems.h2o", at, 10.0)]
        if minute < 120:
            quality = "calibration" if minute >= 60 else "good"
            readings.append(Reading("cems.co2", at, 12.0, QUALITIES.index(quality)))
    plant.store(readings)
    now = START + 5 * HOUR
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    plant.connection.execute("UPDATE touched SET committed_at = now()")
    plant.tick(now + MINUTE)
    yield plant
    plant.close()


async def test_an_hour_says_what_was_measured_and_tells_what_was_not(
    client: httpx.AsyncClient,
) -> None:
    asked = {"facility": "huaneng", "source": "stack", "mn": MN, "from": "2026-11-22T00:00:00Z"}
    rows = (await client.get("/v1/reports/hj212", params=asked)).json()
    measured, calibrated, silent, stopped = rows[:4]
    frame = read(measured["frame"].encode()).frame
    time, co2, flow, moisture = frame.region.split(";")
    assert (frame.command, frame.station, int(frame.flag or 0)) == ("2061", MN, 9)
    assert time == "DataTime=20261122080000"
    # 12 % of dry gas are 12 x 19.6349 g/Nm3; 5.7e-7 x 12 x 1e6 x 0.9 = 6.156, so 6.2 tons
    assert co2 == "a05001-Cou=5624.545,a05001-Avg=235618.238,a05001-Flag=N"
    # 26 384.95 Nm3/h wet, a tenth of it water
    assert flow == "a00000-Cou=23746.451,a00000-Avg=6.6,a00000-Flag=N"
    assert moisture == "a01014-Avg=10.00,a01014-Flag=N"
    assert (measured["letter"], measured["left_out"]) == ("N", "")
    # the flow was measured in both of the others, CO2 was not
    for row, letter in ((calibrated, "C"), (silent, "B")):
        region = read(row["frame"].encode()).frame.region
        assert f";a05001-Flag={letter};a00000-Cou=23746.451," in region
        assert row["letter"] == letter
        assert row["left_out"].startswith("a05001-Cou: ")
    assert "a05001-Cou=0.000,a05001-Flag=F&&" in stopped["frame"]


async def test_a_day_has_a_sum_only_where_each_hour_has(client: httpx.AsyncClient) -> None:
    asked = {
        "facility": "huaneng", "source": "stack", "mn": MN, "period": "day", "edition": "2017",
        "from": "2026-11-21T16:00:00Z", "to": "2026-11-23T16:00:00Z",
    }  # fmt: skip
    (day,) = (await client.get("/v1/reports/hj212", params=asked)).json()
    frame = read(day["frame"].encode()).frame
    assert (frame.command, int(frame.flag or 0), day["time"]) == ("2031", 5, "2026-11-21T16:00:00Z")
    assert frame.region.startswith("DataTime=20261122000000;a05001-Avg=235618.238,a05001-Flag=B;")
    assert "a05001-Cou: " in day["left_out"]


async def test_what_has_no_frames_is_refused_with_why(client: httpx.AsyncClient) -> None:
    asked = {"facility": "huaneng", "source": "nothing", "mn": MN}
    answer = await client.get("/v1/reports/hj212", params=asked)
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "There is no source nothing in the facility huaneng.",
    )  # fmt: skip
    answer = await client.get("/v1/reports/hj212", params={**asked, "mn": "MP1"})
    assert answer.status_code == 422


def test_the_command_writes_frames_and_tells_what_they_leave_out(database_url: str) -> None:
    words = ("report", "hj212", "huaneng", "stack", "--mn", MN, "--from", "2026-11-22")
    ended = tonne(database_url, *words, "--to", "2026-11-23")
    assert ended.code == 0, ended.said
    # the runner reads lines, whatever ends them
    frames = [read(f"{line}\r\n".encode()).frame for line in ended.stdout.splitlines()]
    assert [frame.command for frame in frames] == ["2061"] * 4
    assert "2026-11-22T01:00:00Z: a05001-Cou: " in ended.stderr
    ended = tonne(database_url, *words, "--to", "2026-11-22T00:00:00Z", "--from", "2026-11-21")
    assert (ended.code, "no final hour" in ended.stderr) == (1, True)
    ended = tonne(
        database_url, "report", "hj212", "huaneng", "stack", "--mn", "MP1", "--from", "2026-11-22"
    )
    assert "MN takes 24 digits" in ended.stderr
