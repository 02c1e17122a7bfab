"""``tonne-sim replay`` and ``load``: a measured series, and a flood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sensors_sim.arguments import BrokerOption, broker_of, fail, finish, say
from sensors_sim.csv_series import BadFileError, read_series
from sensors_sim.facility_file import load_file
from sensors_sim.ids import checked
from sensors_sim.load import Load, run_load
from sensors_sim.replay import Replay, run_replay, total


def replay(
    *,
    file: Annotated[Path, typer.Argument(help="CSV: interval_start_utc,kwh or time,value.")],
    facility: Annotated[str, typer.Option(help="The facility's id.")],
    device: Annotated[str, typer.Option(help="The device's id.")],
    channel: Annotated[str, typer.Option(help="The channel's id.")],
    twice: Annotated[bool, typer.Option("--twice", help="Publish the file twice.")] = False,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Publish in a random order of --seed.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the order.")] = 1,
    broker: BrokerOption = None,
) -> None:
    """Publish a measured series with its own time stamps, as fast as the broker takes it."""
    address = broker_of(broker)
    try:
        job = Replay(
            broker=address,
            facility=checked(facility, "--facility"),
            device=checked(device, "--device"),
            channel=checked(channel, "--channel"),
            twice=twice,
            shuffle_seed=seed if shuffle else None,
        )
        points = read_series(file)
    except (BadFileError, ValueError) as error:
        raise fail(str(error)) from None
    sent = finish(run_replay(job, points))
    present = sum(point.value is not None for point in points)
    print(f"{present} values, sum {total(points).normalize():f}")
    print(f"{sent} messages, all acknowledged by {address}")


def load(
    *,
    rate: Annotated[str, typer.Option(help="Messages each second, or max.")] = "1000",
    duration: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds to publish for.")
    ] = 10.0,
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many messages, if earlier.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=500, help="MQTT connections.")] = 4,
    window: Annotated[
        int,
        typer.Option(min=1, max=30_000, help="Unacknowledged messages of each connection."),
    ] = 500,
    devices: Annotated[
        int, typer.Option(min=1, max=100_000, help="Devices, dealt out to the connections.")
    ] = 100,
    channels: Annotated[
        str, typer.Option(help="The channels of each message; the first is a counter.")
    ] = "import-energy,import-power",
    prefix: Annotated[str, typer.Option(help="Device ids are PREFIX-1 to PREFIX-N.")] = "load",
    facility: Annotated[str, typer.Option(help="The facility's id.")] = "load",
    payload_bytes: Annotated[
        int, typer.Option(min=1, max=100_000, help="Size of each payload.")
    ] = 150,
    drain: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for the last acknowledgements.")
    ] = 10.0,
    history: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=31_536_000,
            help="Stamp the --count messages evenly over so many seconds until now.",
        ),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Permit a broker on another machine.")
    ] = False,
    print_facility: Annotated[
        bool, typer.Option("--print-facility", help="Print the facility file of the load and exit.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    broker: BrokerOption = None,
) -> None:
    """Flood a broker with small messages and keep exact books of what it acknowledged."""
    address = broker_of(broker)
    if devices < connections:
        raise fail(f"{connections} connections need as many --devices or more, not {devices}")
    if history is not None and count is None:
        raise fail("--history needs --count: how many messages lie in that time")
    try:
        job = Load(
            broker=address,
            facility=checked(facility, "--facility"),
            prefix=checked(prefix, "--prefix"),
            channels=tuple(checked(name, "channel") for name in channels.split(",")),
            rate=_rate(rate),
            duration_s=duration,
            count=count,
            connections=connections,
            window=window,
            devices=devices,
            payload_bytes=payload_bytes,
            drain_s=drain,
            history_s=history,
        )
    except ValueError as error:
        raise fail(str(error)) from None
    if print_facility:
        print(load_file(job), end="")
        return
    if not address.is_loopback and not allow_remote:
        raise fail(f"{address} is another machine: add --allow-remote if a flood is welcome there")
    result = finish(run_load(job))
    print(json.dumps(result) if as_json else _summary(result))
    if result["unacknowledged"]:
        say(f"tonne-sim: {result['unacknowledged']} messages were sent and never acknowledged")


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= 1_000_000.0:
        raise ValueError(f"--rate takes max or messages a second up to 1000000, not {text!r}")
    return rate


def _summary(result: dict[str, Any]) -> str:
    late = result["puback_ms"]
    shown = {key: "-" if value is None else f"{value:.1f}" for key, value in late.items()}
    return (
        f"{result['acknowledged']} of {result['sent']} messages acknowledged, "
        f"{result['unsent']} never sent; {result['messages_per_s']:.0f} messages/s; "
        f"PUBACK p50 {shown['p50']} ms, p99 {shown['p99']} ms, max {shown['max']} ms; "
        f"{result['reconnects']} reconnects"
    )
