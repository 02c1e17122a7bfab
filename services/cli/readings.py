"""``tonne readings``: list, correct and discard stored readings of a channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import psycopg
import typer

from services.cli import source_hours
from services.cli.device_names import chosen, spelled
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show, show_json, show_rest
from services.cli.options import check_line
from services.cli.process import database, operator
from services.cli.say import amount, say
from services.core.runtime.settings import load
from services.core.runtime.stated_readings import StatedReading
from services.core.store.readings import discards
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.discards import ChannelKey
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.timeline.instants import to_us
from services.ingest import stated_bounds
from services.ingest.amend import Author, amend
from services.ingest.decode.observation import QUALITY
from services.ingest.stated_bounds import UnusableSettingError

app = typer.Typer(no_args_is_help=True, help="List, correct and discard stored readings.")

_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)

Facility = Annotated[str | None, typer.Option(help="facility id; not needed if --device names it")]
Device = Annotated[str, typer.Option(help="facility/device, or an id that only one facility has")]
Channel = Annotated[str, typer.Option(help="channel id")]
Since = Annotated[
    str | None,
    typer.Option("--from", help="measured at this time or later, such as 2026-11-22T18:00:00Z"),
]
Until = Annotated[str | None, typer.Option("--to", help="measured before this time")]
Instant = Annotated[
    str | None, typer.Option("--at", help="measured at exactly this time, to the microsecond")
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="maximum number of readings")]


@app.command("list")
def list_(
    device: Device,
    channel: Channel,
    facility: Facility = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List stored readings of a channel, oldest first."""
    first, end = _time_range(since, until, None)
    with clear_errors(), database() as connection:
        key, _ = _channel(connection, facility, device, channel)
        stored = discards.stored(connection, key.channel_id, first, end, limit=limit + 1)
    columns = ("time", f"value, {key.unit}", "quality", "received")
    rows = [
        (_time(r.ts), _value(key.in_unit(r)), QUALITIES[r.quality], _time(r.received_at))
        for r in stored[:limit]
    ]
    if as_json:
        show_json([_measured(r, key) for r in stored[:limit]])
    else:
        show(columns, rows, as_json=False)
    show_rest(stored, limit, which="later", as_json=as_json)


@app.command()
def discarded(
    device: Device,
    channel: Channel,
    facility: Facility = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List discarded readings of a channel, by whom and why, last discarded first."""
    first, end = _time_range(since, until, None)
    with clear_errors(), database() as connection:
        key, _ = _channel(connection, facility, device, channel)
        discarded_readings = discards.record(
            connection, key.channel_id, first, end, limit=limit + 1
        )
    if as_json:
        rows: list[Any] = [
            {
                **_measured(r, key),
                "discarded_at": r.discarded_at,
                "by": r.discarded_by,
                "reason": r.reason,
            }
            for r in discarded_readings[:limit]
        ]
        show_json(rows)
        show_rest(discarded_readings, limit, which="earlier discarded", as_json=True)
        return
    columns = ("time", f"value, {key.unit}", "quality", "received", "discarded", "by", "reason")
    rows = [
        (
            _time(r.ts),
            _value(key.in_unit(r)),
            QUALITIES[r.quality],
            _time(r.received_at),
            _time(r.discarded_at),
            r.discarded_by,
            r.reason,
        )
        for r in discarded_readings[:limit]
    ]
    show(columns, rows, as_json=False)
    show_rest(discarded_readings, limit, which="earlier discarded", as_json=False)


def _measured(reading: Any, key: ChannelKey) -> dict[str, Any]:
    """Return a reading for programs."""
    return {
        "time": reading.ts,
        "value": key.in_unit(reading),
        "unit": key.unit,
        "quality": QUALITIES[reading.quality],
        "received_at": reading.received_at,
    }


@app.command()
def discard(
    device: Device,
    channel: Channel,
    reason: Annotated[str, typer.Option(help="reason, shown with the restatement")],
    facility: Facility = None,
    since: Since = None,
    until: Until = None,
    instant: Instant = None,
    by: Annotated[str | None, typer.Option(help="who discards them; default: the login")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Discard stored readings and restate the totals they fed; a record keeps them."""
    check_line("--reason", reason)
    who = by or operator()
    check_line("--by", who, max_characters=100)
    if instant is None and (since is None or until is None):
        raise failure("select readings with --from and --to, or --at")
    first, end = _time_range(since, until, instant)
    with clear_errors(), database() as connection:
        key, name = _channel(connection, facility, device, channel)
        bounds = discards.bounds(connection, key.channel_id, first, end)
        if bounds.first is None:
            raise failure(f"{name} has no readings there")
        say(
            f"{amount(bounds.readings, 'reading')} of {name},"
            f" {_time(bounds.first)} to {_time(bounds.last)}"
        )
        if not (yes or typer.confirm("discard them?")):
            raise failure("nothing was discarded")
        number = 0
        while moved := discards.discard(connection, key, first, end, by=who, reason=reason):
            number += moved
    say(f"discarded: {number}; the aggregator restates the totals they fed")


@app.command()
def correct(
    device: Device,
    channel: Channel,
    instant: Annotated[
        str, typer.Option("--at", help="time of the reading, to the microsecond, as `list` has it")
    ],
    reason: Annotated[str, typer.Option(help="reason, shown with the restatement")],
    value: Annotated[
        float | None, typer.Option(help="what is right, in the unit that `list` shows")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="of the value, if another")] = None,
    quality: Annotated[
        str | None, typer.Option(help=f"of the reading: {', '.join(QUALITY)}; default: good")
    ] = None,
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="there is no value: the reading becomes a gap")
    ] = False,
    facility: Facility = None,
    by: Annotated[str | None, typer.Option(help="who corrects it; default: the login")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Correct the reading at a time, or add one, and restate the totals that it feeds.

    What stood there is kept. What devices send for that time later waits in quarantine.
    """
    check_line("--reason", reason)
    who = by or operator()
    check_line("--by", who, max_characters=100)
    if (value is None) is not remove:
        raise failure("state what is right with --value, or --remove")
    if quality is not None and quality not in QUALITY:
        raise failure(f"--quality takes {', '.join(QUALITY)}")
    first, end = _time_range(None, None, instant)
    with clear_errors(UnusableSettingError, ArchivedDayError), database() as connection:
        key, name = _channel(connection, facility, device, channel)
        stored_reading = next(
            iter(discards.stored(connection, key.channel_id, first, end, limit=1)), None
        )
        if stored_reading is None and remove:
            raise failure(f"{name} has no reading at {_time(first)}")
        stated = StatedReading(
            device=key.name.partition(".")[0],
            channel=channel,
            ts_us=to_us(first),
            value=value,
            unit=unit,
            quality=quality or ("bad" if remove else "good"),
            is_stored=stored_reading is not None,
            was=None if stored_reading is None else key.in_unit(stored_reading),
            was_quality=None if stored_reading is None else QUALITIES[stored_reading.quality],
        )
        shown = (
            "no reading"
            if stored_reading is None
            else _shown(key.in_unit(stored_reading), key.unit)
        )
        say(f"{name} at {_time(first)}: {shown}, to be {_shown(value, unit or key.unit)}")
        if not (yes or typer.confirm("correct it?")):
            raise failure("nothing was corrected")
        bounds = stated_bounds.bounds(load())
        author = Author(by=who, reason=reason)
        with connection.transaction():
            outcome = amend(connection, key.facility, [stated], author, bounds, datetime.now(UTC))
    if outcome.refusals:
        raise failure(outcome.refusals[0].detail)
    if outcome.unchanged:
        say("it is stored just so already; nothing changed")
    else:
        say("corrected; the aggregator restates the totals that it feeds")


def _shown(value: float | None, unit: str) -> str:
    return "no value" if value is None else f"{value!r} {unit}"


def _channel(
    connection: psycopg.Connection[Any], facility: str | None, typed: str, channel: str
) -> tuple[ChannelKey, str]:
    """Find the channel that was typed, and its full name."""
    device = spelled(typed).rpartition("/")[2]
    known = {(owner, device) for owner in discards.owners(connection, device)}
    owner, device = chosen(typed, facility, known)
    key = discards.channel(connection, owner, device, channel)
    if key is None:
        raise failure(f"facility {owner} has no channel {device}.{channel}")
    return key, f"{owner}/{device}.{channel}"


def _time_range(
    since: str | None, until: str | None, single: str | None
) -> tuple[datetime, datetime]:
    instant = source_hours.instant("--at", single)
    if instant is not None:
        if since is not None or until is not None:
            raise failure("use either --from and --to, or --at")
        return instant, instant + timedelta(microseconds=1)
    first = source_hours.instant("--from", since) or _FIRST
    end = source_hours.instant("--to", until) or _LAST
    source_hours.in_order(first, end)
    return first, end


def _time(instant: datetime | None) -> str:
    if instant is None:
        return ""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _value(value: float | None) -> str:
    return "null" if value is None else repr(value)
