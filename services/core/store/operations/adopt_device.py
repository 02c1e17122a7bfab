"""A candidate becomes a device of a facility: its piece is written into the file in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from services.core.accounting.factors import Factor
from services.core.accounting.units import UnitError
from services.core.facility.discovery import families, pieces
from services.core.facility.discovery.pieces import ChosenChannel
from services.core.facility.discovery.proposals import ProposedChannel, channels, device_id
from services.core.facility.editing.document import EditError
from services.core.facility.editing.edits import edited
from services.core.facility.file import MAX_BYTES, parse
from services.core.facility.model import FacilityFile
from services.core.store.audit.record import difference
from services.core.store.candidates import decisions
from services.core.store.candidates.decisions import Candidate, NoSuchCandidateError
from services.core.store.operations.apply_facility import AppliedFacility, apply_facility
from services.core.store.registry import file_versions
from services.core.store.registry.shared_factors import shared_factors


class AdoptionError(ValueError):
    """A candidate cannot be adopted as asked; the message says what to do. Nothing was changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedChannel:
    """A proposed channel as somebody wants it; None: as it is proposed."""

    topic: str
    path: str
    id: str | None = None
    unit: str | None = None
    kind: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedSource:
    """What the device's electricity counts as."""

    factor: str
    #: None: the device's id
    id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """How a candidate is to be adopted."""

    facility: str
    #: id of the device; None: made from what it is called
    device: str | None = None
    #: None: those that are proposed
    channels: Sequence[WantedChannel] | None = None
    #: None: it is measured and adds nothing to any total
    source: WantedSource | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedDevice:
    """What became of it."""

    device: str
    #: of the facility's file, a unified diff
    difference: str
    file: FacilityFile
    shared: Sequence[Factor]
    applied: AppliedFacility
    #: messages that were stored of it, which ingest replays
    stored: int


def adopt_device(
    connection: Connection,
    candidate_id: int,
    wish: Wish,
    *,
    by: str,
    limited: bool = False,
    max_bytes: int = MAX_BYTES,
) -> AdoptedDevice:
    """Adopt a candidate in the caller's transaction; to try it only, roll that back.

    :raises NoSuchCandidateError: it is gone, adopted or dismissed.
    :raises AdoptionError: it cannot be adopted so.
    :raises FacilityFileError, ApplyError: the file would be wrong, as when it is applied.
    """
    candidate = _open(connection, candidate_id)
    text = file_versions.in_force(connection, wish.facility)
    if text is None:
        raise AdoptionError(
            f"there is no facility {wish.facility}; apply its file first, or name another one"
        )
    document = edited(text, [], max_bytes=max_bytes).value
    name = _name(candidate, wish, document)
    chosen = _chosen(candidate, wish.channels)
    timezone = str(document.get("facility", {}).get("timezone", "UTC"))
    try:
        piece = pieces.device(
            candidate.family,
            name,
            chosen,
            candidate.learned,
            timezone=timezone,
            document=document,
        )
        source = None if wish.source is None else _source(document, name, chosen, wish.source)
        after = edited(text, pieces.edits(document, piece, source), max_bytes=max_bytes).text
    except (UnitError, EditError) as error:
        raise AdoptionError(str(error)) from None
    shared = shared_factors(connection)
    file = parse(after, shared, max_bytes=max_bytes)
    applied = apply_facility(
        connection,
        file,
        text=after,
        by=by,
        limited=limited,
        replaces=file_versions.digest(text),
    )
    topics = {channel.topic for channel in chosen}
    stored = decisions.replayable(connection, candidate, topics)
    decisions.adopt(
        connection,
        candidate_id,
        facility=wish.facility,
        device=name,
        topics=() if candidate.facility is not None else topics,
        by=by,
    )
    return AdoptedDevice(
        device=name,
        difference=difference(text, after),
        file=file,
        shared=shared,
        applied=applied,
        stored=stored,
    )


def _open(connection: Connection, candidate_id: int) -> Candidate:
    row = connection.execute(decisions.by_id(candidate_id)).one_or_none()
    if row is None or row.state != "open":
        raise NoSuchCandidateError(decisions.no_such(candidate_id))
    return decisions.candidate(row)


def _name(candidate: Candidate, wish: Wish, document: Any) -> str:
    """Return the id that the device gets."""
    if candidate.family == families.NATIVE:
        names = (wish.facility, wish.device or candidate.device)
        if names != (candidate.facility, candidate.device):
            raise AdoptionError(
                f"its topics name it {candidate.facility}/{candidate.device}: adopt it as that, or"
                " let the device publish at others"
            )
        return str(candidate.device)
    if candidate.facility not in {None, wish.facility}:
        raise AdoptionError(f"it is at a topic of facility {candidate.facility}: adopt it there")
    name = wish.device or device_id(candidate.label, candidate.key)
    devices = document.get("devices") or []
    if any(isinstance(one, dict) and one.get("id") == name for one in devices):
        raise AdoptionError(
            f"facility {wish.facility} has a device {name} already; choose another id"
        )
    return name


def _chosen(candidate: Candidate, wanted: Sequence[WantedChannel] | None) -> list[ChosenChannel]:
    proposed = channels(candidate.family, candidate.learned)
    if wanted is None:
        pairs = [(c, WantedChannel(topic=c.topic, path=c.path)) for c in proposed if c.included]
    else:
        pairs = list(_paired(proposed, wanted))
    if not pairs:
        raise AdoptionError("none of its numbers is chosen; choose at least one, with its unit")
    return [_channel(known, one) for known, one in pairs]


def _paired(
    proposed: Sequence[ProposedChannel], wanted: Sequence[WantedChannel]
) -> Iterator[tuple[ProposedChannel, WantedChannel]]:
    """Pair what is wanted with what is proposed, in order where several stand at one place."""
    by_place: dict[tuple[str, str], list[ProposedChannel]] = {}
    for channel in proposed:
        by_place.setdefault((channel.topic, channel.path), []).append(channel)
    for one in wanted:
        at_place = by_place.get((one.topic, one.path), [])
        known = next((channel for channel in at_place if channel.id == one.id), None)
        if known is None and at_place:
            known = at_place[0]
        if known is None:
            raise AdoptionError(f"it has no number {one.path} at {one.topic}; read it again")
        if len(at_place) > 1:
            at_place.remove(known)
        yield known, one


def _channel(known: ProposedChannel, wanted: WantedChannel) -> ChosenChannel:
    unit = wanted.unit or known.unit
    if unit is None:
        raise AdoptionError(f"{wanted.id or known.id}: nothing says its unit; state it")
    return ChosenChannel(
        topic=known.topic,
        path=known.path,
        id=wanted.id or known.id,
        unit=unit,
        kind=wanted.kind or known.kind,
        interval_s=known.interval_s,
        example=known.example,
        has_proposed_unit=unit == known.unit,
    )


def _source(
    document: Any, name: str, chosen: Sequence[ChosenChannel], wanted: WantedSource
) -> dict[str, Any]:
    channel = pieces.counted(chosen)
    if channel is None:
        raise AdoptionError(
            "none of its channels counts energy that flows in; adopt it without a source, and state"
            " one in the facility's file"
        )
    return pieces.source(document, wanted.id or name, name, channel, wanted.factor)
