"""The ``tonne-sim`` command."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from sensors_sim.backfill import Backfill, run_backfill
from sensors_sim.broker import Broker, default_url, parse_broker
from sensors_sim.devices import Device
from sensors_sim.live import LiveRun, run_live
from sensors_sim.registers import EPOCH_MS
from sensors_sim.truth_report import Books, print_report, write_report
from sensors_sim.worlds import Facility, chosen

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Meters and stacks that publish over MQTT, and know what they emitted.",
)


class Profile(StrEnum):
    """Which facilities to simulate."""

    DEMO = "demo"
    PLANT = "plant"


BrokerOption = Annotated[
    str | None,
    typer.Option(
        "--broker",
        help="mqtt://user:password@host:1883 or mqtts://...; "
        "default TONNE_MQTT_URL, else 127.0.0.1 on TONNE_MQTT_PORT (1883).",
    ),
]
ProfileOption = Annotated[
    Profile, typer.Option(help="demo: all facilities of deploy/demo; plant: one works.")
]
FacilityOption = Annotated[
    str | None, typer.Option(help="Only this facility; with plant: the works' id.")
]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same readings for ever.")]
DevicesOption = Annotated[
    list[str] | None, typer.Option("--devices", help="Only these device ids; repeat or use commas.")
]
TruthOption = Annotated[
    Path | None, typer.Option("--truth", help="Write the true totals to this file as JSON.")
]


def fail(message: str) -> typer.Exit:
    """Print one sentence to stderr and return the exit with status 1."""
    print(f"tonne-sim: {message}", file=sys.stderr)
    return typer.Exit(1)


def broker_of(url: str | None) -> Broker:
    """Return the broker that a flag or the environment names, or exit with a sentence."""
    try:
        return parse_broker(url or default_url())
    except ValueError as error:
        raise fail(str(error)) from None


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a broker that refuses or is away is one sentence and status 1."""
    try:
        return asyncio.run(work)
    except (ConnectionError, ValueError) as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _world(
    profile: Profile, facility: str | None, seed: int, only: list[str] | None
) -> tuple[tuple[Facility, ...], tuple[Device, ...]]:
    try:
        facilities = chosen(profile.value, facility, seed)
    except ValueError as error:
        raise fail(str(error)) from None
    devices = tuple(device for one in facilities for device in one.devices)
    if only:
        wanted = {name for names in only for name in names.split(",") if name}
        unknown = wanted - {device.id for device in devices}
        if unknown:
            known = ", ".join(device.id for device in devices)
            raise fail(f"no device {', '.join(sorted(unknown))}: choose among {known}")
        devices = tuple(device for device in devices if device.id in wanted)
    return facilities, devices


def _instant_ms(text: str, flag: str) -> int:
    if text == "now":
        return int(time.time() * 1000)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"{flag} takes now or a time like 2026-11-23T18:00:00Z, not {text!r}") from None
    if instant.tzinfo is None:
        raise fail(f"{flag} needs an offset: write {text}Z for UTC")
    return int(instant.astimezone(UTC).timestamp() * 1000)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@app.callback()
def configure() -> None:
    """Meters and stacks that publish over MQTT, and know what they emitted."""
    logging.basicConfig(format="tonne-sim: %(message)s", level=logging.INFO, stream=sys.stderr)


@app.command()
def run(
    *,
    broker: BrokerOption = None,
    profile: ProfileOption = Profile.DEMO,
    facility: FacilityOption = None,
    seed: SeedOption = 1,
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000, help="Simulated seconds each real second.")
    ] = 1.0,
    interval: Annotated[
        int | None, typer.Option(min=1, max=3600, help="Seconds between samples of each device.")
    ] = None,
    duration: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many simulated seconds.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Begin at this time (RFC 3339) and catch up with the present."),
    ] = None,
    devices: DevicesOption = None,
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds to wait at the end for acknowledgements.")
    ] = 30.0,
    truth: TruthOption = None,
) -> None:
    """Publish live until Ctrl-C or SIGTERM, then print what was truly emitted."""
    address = broker_of(broker)
    facilities, chosen_devices = _world(profile, facility, seed, devices)
    start_ms = _live_start_ms(start, speed, duration)
    books = Books(facilities, chosen_devices, seed)
    job = LiveRun(
        broker=address,
        devices=chosen_devices,
        books=books,
        start_ms=start_ms,
        end_ms=None if duration is None else start_ms + duration * 1000,
        speed=speed,
        step_s=interval,
        drain_s=drain,
        say=_say,
    )
    _say(f"publishing {len(chosen_devices)} devices to {address}; Ctrl-C ends it")
    report = books.report(finish(run_live(job)))
    print_report(report)
    if truth is not None:
        write_report(report, truth)


def _live_start_ms(start: str | None, speed: float, duration: int | None) -> int:
    now_ms = int(time.time() * 1000)
    if start is not None:
        start_ms = _instant_ms(start, "--start")
        if not EPOCH_MS <= start_ms <= now_ms:
            raise fail("--start must lie between 2020-01-01 and now")
        return start_ms
    if speed <= 1.0:
        return now_ms
    if duration is None:
        raise fail("--speed above 1 needs --start or --duration: it replays the past, faster")
    return now_ms - duration * 1000


@app.command()
def backfill(
    *,
    broker: BrokerOption = None,
    profile: ProfileOption = Profile.DEMO,
    facility: FacilityOption = None,
    seed: SeedOption = 1,
    days: Annotated[float, typer.Option(min=0.001, help="How far back to begin.")] = 90.0,
    until: Annotated[str, typer.Option(help="Where to end: now, or a time as RFC 3339.")] = "now",
    step: Annotated[
        int, typer.Option(min=1, max=3600, help="Seconds between samples of each device.")
    ] = 60,
    devices: DevicesOption = None,
    truth: TruthOption = None,
) -> None:
    """Publish history as fast as the broker acknowledges; a second call changes nothing."""
    address = broker_of(broker)
    facilities, chosen_devices = _world(profile, facility, seed, devices)
    step_ms = step * 1000
    until_ms = -(-_instant_ms(until, "--until") // step_ms) * step_ms
    from_ms = (until_ms - int(days * 86_400_000)) // step_ms * step_ms
    if from_ms <= EPOCH_MS:
        raise fail("the simulated meters begin on 2020-01-01: choose fewer --days")
    books = None if truth is None else Books(facilities, chosen_devices, seed)
    job = Backfill(
        broker=address,
        devices=chosen_devices,
        books=books,
        from_ms=from_ms,
        until_ms=until_ms,
        step_s=step,
    )
    sent = _with_progress(
        f"history of {days:g} days", lambda progress: finish(run_backfill(job, progress))
    )
    print(f"{sent.values} values in {sent.messages} messages, all acknowledged by {address}")
    if books is not None and truth is not None:
        write_report(books.report(sent.messages), truth)


def _with_progress(title: str, work: Callable[[Callable[[float], None]], T]) -> T:
    """Run work that reports its share done: a bar on a terminal, else a line each ten per cent."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=1.0)
            return work(lambda share: bar.update(task, completed=share))
    shown = -1

    def lines(share: float) -> None:
        nonlocal shown
        if int(share * 10) > shown:
            shown = int(share * 10)
            _say(f"{title}: {shown * 10} %")

    return work(lines)


def main() -> None:
    """Run the command."""
    app()
