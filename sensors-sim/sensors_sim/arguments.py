"""What the commands have in common: their shared flags, and bad input as one sentence."""

from __future__ import annotations

import asyncio
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

from sensors_sim.broker import Broker, default_url, parse_broker

T = TypeVar("T")


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
    list[str] | None,
    typer.Option(
        "--devices",
        help="Only these devices, as facility/device or by id alone; repeat or use commas.",
    ),
]
TruthOption = Annotated[
    Path | None, typer.Option("--truth", help="Write the true totals to this file as JSON.")
]


def fail(message: str) -> typer.Exit:
    """Print one sentence to stderr and return the exit with status 1."""
    say(f"tonne-sim: {message}")
    return typer.Exit(1)


def say(message: str) -> None:
    """Print a line for the reader to stderr; stdout is for results."""
    print(message, file=sys.stderr, flush=True)


def broker_of(url: str | None) -> Broker:
    """Return the broker that a flag or the environment names, or exit with a sentence."""
    try:
        return parse_broker(url or default_url())
    except ValueError as error:
        raise fail(str(error)) from None


def instant_ms(text: str, flag: str) -> int:
    """Return a flag's time in epoch milliseconds, or exit with a sentence."""
    if text == "now":
        return int(time.time() * 1000)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise fail(f"{flag} takes now or a time like 2026-11-23T18:00:00Z, not {text!r}") from None
    if instant.tzinfo is None:
        raise fail(f"{flag} needs an offset: write {text}Z for UTC")
    return int(instant.astimezone(UTC).timestamp() * 1000)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; a broker that refuses or is away is one sentence and status 1."""
    try:
        return asyncio.run(work)
    except TimeoutError:
        raise fail("the broker does not answer: is that its MQTT port?") from None
    except (OSError, ValueError) as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def with_progress(title: str, work: Callable[[Callable[[float], None]], T]) -> T:
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
            say(f"{title}: {shown * 10} %")

    return work(lines)
