"""``tonne map``: what the mapping of a device makes of a message, before it is applied."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import process, source_hours
from services.cli.errors import clear_errors, failure
from services.cli.files import whole_file
from services.cli.listing import AsJson, show, show_json
from services.cli.say import say
from services.core.facility.beside import Properties
from services.core.facility.beside import stated as checked_properties
from services.core.facility.file import parse_devices
from services.core.store.registry import read, unapplied
from services.ingest import stated_bounds, trial, trial_rows
from services.ingest.decode.observation import TOO_LARGE_BYTES
from services.ingest.stated_bounds import UnusableSettingError
from services.ingest.trial import Absent, Refused, Taken, Verdict

app = typer.Typer(
    no_args_is_help=True, help="Show what the mapping of a device makes of a message."
)

_COLUMNS = ("channel", "value", "unit", "kind", "quality", "time", "timed by", "from")


@app.callback()
def _group() -> None:
    """Show what the mapping of a device makes of a message."""


@app.command("try")
def try_mapping(
    file: Annotated[Path, typer.Argument(help="facility file, YAML or JSON; need not be applied")],
    payload: Annotated[
        Path, typer.Argument(help="file with the payload of one message; - is standard input")
    ] = Path("-"),
    *,
    topic: Annotated[
        str | None,
        typer.Option(help="topic of the message; default: each topic of the file is tried"),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE that MQTT 5 has beside the payload, such as property.unit=kWh or"
            " content_type=text/csv; may be repeated"
        ),
    ] = None,
    arrival: Annotated[
        str | None, typer.Option("--at", help="when the message arrives; default: now")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a facility file makes of a message, before it is applied: no database is asked.

    Each channel has its value with unit, time and where it stood, or why it would go to
    quarantine. Exit code 1: something would be refused, or nothing is taken.
    """
    with clear_errors(UnusableSettingError):
        settings = process.settings("ingest")
        parsed = whole_file(
            file,
            parse_devices,
            settings,
            otherwise="the file cannot be tried; correct the lines above",
        )
        devices = unapplied.devices(parsed)
        arrived_at = source_hours.instant("--at", arrival) or datetime.now(UTC)
        by_topic = trial_rows.tried(
            devices,
            _payload(payload),
            _topics(devices, topic),
            arrived_at,
            stated_bounds.bounds(settings),
            max_steps=settings.mapping_steps,
            properties=_properties(beside or []),
        )
    show_verdicts(devices, by_topic, as_json=as_json)


def show_verdicts(
    devices: read.Devices, by_topic: Mapping[str, Sequence[Verdict]], *, as_json: bool
) -> None:
    """Print what would become of messages, by topic.

    :raises typer.Exit: something would be refused, or nothing is taken.
    """
    verdicts = [(name, verdict) for name, listed in by_topic.items() for verdict in listed]
    if as_json:
        show_json([trial_rows.flat(devices, name, verdict) for name, verdict in verdicts])
    else:
        _show(devices, [verdict for _, verdict in verdicts])
    if not any(isinstance(verdict, Taken) for _, verdict in verdicts) or any(
        isinstance(verdict, Refused) for _, verdict in verdicts
    ):
        raise typer.Exit(1)


def _payload(path: Path) -> bytes:
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(TOO_LARGE_BYTES)
        with path.open("rb") as opened:
            return opened.read(TOO_LARGE_BYTES)
    except OSError as error:
        raise failure(f"{path}: cannot be read: {error.strerror or error}") from None


def _properties(pairs: Sequence[str]) -> Properties:
    """Read what stands beside the payload; a user property may be named again."""
    stated: dict[str, str | list[str]] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise failure(f"--beside {pair}: write NAME=VALUE, such as property.unit=kWh")
        before = stated.get(name)
        if before is None:
            stated[name] = value
        else:
            stated[name] = [*(before if isinstance(before, list) else [before]), value]
    try:
        return checked_properties(stated)
    except ValueError as error:
        raise failure(f"--beside: {error}") from None


def _topics(devices: read.Devices, stated: str | None) -> Sequence[str]:
    known = trial.topics(devices)
    if stated is None:
        return known
    if not trial.is_taken(devices, stated):
        raise failure(
            f"no device of the file takes messages at {stated}; its topics are {', '.join(known)}"
        )
    return (stated,)


def _show(devices: read.Devices, verdicts: Sequence[Verdict]) -> None:
    rows = [_row(devices, verdict) for verdict in verdicts if isinstance(verdict, Taken)]
    if rows:
        show(_COLUMNS, rows, as_json=False)
    for verdict in verdicts:
        if isinstance(verdict, Refused):
            name = ".".join(part for part in (verdict.device, verdict.channel) if part)
            place = f"{name}: " if name else ""
            say(f"refused: {place}{verdict.reason}: {verdict.detail}")
        elif isinstance(verdict, Absent):
            place = trial.place(devices, verdict.channel)
            say(f"nothing for {_name(verdict.channel)} stands at {place}")
    if not verdicts:
        say("nothing would be stored, and nothing refused")


def _row(devices: read.Devices, taken: Taken) -> tuple[Any, ...]:
    return (
        _name(taken.channel),
        "no value" if taken.value is None else _figure(taken.value),
        taken.channel.unit,
        taken.channel.kind,
        taken.quality,
        taken.ts,
        trial.clock(devices, taken),
        trial.place(devices, taken.channel),
    )


def _name(channel: read.Channel) -> str:
    return f"{channel.device}.{channel.slug}"


def _figure(value: float) -> str:
    # what arithmetic adds behind the fifteenth digit is no part of the value
    return f"{value:.15g}"
