"""Messages -> rows to store and what to quarantine: route, decode, resolve, check. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.core.store.factor_series.inbox import SentValues
from services.core.store.factor_series.names import Series
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.store.readings.writer import ReadingRow
from services.core.timeline.instants import to_us
from services.ingest import factor_values, refusals
from services.ingest.arrivals import Arrivals
from services.ingest.check import CheckError, check_time, checked_value, is_marker
from services.ingest.corrections import ABOVE_RANGE, BAD
from services.ingest.decode.observation import (
    TIME_AFTER_WAITING,
    TIME_FROM_BROKER,
    TIME_FROM_DEVICE,
    TIME_FROM_MESSAGE_BEFORE,
    TOO_LARGE_BYTES,
    Decoded,
    Observation,
    Problem,
    UndecodableError,
)
from services.ingest.quarantine.reasons import Reason
from services.ingest.refusals import Owner
from services.ingest.resolve import Destination, Directory, Publisher
from services.ingest.route import Kind
from services.ingest.shared_topics import Fleets, Unregistered
from services.ingest.sources.source import Message, RefusedAtDoor
from services.ingest.target import Target
from services.ingest.times_before import TimesBefore

#: Reasons that a change of the registry can remove.
UNKNOWN: Final = frozenset(
    {
        Reason.UNKNOWN_FACILITY,
        Reason.RETIRED_FACILITY,
        Reason.MOVED_FACILITY,
        Reason.UNKNOWN_DEVICE,
        Reason.UNKNOWN_CHANNEL,
        Reason.UNKNOWN_SERIES,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeBounds:
    """Which times are believed."""

    oldest: datetime
    future_tolerance: timedelta
    #: how far in the past a reading has to lie to be looked at by :mod:`.alone`; zero: none is
    alone_after: timedelta = timedelta(0)


class Candidate(ReadingRow, frozen=True, gc=False):
    """A reading to store, and where it comes from, should it be refused after all."""

    message: Message
    publisher: Publisher
    channel: str
    #: it is the gap that stands for a value which was refused
    for_refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """A device was heard of."""

    seen_at: datetime | None
    #: what its status topic said, and when; None: it said nothing now
    online: bool | None = None
    said_at: datetime | None = None

    def followed_by(self, later: Sighting) -> Sighting:
        """Both together; of two statuses the later one, in whichever order they were handed on."""
        instants = [instant for instant in (self.seen_at, later.seen_at) if instant is not None]
        newest = later if _is_later(later.said_at, self.said_at) else self
        return Sighting(
            seen_at=max(instants, default=None), online=newest.online, said_at=newest.said_at
        )


def _is_later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one >= other)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A batch of messages, ready to be written."""

    rows: list[Candidate] = field(default_factory=list)
    quarantine: list[QuarantineEntry] = field(default_factory=list)
    #: of factors by the hour, in the order in which they came
    factor_values: list[SentValues] = field(default_factory=list)
    #: by device id
    sightings: dict[int, Sighting] = field(default_factory=dict)
    #: whether anything was refused that a newer registry may know
    missed: bool = False
    #: places of the rows that are as old as :mod:`.alone` looks at
    old: list[int] = field(default_factory=list)
    #: times that came in messages of their own, this batch's among them
    times: TimesBefore = field(default_factory=TimesBefore, compare=False)


def prepare(
    messages: Sequence[Message],
    directory: Directory,
    bounds: TimeBounds,
    arrivals: Arrivals | None = None,
    *,
    facility: str | None = None,
    ids: frozenset[str] | None = None,
    times: TimesBefore | None = None,
) -> Prepared:
    """Take a batch through steps 2 to 5; never raises, whatever the messages hold.

    ``arrivals``: the times given to the batches before; None: there were none. ``facility``: of a
    topic that several share, only what is this one's; None: everybody's. ``ids``: of a message of
    many devices, only what these name; None: all. ``times``: those that the batches before told in
    messages of their own; None: there were none.
    """
    preparation = Preparation(directory, bounds, arrivals or Arrivals(), facility, ids, times)
    for message in messages:
        preparation.take(message)
    return Prepared(
        rows=preparation.rows,
        quarantine=preparation.quarantine,
        factor_values=preparation.factor_values,
        sightings=preparation.sightings,
        missed=preparation.missed,
        old=preparation.old,
        times=preparation.times,
    )


class Preparation:
    """Takes messages through steps 2 to 5, one after the other."""

    def __init__(
        self,
        directory: Directory,
        bounds: TimeBounds,
        arrivals: Arrivals,
        facility: str | None,
        ids: frozenset[str] | None = None,
        times: TimesBefore | None = None,
    ) -> None:
        self.times = TimesBefore() if times is None else times.copy()
        self._destination = directory.destination
        self._arrivals = arrivals
        self._facility = facility
        self._ids = ids
        self._oldest_us = to_us(bounds.oldest)
        self._tolerance_us = bounds.future_tolerance // timedelta(microseconds=1)
        # without a limit nothing is that old
        self._alone_us = bounds.alone_after // timedelta(microseconds=1) or 1 << 62
        self.rows: list[Candidate] = []
        self.quarantine: list[QuarantineEntry] = []
        self.factor_values: list[SentValues] = []
        self.missed = False
        self.old: list[int] = []
        #: by device id: when its newest readings came, and what its status said
        self._heard: dict[int, datetime] = {}
        self._statuses: dict[int, Sighting] = {}
        #: when the message before arrived, and what follows from it
        self._arrived_at: datetime | None = None
        self._received_at: datetime | None = None
        self._arrived_us = self._received_us = self._recent_us = self._newest_us = 0

    def _arrive(self, arrived_at: datetime, received_at: datetime) -> None:
        """Take other times of arrival; messages of one burst have the same."""
        self._arrived_at, self._received_at = arrived_at, received_at
        self._arrived_us, self._received_us = to_us(arrived_at), to_us(received_at)
        # times between these need no second look
        self._recent_us = max(self._oldest_us, self._arrived_us - self._alone_us)
        self._newest_us = self._arrived_us + self._tolerance_us

    @property
    def sightings(self) -> dict[int, Sighting]:
        """What was heard of which device."""
        sightings = dict(self._statuses)
        for device_id, arrived_at in self._heard.items():
            heard, status = Sighting(seen_at=arrived_at), sightings.get(device_id)
            sightings[device_id] = status.followed_by(heard) if status else heard
        return sightings

    def take(self, message: Message) -> None:
        """Take one message through steps 2 to 5."""
        if message.refused is not None:
            self._refuse_at_door(message, message.refused)
            return
        destination = self._destination(message.topic)
        only = destination.only
        if only is None or self._facility or not 0 < len(message.payload) < TOO_LARGE_BYTES:
            self._take_unusual(message, destination)
        elif problems := self._readings(message, only, shared=False):
            self._quarantine(message, [(only, problem) for problem in problems])

    def _take_unusual(self, message: Message, destination: Destination) -> None:
        """Take a message that is not just the readings of one device."""
        if destination.kind is Kind.IGNORED and message.sender is not None:
            problem = refusals.unknown_ids((message.sender,), message.topic)
            self._quarantine(message, [(destination, problem)])
            return
        if destination.kind is Kind.IGNORED or not message.payload:
            # an empty payload is how MQTT takes back what was retained
            return
        publishers = destination.publishers
        if self._facility is not None:
            publishers = tuple(p for p in publishers if p.facility == self._facility)
        if len(message.payload) >= TOO_LARGE_BYTES:
            detail = f"the message has {len(message.payload)} bytes"
            self._refuse(
                message, destination, publishers, Problem(reason=Reason.TOO_LARGE, detail=detail)
            )
        elif destination.unknown_id is not None:
            self._refuse_unknown(message, destination, destination.unknown_id)
        elif destination.reason is not None:
            problem = Problem(reason=destination.reason, detail=destination.detail)
            self._refuse(message, destination, publishers, problem)
        elif destination.series is not None:
            self._values(message, destination, destination.series)
        elif destination.kind is Kind.STATUS:
            for publisher in publishers:
                self._status(message, destination, publisher)
        else:
            self._quarantine(message, self._of_devices(message, destination, publishers))

    def _of_devices(
        self, message: Message, destination: Destination, publishers: Sequence[Publisher]
    ) -> list[tuple[Owner, Problem]]:
        """Take what each of several devices says; return what is wrong with it."""
        of_messages = destination.fleets
        if of_messages is not None and self._ids is not None:
            publishers = ()
        shared = len(publishers) > 1 or of_messages is not None
        problems: list[tuple[Owner, Problem]] = [
            (publisher, problem)
            for publisher in publishers
            for problem in (
                self._time(message, publisher)
                if publisher.tells_time
                else self._readings(message, publisher, shared=shared)
            )
        ]
        return problems if of_messages is None else problems + self._by_ids(message, of_messages)

    def _time(self, message: Message, publisher: Publisher) -> Sequence[Problem]:
        """Learn the time of values that come after a message; return what is wrong with it."""
        self._arrive(message.arrived_at, message.received_at)
        if publisher.beside is not None:
            publisher.beside.take(message.topic, message.properties)
        try:
            decoded = publisher.decode(message.payload, self._arrived_us)
        except Exception as error:  # noqa: BLE001 - whatever it is, it would come again and again
            problem = refusals.undecodable(
                error, facility=publisher.facility, device=publisher.device
            )
            return (problem,)
        ts_us = next((observation.ts_us for observation in decoded.observations), None)
        self.times.learn(publisher.device_id, message, self._arrived_us, ts_us)
        return ()

    def _by_ids(self, message: Message, shared: Fleets[Publisher]) -> list[tuple[Owner, Problem]]:
        """Take what many devices say in one message; return what is wrong with it."""
        meant = self._facility
        self._arrive(message.arrived_at, message.received_at)
        try:
            parts, unknown = shared.decode(message, self._arrived_us, only=self._ids)
        except Exception as error:  # noqa: BLE001 - whatever it is, it would come again and again
            problem = refusals.undecodable(
                error, facility=", ".join(shared.facilities), device=None
            )
            return [
                (Unregistered(facility=facility), problem)
                for facility in shared.facilities
                if meant in {None, facility}
            ]
        problems: list[tuple[Owner, Problem]] = [
            (publisher, problem)
            for publisher, decoded in parts
            if meant in {None, publisher.facility}
            for problem in self._take_decoded(message, publisher, decoded, shared=True)
        ]
        problems += [
            (owner, refusals.unknown_ids(ids, message.topic, shared.without_id(ids)))
            for owner, ids in shared.refusals(unknown)
            if meant in {None, owner.facility}
        ]
        return problems

    def _refuse_at_door(self, message: Message, refused: RefusedAtDoor) -> None:
        """Refuse what a door did not let in, for those whose it would have been."""
        destination = self._destination(refused.topic)
        problem = Problem(reason=refused.reason, detail=refused.detail)
        self._refuse(message, destination, destination.publishers, problem)

    def _refuse_unknown(self, message: Message, destination: Destination, known_as: str) -> None:
        """Refuse a message of a device that nobody registered, for those who share its topic."""
        owners = destination.refused_to
        if self._facility is not None:
            # who shares the topic no longer has the entry still
            owners = (Unregistered(facility=self._facility),)
        problem = refusals.unknown_ids((known_as,), message.topic)
        self._quarantine(message, [(owner, problem) for owner in owners])

    def _status(self, message: Message, destination: Destination, publisher: Publisher) -> None:
        status_text = message.payload.strip()
        if status_text not in {b"online", b"offline"}:
            detail = "the status is neither online nor offline"
            problem = Problem(reason=Reason.BAD_STATUS, detail=detail)
            self._refuse(message, destination, (publisher,), problem)
            return
        online = status_text == b"online"
        # a retained message says how things stand, not that the device spoke just now; "offline"
        # is the device's will, spoken by the broker
        heard = online and not message.retained
        arrived_at = message.arrived_at
        status = Sighting(seen_at=arrived_at if heard else None, online=online, said_at=arrived_at)
        before = self._statuses.get(publisher.device_id)
        self._statuses[publisher.device_id] = before.followed_by(status) if before else status

    def _values(self, message: Message, destination: Destination, series: Series) -> None:
        try:
            values = factor_values.read(message, series)
        except UndecodableError as error:
            problem = Problem(reason=error.reason, detail=error.detail)
            self._refuse(message, destination, (), problem)
            return
        if values.hours.size:
            self.factor_values.append(values)

    def _readings(
        self, message: Message, publisher: Publisher, *, shared: bool
    ) -> Sequence[Problem]:
        """Take what is the publisher's; return what is wrong with it.

        ``shared``: others publish at this topic too, so that a message may have nothing of it.
        """
        arrived_at, received_at = message.arrived_at, message.received_at
        if arrived_at is not self._arrived_at or received_at is not self._received_at:
            self._arrive(arrived_at, received_at)
        if publisher.beside is not None:
            publisher.beside.take(message.topic, message.properties)
        try:
            decoded = publisher.decode(message.payload, self._arrived_us)
        except Exception as error:  # noqa: BLE001 - whatever it is, it would come again and again
            return (
                refusals.undecodable(error, facility=publisher.facility, device=publisher.device),
            )
        return self._take_decoded(message, publisher, decoded, shared=shared)

    def _take_decoded(
        self, message: Message, publisher: Publisher, decoded: Decoded, *, shared: bool
    ) -> list[Problem]:
        """Take what a message says of the publisher; return what is wrong with it."""
        arrived_at = self._arrived_at
        received_us = self._received_us
        recent_us, newest_us = self._recent_us, self._newest_us
        problems = decoded.problems
        observations: Sequence[Observation] = decoded.observations
        if problems or message.retained or self._heard.get(publisher.device_id) is not arrived_at:
            # of the messages of one burst only the first has anything to note
            observations = self._heard_of(message, publisher, decoded, shared=shared)
        targets, rows = publisher.targets, self.rows
        add_row = rows.append
        arrival: _Arrival | _TimeBefore | None = None
        for observation in observations:
            channel, ts_us, value = observation.channel, observation.ts_us, observation.value
            quality, time_source = observation.quality, observation.time_source
            refused = False
            if time_source:
                arrival = arrival or self._timing(message, publisher)
                ts_us, time_source = arrival.timed(observation)
            target = targets.get(channel)
            if target is None:
                problems += refusals.unknown_channel(publisher, observation)
                continue
            if (
                value is None
                or observation.unit is not None
                or not target.plain_lowest <= value <= target.plain_highest
                or not recent_us <= ts_us <= newest_us
            ):
                looked_at = self._second_look(observation, target, ts_us, problems)
                if looked_at is None:
                    continue
                value, quality, refused = looked_at
                if ts_us < min(recent_us, target.alone_until_us):
                    self.old.append(len(rows))
            add_row(
                Candidate(
                    target.facility_id,
                    target.channel_id,
                    ts_us,
                    value,
                    quality,
                    time_source,
                    received_us,
                    message,
                    publisher,
                    channel,
                    refused,
                )
            )
        return problems

    def _timing(self, message: Message, publisher: Publisher) -> _Arrival | _TimeBefore:
        """Return what times the values of a message that tells none."""
        arrived_us, within_us = self._arrived_us, publisher.told_within_us
        device_id = publisher.device_id
        told_us = (
            self.times.time_us(device_id, message, arrived_us, within_us) if within_us else None
        )
        if told_us is not None:
            return _TimeBefore(told_us - arrived_us)
        return _Arrival(message, device_id, arrived_us, self._arrivals)

    def _heard_of(
        self, message: Message, publisher: Publisher, decoded: Decoded, *, shared: bool
    ) -> Sequence[Observation]:
        """Note that the device spoke; what is retained may be old, and only its own times count."""
        if message.retained:
            return [o for o in decoded.observations if o.time_source != TIME_FROM_BROKER]
        if decoded.observations or decoded.problems or not shared:
            arrived_at = message.arrived_at
            before = self._heard.get(publisher.device_id)
            if before is None or arrived_at > before:
                self._heard[publisher.device_id] = arrived_at
        if decoded.problems:
            self._gaps(message, publisher, decoded.problems)
        return decoded.observations

    def _second_look(
        self, observation: Observation, target: Target, ts_us: int, problems: list[Problem]
    ) -> tuple[float | None, int, bool] | None:
        """Value and quality to store of what is not plainly good; None: nothing is stored.

        Beside them whether they stand for a value that was refused. What is wrong is added to
        ``problems``.
        """
        try:
            check_time(ts_us, oldest_us=self._oldest_us, newest_us=self._newest_us)
            if is_marker(observation.value, target):
                return None, max(observation.quality, BAD), False
            return checked_value(observation, target.in_force_at(ts_us)), observation.quality, False
        except CheckError as error:
            problems.append(refusals.problem(error.reason, error.detail, observation))
            if error.reason is Reason.ABSURD_TIME or not target.holds:
                return None
            # there was a value and nobody knows which: the one before holds no longer
            return None, ABOVE_RANGE if error.is_over_range else BAD, True

    def _gaps(self, message: Message, publisher: Publisher, problems: Sequence[Problem]) -> None:
        """End the hold of the values before those that a decoder could not understand."""
        for problem in problems:
            target = publisher.targets.get(problem.channel or "")
            ts_us = problem.ts_us
            if target is None or not target.holds or ts_us is None:
                continue
            if self._oldest_us <= ts_us <= self._newest_us:
                self.rows.append(
                    Candidate(
                        target.facility_id,
                        target.channel_id,
                        ts_us,
                        None,
                        BAD,
                        TIME_FROM_BROKER if ts_us == self._arrived_us else TIME_FROM_DEVICE,
                        self._received_us,
                        message,
                        publisher,
                        target.slug,
                        for_refused=True,
                    )
                )

    def _refuse(
        self,
        message: Message,
        destination: Destination,
        publishers: Sequence[Publisher],
        problem: Problem,
    ) -> None:
        """Refuse a message whole, for everybody whose it is."""
        if publishers:
            self._quarantine(message, [(publisher, problem) for publisher in publishers])
        else:
            self._quarantine(message, [(destination, problem)])

    def _quarantine(self, message: Message, problems: Sequence[tuple[Owner, Problem]]) -> None:
        """Keep what is wrong with a message."""
        self.missed = self.missed or any(problem.reason in UNKNOWN for _, problem in problems)
        self.quarantine += refusals.entries(message, problems)


class _Arrival:
    """The times of what one message says without telling when."""

    def __init__(
        self, message: Message, device_id: int, arrived_us: int, arrivals: Arrivals
    ) -> None:
        self._message = message
        self._device_id = device_id
        self._arrivals = arrivals
        self._shift_us = arrivals.shift_us(device_id, message, arrived_us)
        self._source = TIME_AFTER_WAITING if message.waited else TIME_FROM_BROKER
        #: how many values of a channel were timed by one instant
        self._sharing: dict[tuple[str, int], int] = {}

    def timed(self, observation: Observation) -> tuple[int, int]:
        """Microseconds since the epoch, and whose clock told them; no two values share a time."""
        key = (observation.channel, observation.ts_us)
        before = self._sharing.get(key, 0)
        self._sharing[key] = before + 1
        ts_us = observation.ts_us + self._shift_us + before
        if before:
            self._arrivals.extend(self._device_id, self._message, ts_us)
        return ts_us, self._source


class _TimeBefore:
    """The time of a message before, for what one message says without telling when."""

    def __init__(self, shift_us: int) -> None:
        self._shift_us = shift_us

    def timed(self, observation: Observation) -> tuple[int, int]:
        """Microseconds since the epoch, and whose clock told them."""
        return observation.ts_us + self._shift_us, TIME_FROM_MESSAGE_BEFORE
