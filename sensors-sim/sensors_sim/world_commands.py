"""``tonne-sim run``, ``backfill`` and ``facility-file``: the simulated facilities."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from sensors_sim.arguments import (
    BrokerOption,
    DevicesOption,
    FacilityOption,
    Profile,
    ProfileOption,
    SeedOption,
    TruthOption,
    broker_of,
    fail,
    finish,
    instant_ms,
    say,
    with_progress,
)
from sensors_sim.backfill import Backfill, run_backfill
from sensors_sim.devices import Device
from sensors_sim.facility_file import works_file
from sensors_sim.live import LiveRun, run_live
from sensors_sim.registers import EPOCH_MS
from sensors_sim.truth_report import Books, print_report, write_report
from sensors_sim.worlds import Facility, chosen, plant


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
        unknown = wanted.difference(*map(_names, devices))
        if unknown:
            known = ", ".join(f"{device.facility}/{device.id}" for device in devices)
            raise fail(f"no device {', '.join(sorted(unknown))}: choose among {known}")
        devices = tuple(device for device in devices if _names(device) & wanted)
    return facilities, devices


def _names(device: Device) -> set[str]:
    return {device.id, f"{device.facility}/{device.id}"}


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
    books = Books(facilities, chosen_devices, seed, keep_minutes=truth is not None)
    job = LiveRun(
        broker=address,
        devices=chosen_devices,
        books=books,
        start_ms=start_ms,
        end_ms=None if duration is None else start_ms + duration * 1000,
        speed=speed,
        step_s=interval,
        drain_s=drain,
    )
    say(f"publishing {len(chosen_devices)} devices to {address}; Ctrl-C ends it")
    report = books.report(finish(run_live(job)))
    if truth is not None:
        write_report(report, truth)
    print_report(report)


def _live_start_ms(start: str | None, speed: float, duration: int | None) -> int:
    now_ms = int(time.time() * 1000)
    if start is not None:
        start_ms = instant_ms(start, "--start")
        if not EPOCH_MS + 86_400_000 <= start_ms <= now_ms:
            raise fail("--start must lie between 2020-01-02 and now")
        return start_ms
    if speed <= 1.0:
        return now_ms
    if duration is None:
        raise fail("--speed above 1 needs --start or --duration: it replays the past, faster")
    return now_ms - duration * 1000


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
    until_ms = instant_ms(until, "--until")
    # read after what --until says, which may be "now"
    if until_ms > int(time.time() * 1000):
        raise fail("--until lies in the future: history ends now at the latest")
    until_ms = -(-until_ms // step_ms) * step_ms
    from_ms = (until_ms - int(days * 86_400_000)) // step_ms * step_ms
    if from_ms < EPOCH_MS + 86_400_000:
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
    sent = with_progress(
        f"history of {days:g} days", lambda progress: finish(run_backfill(job, progress))
    )
    if books is not None and truth is not None:
        write_report(books.report(sent.messages), truth)
    print(f"{sent.values} values in {sent.messages} messages, all acknowledged by {address}")


def facility_file(
    *,
    facility: Annotated[str, typer.Option(help="The works' id.")] = "plant",
) -> None:
    """Print the facility file for `run --profile plant --facility ID`."""
    try:
        plant(facility, seed=1)
    except ValueError as error:
        raise fail(str(error)) from None
    print(works_file(facility), end="")
