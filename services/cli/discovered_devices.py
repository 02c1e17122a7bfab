"""``tonne devices discover``, ``adopt`` and ``dismiss``: devices that nobody registered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from sqlalchemy import Connection

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show, show_json, show_rest
from services.cli.options import DryRun
from services.cli.say import amount, say
from services.core.accounting.units import UnitError, quantity_of
from services.core.facility.checks import warnings
from services.core.facility.discovery import pieces
from services.core.facility.discovery.proposals import ProposedChannel, channels
from services.core.facility.editing.edits import edited
from services.core.facility.errors import FacilityFileError
from services.core.store.candidates import decisions
from services.core.store.candidates.decisions import Candidate, NoSuchCandidateError
from services.core.store.operations.adopt_device import (
    AdoptedDevice,
    AdoptionError,
    WantedChannel,
    WantedSource,
    Wish,
    adopt_device,
)
from services.core.store.registry import file_versions

_WATCH_EVERY_S: Final = 1.0
_KINDS: Final = ("counter", "gauge")
_COLUMNS: Final = ("id", "device", "family", "last seen", "messages", "replayable", "proposed")
_OF_CHANNELS: Final = (
    *("id", "topic", "path", "quantity", "unit", "is_sure", "kind", "included", "last"),
    "messages",
)

CandidateId = Annotated[
    int, typer.Argument(min=1, help="id of the candidate, from `tonne devices discover`")
]


def discover(
    facility: Annotated[
        str | None,
        typer.Option(help="leave out devices that use topics of other facilities"),
    ] = None,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="go on, with a line for each device that is new")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="show numbers that are not proposed, too")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="maximum number of devices")] = 50,
    as_json: AsJson = False,
) -> None:
    """List devices that are heard at the broker and in no facility file.

    Nothing of them counts before it is adopted.
    """
    known: set[int] = set()
    with clear_errors(), process.session() as connection:
        while True:
            rows = _listed(connection, facility, limit)
            if as_json:
                show_json([_flat(row) for row in rows[:limit] if row.id not in known])
            else:
                _show([row for row in rows[:limit] if row.id not in known], everything, watch)
            if not watch:
                show_rest(rows, limit, which="other", as_json=as_json)
                return
            known |= {row.id for row in rows}
            time.sleep(_WATCH_EVERY_S)


def _listed(connection: Connection, facility: str | None, limit: int) -> list[Candidate]:
    facilities = None if facility is None else (facility,)
    with connection.begin():
        rows = connection.execute(decisions.listed(limit=limit + 1, facilities=facilities))
        return [decisions.candidate(row) for row in rows]


def _show(rows: Sequence[Candidate], everything: bool, watch: bool) -> None:
    if watch:
        for row in rows:
            say(f"{row.id}: {row.label} ({row.family}): {_proposed(row, everything)}")
        return
    show(
        _COLUMNS,
        [
            (
                row.id,
                row.label,
                row.family,
                row.last_seen,
                row.messages,
                row.stored,
                _proposed(row, everything),
            )
            for row in rows
        ],
        as_json=False,
    )


def _proposed(row: Candidate, everything: bool) -> str:
    proposed = channels(row.family, row.learned)
    shown = [_words(channel) for channel in proposed if channel.included or everything]
    more = len(proposed) - len(shown)
    if more:
        shown.append(f"{amount(more, 'number')} more (--all)")
    known = row.learned.recognised
    why = f" [{known.reason}]" if everything and known is not None else ""
    return (", ".join(shown) or "announced, no number heard yet") + why


def _words(channel: ProposedChannel) -> str:
    unit = "unit unknown" if channel.unit is None else channel.unit
    sure = "" if channel.is_sure or channel.unit is None else "?"
    last = "" if channel.last is None else f" = {channel.last:.15g}"
    return f"{channel.id}{last} {unit}{sure} ({channel.kind})"


def _flat(row: Candidate) -> dict[str, Any]:
    """Return a candidate for programs."""
    return {
        "id": row.id,
        "label": row.label,
        "family": row.family,
        "reason": None if row.learned.recognised is None else row.learned.recognised.reason,
        "facility": row.facility,
        "device": row.device,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "messages": row.messages,
        "replayable": row.stored,
        "channels": [
            {name: getattr(channel, name) for name in _OF_CHANNELS}
            for channel in channels(row.family, row.learned)
        ],
    }


def adopt(
    candidate: CandidateId,
    facility: Annotated[str, typer.Option(help="facility that it becomes a device of")],
    name: Annotated[
        str | None, typer.Option("--id", help="id of the device; default: from what it is called")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="ID[=UNIT[:KIND]] of a number to take, as `discover --all` lists it; KIND is"
            " counter or gauge; repeatable; default: those that are proposed"
        ),
    ] = None,
    factor: Annotated[
        str | None, typer.Option(help="count its electricity as a source with this factor")
    ] = None,
    *,
    no_source: Annotated[
        bool,
        typer.Option("--no-source", help="measure it without adding it to any total"),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Write a discovered device into a facility's file, and replay what was stored of it."""
    errors = (AdoptionError, NoSuchCandidateError, FacilityFileError)
    with clear_errors(*errors):
        settings = process.settings("apply")
        with process.transaction(dry_run=dry_run) as connection:
            if (factor is None) != no_source:
                raise failure(_which_source(connection, facility))
            adopted = adopt_device(
                connection,
                candidate,
                Wish(
                    facility=facility,
                    device=name,
                    channels=None if not channel else _wanted(connection, candidate, channel),
                    source=None if factor is None else WantedSource(factor=factor),
                ),
                by=process.operator(),
                max_bytes=settings.file_bytes,
            )
            _say(facility, adopted, dry_run=dry_run)
    if dry_run:
        say("nothing was changed")


def _which_source(connection: Connection, facility: str) -> str:
    text = file_versions.in_force(connection, facility)
    named = [] if text is None else pieces.factors(edited(text, []).value)
    which = f" ({', '.join(named)} in its file)" if named else ""
    return (
        f"say --factor FACTOR{which} if its electricity is to be counted, or --no-source if a meter"
        " before it counts it already"
    )


def _wanted(connection: Connection, candidate_id: int, stated: list[str]) -> list[WantedChannel]:
    row = connection.execute(decisions.by_id(candidate_id)).one_or_none()
    if row is None:
        raise NoSuchCandidateError(decisions.no_such(candidate_id))
    one = decisions.candidate(row)
    by_id = {channel.id: channel for channel in channels(one.family, one.learned)}
    wanted = []
    for text in stated:
        name, _, rest = text.partition("=")
        unit, _, kind = rest.partition(":")
        known = by_id.get(name)
        if known is None:
            raise AdoptionError(f"it has no number {name}; its numbers are {', '.join(by_id)}")
        if kind and kind not in _KINDS:
            raise AdoptionError(f"--channel {text}: a kind is {' or '.join(_KINDS)}")
        if unit:
            try:
                quantity_of(unit)
            except UnitError as error:
                raise AdoptionError(f"--channel {text}: {error}") from None
        wanted.append(
            WantedChannel(topic=known.topic, path=known.path, unit=unit or None, kind=kind or None)
        )
    return wanted


def _say(facility: str, adopted: AdoptedDevice, *, dry_run: bool) -> None:
    say(adopted.difference)
    for change in adopted.applied.changes:
        say(f"  {change}")
    for warning in (*warnings(adopted.file, adopted.shared), *adopted.applied.warnings):
        say(f"  warning: {warning}", err=True)
    would = "would become" if dry_run else "is"
    replayed = "would be replayed" if dry_run else "will be replayed by ingest"
    say(
        f"{facility}.{adopted.device} {would} a device;"
        f" {amount(adopted.stored, 'message')} stored of it {replayed}"
    )


def dismiss(candidate: CandidateId) -> None:
    """Let a device be listed no longer; what was stored of it goes."""
    with clear_errors(NoSuchCandidateError), process.transaction() as connection:
        decisions.dismiss(connection, candidate, by=process.operator())
    say(f"{candidate} is dismissed; it is listed again when it was silent for 30 days")
