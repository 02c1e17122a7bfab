"""``tonne quarantine``: list, replay and discard refused messages."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from services.cli import process, source_hours
from services.cli.device_names import ambiguous, spelled
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, below, show_json, show_rest
from services.cli.listing import console as listing_console
from services.cli.options import Note, Wait, check_line
from services.cli.say import cell, say
from services.core.store.database.progress import STALE_AFTER_S
from services.core.store.readings import quarantine, replays
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.quarantine import QuarantineItem
from services.core.store.readings.replays import ReplayRequest, Selection
from services.ingest.quarantine.reasons import Reason

app = typer.Typer(no_args_is_help=True, help="List, replay and discard refused messages.")

_LOOK_EVERY_S: Final = 0.2

#: The beginning of a larger payload is shown.
_SHOWN_BYTES: Final = 4096

_NEWEST_ID: Final = (1 << 63) - 1

Facilities = Annotated[list[str] | None, typer.Option("--facility", help="facility id; repeatable")]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        help="facility/device, a device id of any facility, or an id that a gateway sends;"
        " repeatable",
    ),
]
MeantDevices = Annotated[
    list[str] | None,
    typer.Option(
        "--device", help="facility/device, or an id that only one facility has; repeatable"
    ),
]
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="reason code; repeatable")]
Since = Annotated[
    str | None,
    typer.Option("--from", help="arrived at this time or later, such as 2026-11-22T18:00:00Z"),
]
Until = Annotated[str | None, typer.Option("--to", help="arrived before this time")]
Ids = Annotated[
    list[int] | None,
    typer.Argument(min=1, max=_NEWEST_ID, help="entry ids; default: all that match"),
]


@app.command("list")
def list_(
    facility: Facilities = None,
    device: Devices = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="list settled entries instead")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="maximum number of entries")] = 50,
    as_json: AsJson = False,
) -> None:
    """List quarantine entries, newest first; conflicts with both values."""
    statement = quarantine.select_page(
        limit=limit + 1,
        states=("replayed", "accepted", "discarded") if settled else ("open",),
        reasons=reason or (),
        facilities=facility or None,
        devices=_names(device),
        since=source_hours.instant("--from", since),
        until=source_hours.instant("--to", until),
        payload_bytes=1,
    )
    with clear_errors(), process.session() as connection:
        items = [quarantine.item(dict(row)) for row in connection.execute(statement).mappings()]
    if as_json:
        show_json([_flat(item) for item in items[:limit]])
        show_rest(items, limit, which="older", as_json=True)
        return
    console = listing_console()
    if not items:
        console.print("nothing that matches is in quarantine")
    for item in items[:limit]:
        console.print(_headline(item, item.state if settled else item.reason))
        console.print(below(item.detail))
    show_rest(items, limit, which="older", as_json=False)


def _flat(item: QuarantineItem) -> dict[str, Any]:
    """Return an entry for programs; `tonne quarantine show` shows its message."""
    return {
        name: getattr(item, name)
        for name in (
            "id", "received_at", "state", "settled_at", "reason", "detail", "topic", "facility",
            "device", "unknown_ids", "channel", "ts", "value", "stored_value", "payload_bytes",
            "properties",
        )
    }  # fmt: skip


@app.command()
def show(
    entry: Annotated[
        int, typer.Argument(min=1, max=_NEWEST_ID, help="entry id, from `tonne quarantine list`")
    ],
) -> None:
    """Show an entry with its message."""
    with clear_errors(), process.session() as connection:
        row = connection.execute(quarantine.select_item(entry)).mappings().first()
    if row is None:
        raise failure(f"there is no entry {entry}; `tonne quarantine list` lists entries")
    item = quarantine.item(dict(row))
    table = Table(show_header=False, box=None)
    for name, value in (
        ("id", str(item.id)),
        ("arrived", _time(item.received_at)),
        ("state", f"{item.state} {_time(item.settled_at)}".strip()),
        ("reason", item.reason),
        ("detail", cell(item.detail)),
        ("topic", cell(item.topic)),
        ("facility", cell(item.facility or "")),
        ("device", cell(item.device or "")),
        ("unknown ids", cell(", ".join(item.unknown_ids or ()))),
        ("channel", cell(item.channel or "")),
        ("time", _time(item.ts)),
        ("sent", _reading(item.value, item.quality, known=item.ts is not None)),
        (
            "stored",
            _reading(item.stored_value, item.stored_quality, known=item.stored_quality is not None),
        ),
        ("size", f"{item.payload_bytes} bytes"),
        (
            "beside it",
            cell(", ".join(f"{name}: {value}" for name, value in (item.properties or {}).items())),
        ),
        ("message", _payload(item)),
    ):
        table.add_row(name, value)
    listing_console().print(table)


@app.command()
def replay(
    ids: Ids = None,
    facility: Facilities = None,
    device: MeantDevices = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="let conflicts replace the stored values")
    ] = False,
    note: Note = None,
    wait: Wait = True,
) -> None:
    """Process entries again, in the order of arrival; ingest does the work."""
    check_line("--note", note)
    selection = _selection(ids, facility, device, reason, since, until)
    with clear_errors(), process.session() as connection:
        with connection.begin():
            _refuse_unknown(connection, ids)
            _refuse_ambiguous(connection, selection)
            request_id = replays.submit(
                connection, selection, accept=accept, by=process.operator(), note=note
            )
        if wait:
            _tell(_await_replay(connection, request_id))
        else:
            say(f"replay {request_id} waits for ingest")


@app.command()
def discard(
    ids: Ids = None,
    facility: Facilities = None,
    device: MeantDevices = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[bool, typer.Option("--all", help="discard all open entries")] = False,
) -> None:
    """Discard entries, so that there is room for others."""
    selection = _selection(ids, facility, device, reason, since, until)
    if selection == Selection() and not everything:
        raise failure("name entries, select them with --reason and other options, or use --all")
    with clear_errors(), process.session() as connection, connection.begin():
        _refuse_unknown(connection, ids)
        _refuse_ambiguous(connection, selection)
        number = replays.discard(connection, selection, by=process.operator())
    say(f"discarded: {number}")


def _selection(
    ids: list[int] | None,
    facility: list[str] | None,
    device: list[str] | None,
    reason: list[Reason] | None,
    since: str | None,
    until: str | None,
) -> Selection:
    return Selection(
        ids=tuple(ids) if ids else None,
        facilities=tuple(facility) if facility else None,
        devices=_names(device) or None,
        reasons=tuple(reason) if reason else None,
        since=source_hours.instant("--from", since),
        until=source_hours.instant("--to", until),
    )


def _names(typed: list[str] | None) -> tuple[str, ...]:
    """Return what may be meant: an id of a gateway's own choice may have a dot in it."""
    return tuple(dict.fromkeys(name for text in typed or () for name in (spelled(text), text)))


def _refuse_unknown(connection: Connection, ids: list[int] | None) -> None:
    unknown = replays.unknown_ids(connection, ids, None) if ids else []
    if unknown:
        listed = ", ".join(str(entry_id) for entry_id in unknown[:10])
        raise failure(f"there is no entry {listed}; `tonne quarantine list` lists entries")


def _refuse_ambiguous(connection: Connection, selection: Selection) -> None:
    """Refuse a device id that several facilities with matching entries have."""
    if selection.facilities is not None or selection.ids is not None:
        return
    named = set(selection.devices or ())
    owners: dict[str, list[str]] = {}
    for facility, device in replays.senders(connection, selection) if named else ():
        owners.setdefault(device, []).append(facility)
    for device, facilities in owners.items():
        if device in named and len(facilities) > 1:
            raise ambiguous(device, facilities)


def _await_replay(connection: Connection, request_id: int) -> ReplayRequest:
    """Show the progress of the replay until it is done."""
    began = time.monotonic()
    with Progress(
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        while True:
            replay = _request(connection, request_id)
            # entries that were settled since the request are not tried
            progress.update(task, total=max(replay.entries, replay.tried), completed=replay.tried)
            if replay.finished_at is not None:
                return replay
            if time.monotonic() > began + STALE_AFTER_S and not _ingest_works(connection):
                raise failure(
                    f"ingest is not running; replay {request_id} continues when it does:"
                    " start `tonne ingest`"
                )
            time.sleep(_LOOK_EVERY_S)


def _request(connection: Connection, request_id: int) -> ReplayRequest:
    with connection.begin():
        return replays.request(
            dict(connection.execute(replays.select_request(request_id)).mappings().one())
        )


def _ingest_works(connection: Connection) -> bool:
    with connection.begin():
        return replays.ingest_runs(connection)


def _tell(done: ReplayRequest) -> None:
    say(f"tried: {done.tried}")
    say(f"restored: {done.restored}")
    if done.accept:
        say(f"accepted: {done.accepted}; hours that change are restated")
    say(f"refused again: {sum(done.refused.values())}")
    for reason, number in sorted(done.refused.items(), key=lambda item: (-item[1], item[0])):
        say(f"  {reason}: {number}")


def _headline(item: QuarantineItem, why: str) -> Text:
    """Describe an entry: its sender, what was sent and, for a conflict, what is stored."""
    whose = "/".join(name for name in (item.facility, item.device) if name) or item.topic
    if item.channel:
        whose += f".{item.channel}"
    line = Text.assemble((str(item.id), "bold"), f"  {_time(item.received_at)}  ", (why, "bold"))
    line.append("  ").append_text(cell(whose))
    if item.ts is not None:
        line.append(f" at {_time(item.ts)}: sent {_reading(item.value, item.quality, known=True)}")
    if item.stored_quality is not None:
        stored = _reading(item.stored_value, item.stored_quality, known=True)
        line.append(f", stored {stored}")
    return line


def _time(instant: datetime | None) -> str:
    if instant is None:
        return ""
    text = instant.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return text.removesuffix(".000") + "Z"


def _reading(value: float | None, quality: int | None, *, known: bool) -> str:
    if not known:
        return ""
    text = "null" if value is None else f"{value!r}"
    return text if not quality else f"{text} ({QUALITIES[quality]})"


def _payload(item: QuarantineItem) -> Text:
    shown = item.payload[:_SHOWN_BYTES]
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        text = shown.hex(" ")
    more = " ..." if len(item.payload) > len(shown) else ""
    return cell(text + more)
