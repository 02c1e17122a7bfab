"""DLMS/COSEM by the recipe of the documentation: the script's output, by the page's file."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from services.core.facility.file import parse
from services.core.store.registry import unapplied
from services.core.timeline.instants import from_us
from services.ingest import trial
from services.ingest.prepare import TimeBounds
from services.ingest.sources.source import Message
from tests.repository.files import ROOT

#: A notification of an Aidon meter, examples/parse_norwegian_han.py of u9n/dlms-cosem.
AIDON: Final = bytes.fromhex(
    "7ea2434108831385ebe6e7000f4000000000011b020209060000010000ff090c07e30c1001073b28ff8000ff0203"
    "09060100010700ff060000046202020f00161b020309060100020700ff060000000002020f00161b020309060100"
    "030700ff06000005e302020f00161d020309060100040700ff060000000002020f00161d0203090601001f0700ff"
    "10000002020fff1621020309060100330700ff10004b02020fff1621020309060100470700ff10000002020fff16"
    "21020309060100200700ff12090302020fff1623020309060100340700ff1209c302020fff162302030906010048"
    "0700ff12090402020fff1623020309060100150700ff060000000002020f00161b020309060100160700ff060000"
    "000002020f00161b020309060100170700ff060000000002020f00161d020309060100180700ff06000000000202"
    "0f00161d020309060100290700ff060000046202020f00161b0203090601002a0700ff060000000002020f00161b"
    "0203090601002b0700ff06000005e202020f00161d0203090601002c0700ff060000000002020f00161d02030906"
    "01003d0700ff060000000002020f00161b0203090601003e0700ff060000000002020f00161b0203090601003f07"
    "00ff060000000002020f00161d020309060100400700ff060000000002020f00161d020309060100010800ff0600"
    "99598602020f00161e020309060100020800ff060000000802020f00161e020309060100030800ff060064ed4b02"
    "020f001620020309060100040800ff060000000502020f001620be407e"
)
PAGE: Final = ROOT / "deploy/docs/howto/devices/m-bus-and-dlms.md"


def lines(sent: bytes) -> subprocess.CompletedProcess[str]:
    """Run the script as Telegraf does."""
    command = [sys.executable, str(ROOT / "deploy/edge/han_lines.py")]
    done = subprocess.run(command, input=sent, capture_output=True, check=True, timeout=60)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def test_a_notification_becomes_readings_by_the_file_of_the_page() -> None:
    broken = AIDON.replace(bytes.fromhex("00995986"), bytes.fromhex("00995987"))
    done = lines(b"\x00\x7e" + AIDON[100:] + broken + AIDON)
    assert done.stderr.count("passed over a frame") == 1
    (line,) = done.stdout.splitlines()
    files = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    devices = unapplied.devices(parse(next(text for text in files if "line-protocol" in text)))
    # as Telegraf hands it on
    measurement, fields = line.split(" ")
    payload = f"{measurement},host=gateway {fields} 1795456800000000000\n".encode()
    message = Message(
        topic="telegraf/han/linz", payload=payload, received_at=datetime.now(UTC), token=None
    )
    bounds = TimeBounds(oldest=from_us(0), future_tolerance=timedelta(days=1))
    taken = trial.verdicts(devices, message, bounds)
    assert [
        (verdict.channel.slug, verdict.value, verdict.channel.unit, verdict.ts)
        for verdict in taken
        if isinstance(verdict, trial.Taken)
    ] == [
        ("power", 1122.0, "W", from_us(1_795_456_800_000_000)),
        ("import", 10_049_926.0, "Wh", from_us(1_795_456_800_000_000)),
    ]


def test_scalers_are_applied() -> None:
    (line,) = lines(AIDON).stdout.splitlines()
    fields = set(line.removeprefix("han ").split(","))
    assert fields >= {"1.0.32.7.0.255=230.7", "1.0.51.7.0.255=7.5", "1.0.2.8.0.255=8"}
