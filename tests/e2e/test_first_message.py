"""The first things that anybody tries: a message from the contract, and messages that are wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sensors_sim.hj212 import DataLogger
from tests.data_logger import Line
from tests.e2e.stack import Device, Stack
from tests.patience import until

pytestmark = [pytest.mark.database, pytest.mark.broker]

METER = "emissions/linz/meter-grid/readings"
STACK = "emissions/linz/cems-1/readings"

#: Every process goes by the database's clock, and knows it as well as a look at it is quick.
CLOCKS_DIFFER = timedelta(seconds=1)


@pytest.fixture(scope="module")
def device(stack: Stack) -> Iterator[Device]:
    with Device(stack.mqtt_url) as client:
        yield client


def ago(seconds: float) -> datetime:
    """An instant in whole milliseconds: covered time, and so a rate, is exact to those."""
    then = datetime.now(UTC) - timedelta(seconds=seconds)
    return then.replace(microsecond=then.microsecond // 1000 * 1000)


def rfc3339(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def source(stack: Stack, name: str) -> dict[str, Any]:
    (found,) = (s for s in stack.get("/v1/live", facility="linz")["sources"] if s["id"] == name)
    return found  # type: ignore[no-any-return]


def stored(stack: Stack, name: str, ts: datetime) -> dict[str, float | None]:
    """Values by channel of a device's readings at an instant, to the millisecond."""
    rows = stack.get("/v1/readings", facility="linz", device=name)
    near = timedelta(milliseconds=1)
    return {
        row["channel"]: row["value"]
        for row in rows
        if abs(datetime.fromisoformat(row["time"]) - ts) < near
    }


def test_the_contracts_meter_reading_is_seen_live(stack: Stack, device: Device) -> None:
    # a register's first reading says where it stands; the second how much was used
    device.publish(
        METER, json.dumps({"ts": rfc3339(ago(30)), "values": {"import-energy": 18_224.125}})
    )
    ts = ago(1)
    device.publish(
        METER,
        json.dumps(
            {"ts": rfc3339(ts), "values": {"import-energy": 18234.125, "import-power": 412.5}}
        ),
    )
    until(
        lambda: source(stack, "grid")["totals"]["1h"]["co2_kg"] == pytest.approx(10 * 0.20),
        "ten kilowatt-hours show in /v1/live",
    )
    assert source(stack, "grid")["rate_kg_h"] > 0
    assert stored(stack, "meter-grid", ts) == {"import-energy": 18_234.125, "import-power": 412.5}


def test_the_contracts_stack_readings_are_seen_live(stack: Stack, device: Device) -> None:
    begin, end = ago(40), ago(10)
    device.publish(
        STACK,
        json.dumps(
            [
                {
                    "ts": begin.timestamp(),
                    "values": {"co2": {"v": 12.5, "u": "%", "q": "good"}, "flow": 101234},
                },
                {"ts": int(end.timestamp() * 1000), "values": {"co2": None}},
            ]
        ),
    )
    # 40 CFR 75 App. F, eq. F-11: short tons an hour; one short ton is 907.18474 kg
    rate_kg_h = 5.7e-7 * 12.5 * 101_234 * 907.18474
    # covered time is kept in whole milliseconds, and a second of it is enough for a rate
    until(
        lambda: source(stack, "stack-1")["rate_kg_h"] == pytest.approx(rate_kg_h),
        "the stack's rate shows in /v1/live",
    )
    total = source(stack, "stack-1")["totals"]["1h"]
    assert total["co2_kg"] == pytest.approx(rate_kg_h * 30 / 3600, rel=1e-4)
    assert total["coverage"] == pytest.approx(30 / 3600, rel=1e-3)


def test_half_a_millisecond_of_a_minute_counts(stack: Stack, device: Device) -> None:
    edge = ago(2 * 3600).replace(second=0, microsecond=0)
    minute = edge - timedelta(minutes=1)
    device.publish(
        STACK,
        json.dumps(
            [
                {
                    "ts": (edge - timedelta(microseconds=500)).isoformat(),
                    "values": {"co2": 12.5, "flow": 1e6},
                },
                {"ts": edge.isoformat(), "values": {"co2": None, "flow": None}},
            ]
        ),
    )

    def mass() -> float | None:
        (row,) = stack.get(
            "/v1/emissions",
            facility="linz",
            source="stack-1",
            interval="1m",
            **{"from": minute.isoformat(), "to": edge.isoformat()},
        )
        return row["co2_kg"]  # type: ignore[no-any-return]

    found = until(mass, "the minute has a mass")
    assert found == pytest.approx(5.7e-7 * 12.5 * 1e6 * 907.18474 * 0.0005 / 3600, abs=1e-8)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A bad message, what is said of it, and the good readings that it carries all the same."""

    payload: bytes
    reason: str
    topic: str = METER
    #: what the sentence for the operator says
    says: str
    good: dict[str, float] | None = None
    good_ts: datetime | None = None


def _wrong_messages() -> dict[str, Wrong]:
    """Each with a time of its own, so that none is another's duplicate."""
    begin = ago(3000).replace(microsecond=0)
    at = [begin + timedelta(seconds=n) for n in range(12)]
    ts = [rfc3339(instant) for instant in at]

    def one(index: int, values: str) -> bytes:
        return f'{{"ts": "{ts[index]}", "values": {{{values}}}}}'.encode()

    def absurd(index: int, time: str) -> bytes:
        good = one(index, '"import-power": 6')
        return b"[%s, %s]" % (
            f'{{"ts": {time}, "values": {{"import-power": 1}}}}'.encode(), good
        )  # fmt: skip

    return {
        "broken JSON": Wrong(
            payload=b'{"ts": "2026-', reason="malformed_json", says="publish one JSON document"
        ),
        "no UTF-8": Wrong(
            payload=b'\xff\xfe{"ts"', reason="malformed_json", says="publish one JSON document"
        ),
        "unknown facility": Wrong(
            topic="emissions/atlantis/meter-grid/readings",
            payload=one(0, '"import-power": 1'),
            reason="unknown_facility",
            says="tonne apply",
        ),
        "unknown device": Wrong(
            topic="emissions/linz/meter-grit/readings",
            payload=one(1, '"import-power": 1'),
            reason="unknown_device",
            says="tonne apply",
        ),
        "unknown channel": Wrong(
            payload=one(2, '"import-power": 2, "import-powder": 1'),
            reason="unknown_channel",
            says="tonne apply",
            good={"import-power": 2},
            good_ts=at[2],
        ),
        "text for a number": Wrong(
            payload=one(3, '"import-power": 3, "import-energy": "18234.125"'),
            reason="bad_value",
            says="send a number",
            good={"import-power": 3},
            good_ts=at[3],
        ),
        "NaN": Wrong(
            payload=one(4, '"import-power": 4, "import-energy": NaN'),
            reason="not_finite",
            says="send null",
            good={"import-power": 4},
            good_ts=at[4],
        ),
        "1970": Wrong(
            payload=absurd(5, "86400"),
            reason="absurd_time",
            says="set the device's clock",
            good={"import-power": 6},
            good_ts=at[5],
        ),
        "2106": Wrong(
            payload=absurd(6, '"2106-02-07T06:28:15Z"'),
            reason="absurd_time",
            says="set the device's clock",
            good={"import-power": 6},
            good_ts=at[6],
        ),
        "two mebibytes": Wrong(
            payload=one(7, '"import-power": 7').ljust(2 << 20),
            reason="too_large",
            says="split the message",
        ),
        "a level too many": Wrong(
            topic="emissions/linz/hall-1/meter-grid/readings",
            payload=one(8, '"import-power": 8'),
            reason="bad_topic",
            says="publish to emissions/{facility}/{device}/readings",
        ),
        "a level too few": Wrong(
            topic="emissions/linz/readings",
            payload=one(9, '"import-power": 9'),
            reason="bad_topic",
            says="publish to emissions/{facility}/{device}/readings",
        ),
    }


WRONG = _wrong_messages()


def shown(row: dict[str, Any]) -> bytes:
    """The message's bytes, as far as the list shows them."""
    if row["payload_base64"] is not None:
        return base64.b64decode(row["payload_base64"])
    return str(row["payload"]).encode()


def _is_of(row: dict[str, Any], wrong: Wrong) -> bool:
    known = row["topic"] == wrong.topic and row["payload_bytes"] == len(wrong.payload)
    return known and bool(shown(row)) and wrong.payload.startswith(shown(row))


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_in_quarantine_and_what_is_good_is_stored(
    stack: Stack, device: Device, name: str
) -> None:
    wrong = WRONG[name]
    published_at = datetime.now(UTC)
    device.publish(wrong.topic, wrong.payload)

    def refused() -> dict[str, Any] | None:
        """The message's entry; the broker gives one that is acknowledged late once more."""
        rows = stack.get("/v1/quarantine", limit=1000)
        return next((row for row in rows if _is_of(row, wrong)), None)

    row = until(refused, f"{name} is in quarantine")
    assert row["reason"] == wrong.reason
    assert wrong.says in row["detail"]
    assert shown(row) == wrong.payload or row["payload_bytes"] > 10_000
    time = datetime.fromisoformat(row["time"])
    assert published_at - CLOCKS_DIFFER < time < datetime.now(UTC) + CLOCKS_DIFFER
    if wrong.good_ts is not None:
        assert stored(stack, "meter-grid", wrong.good_ts) == wrong.good
    assert stack.ready()


STATION = """
facility: {id: tianjin, name: 天津电厂, timezone: Asia/Shanghai}
devices:
  - id: cems
    topic: hj212/010000A8900016F000169DC0
    format: hj212
    channels:
      - {id: co2, from: a05001.Rtd, quantity: concentration, unit: mg/Nm3, kind: gauge, basis: dry}
      - {id: flow, from: a00000.Rtd, quantity: volume_flow, unit: Nm3/s, kind: gauge, basis: dry}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: concentration-flow
    inputs: {co2: cems.co2, flow: cems.flow}
"""


def test_an_hour_of_frames_of_a_chinese_stack_is_the_right_mass(
    stack: Stack, tmp_path: Path
) -> None:
    file = tmp_path / "tianjin.yaml"
    file.write_text(STATION)
    stack.apply(file)
    begins = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    logger = DataLogger(mn="010000A8900016F000169DC0", edition="2025")
    factors = {
        "a05001": {"Rtd": "237216.0", "Flag": "N"},
        "a00000": {"Rtd": "100.0", "Flag": "N"},
    }
    with Line(stack.hj212_port, logger) as line:
        for minute in range(61):
            line.send(logger.measure(begins + timedelta(minutes=minute), factors))
        line.hear(until_answers=61)
    assert logger.unanswered == {}
    hour = {"from": rfc3339(begins), "to": rfc3339(begins + timedelta(hours=1)), "interval": "1h"}

    def kg() -> float | None:
        rows = stack.get("/v1/emissions", facility="tianjin", source="stack", **hour)
        return rows[0]["co2_kg"] if rows else None

    # 0.237216 kg in each of 360 000 Nm3
    until(
        lambda: kg() == pytest.approx(85_397.76), "the hour of the stack", explain=lambda: f"{kg()}"
    )
