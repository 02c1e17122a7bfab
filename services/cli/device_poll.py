"""``tonne devices poll``: what a device answers now, and what a facility file makes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import whole_file
from services.cli.listing import AsJson
from services.cli.mapping import show_verdicts
from services.cli.say import say
from services.core.facility.file import parse_devices
from services.core.runtime.escapes import shown
from services.core.store.registry import read, unapplied
from services.ingest import stated_bounds, trial
from services.ingest.connections import once
from services.ingest.connections.endpoints import endpoint_of, topic_of
from services.ingest.connections.failures import ConnectionFailedError
from services.ingest.decode.p1 import ENCRYPTED
from services.ingest.sources.source import Message
from services.ingest.stated_bounds import UnusableSettingError


def poll(
    file: Annotated[Path, typer.Argument(help="facility file, YAML or JSON; need not be applied")],
    device: Annotated[
        str | None, typer.Argument(help="id of the device; default: the only one with p1 or modbus")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask a device with p1 or modbus once: show what it answers and what the file makes of it.

    No database is asked, and nothing is stored. It connects from here, whatever TONNE_DEVICE_HOSTS
    allows ingest. Exit code 1: it does not answer, something would be refused, or nothing is taken.
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
        chosen = _chosen(devices, device)
        try:
            payload = asyncio.run(once.fetch(chosen))
        except ConnectionFailedError as error:
            endpoint = endpoint_of(chosen.format, chosen.spec)
            address = "" if endpoint is None else f" at {endpoint.address}"
            raise failure(f"{chosen.slug}{address}: {error}") from None
        topic = topic_of(chosen) or ""
        message = Message(topic=topic, payload=payload, received_at=datetime.now(UTC), token=None)
        verdicts = trial.verdicts(devices, message, stated_bounds.bounds(settings))
    if not as_json:
        say(f"{_readable(payload)}\n")
    show_verdicts(devices, {topic: verdicts}, as_json=as_json)


def _chosen(devices: read.Devices, slug: str | None) -> read.Device:
    connected = [
        device
        for device in devices.by_name.values()
        if endpoint_of(device.format, device.spec) is not None and slug in {None, device.slug}
    ]
    if len(connected) == 1:
        return connected[0]
    if slug is not None:
        raise failure(f"the file has no device {slug} with modbus, or with the host of a p1")
    if not connected:
        raise failure("the file has no device with modbus, or with the host of a p1")
    raise failure(f"say which device: {', '.join(device.slug for device in connected)}")


def _readable(payload: bytes) -> str:
    """Return a payload for a terminal."""
    if payload.startswith(ENCRYPTED):
        return f"an encrypted telegram of {len(payload)} bytes"
    return shown(payload.decode("latin-1").replace("\r\n", "\n").strip(), lines=True)
