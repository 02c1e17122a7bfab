"""The thread that hears devices which nobody registered, learns, and notes them.

It shares with the pipeline what topics are taken, and nothing else: a session, a connection to the
database and a budget of its own. Whatever goes wrong in it is logged, and tried again.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import psycopg
import structlog

from services.core.facility.discovery.observing import (
    Observed,
    fitted,
    needs_family,
    observe,
    observe_native,
)
from services.core.runtime import metrics
from services.core.runtime.backoff import Backoff
from services.core.store.candidates import notes
from services.core.store.candidates.notes import CandidateMessage, CandidateNote, RefusedMessage
from services.core.store.database import connect
from services.core.store.database.schema_version import SchemaError
from services.core.store.registry import read
from services.core.timeline.instants import to_us
from services.ingest.discovery.births import observe_birth
from services.ingest.discovery.budget import Budget
from services.ingest.discovery.ear import Ear, EarError, Heard
from services.ingest.discovery.members import member
from services.ingest.discovery.notebook import Notebook
from services.ingest.discovery.recogniser import Recogniser
from services.ingest.sparkplug.topics import handed_topic, parse

_log: Final = structlog.get_logger()

#: Topics of the broker itself. NATS answers its clients at the last ones, each of which is another
#: topic: a session that hears everything hears them too, and they look like devices.
_OF_BROKER: Final = ("$", "_INBOX/", "_R_/", "_GR_/")
#: And those that the pipeline has, with quarantine for what it cannot store.
_PASSED_OVER: Final = ("emissions/", *_OF_BROKER)

#: How long one turn waits for messages: what people decide is looked at in between.
_TURN_S: Final = 0.25
#: How often what changed is written, and what people decided is looked for.
_WRITE_EVERY_S: Final = 1.0
_FORGET_EVERY_S: Final = 3600.0
#: How long messages are still taken here that ingest's own session hears from now on.
_OVERLAP_S: Final = 10.0
#: Entries that other transactions may still be writing lie no further back than this.
_LATE_ENTRIES: Final = 1000
#: How long what is registered is taken to be so; messages of other devices come again.
_REGISTRY_EVERY_S: Final = 5.0
#: Unknown ids of one message that are learned from.
_MAX_IDS: Final = 20
#: Entries of quarantine that are learned from at once.
_MAX_REFUSALS: Final = 200
#: How much of a quiet time is saved up for a busy one.
_SAVED_S: Final = 60.0

Stage = Literal["off", "begins", "listens", "elsewhere", "waits"]
"""How far it is: nothing is listened to; not yet; it hears; another ingest does; it cannot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What discovery may cost."""

    #: messages in the mean
    messages_per_s: int
    #: candidates that nobody has decided on
    candidates: int


class Discovery:
    """Runs beside the pipeline from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        ear: Ear | None,
        database_url: str,
        *,
        limits: Limits,
        is_taken: Callable[[str], bool],
    ) -> None:
        """Prepare the thread.

        ``ear``: None where nothing is listened to; what people decide is done all the same.
        ``is_taken``: whether a topic is one of a registered device.
        """
        self._ear = ear
        self._database_url = database_url
        self._is_taken = is_taken
        self._budget = Budget(limits.messages_per_s, seconds=_SAVED_S)
        self._notebook = Notebook(limit=limits.candidates)
        self._recogniser = Recogniser()
        self._connection: psycopg.Connection[Any] | None = None
        self._is_open = False
        #: how far it is, which the pipeline says of it
        self.stage: Stage = "off" if ear is None else "begins"
        #: what the log has told of last
        self._trouble = ""
        #: the last entry of quarantine that was looked at
        self._quarantine_id = 0
        #: since when a candidate's topic is ingest's
        self._taken_since: dict[str, float] = {}
        #: the devices that unknown ids of shared topics are compared with
        self._registry: read.Devices | None = None
        self._registry_at = 0.0
        self._write_at = self._forget_at = 0.0
        self._stopping = threading.Event()
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name="discovery",
            daemon=True,
        )

    @property
    def trouble(self) -> str:
        """Why unknown devices are not heard, though they are to be; or nothing."""
        return self._trouble if self.stage == "waits" else ""

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what is learned written if the database is there."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                self._work(backoff)
            except (psycopg.Error, EarError, SchemaError) as error:
                self._say(" ".join(str(error).split()))
            except Exception as error:  # noqa: BLE001 - what is learned aside must not end ingest
                _log.exception("discovery failed; it begins again")
                self._trouble = f"it failed ({type(error).__name__}), see the log"
                self._now("waits")
            self._close()
            self._stopping.wait(backoff.next_s())

    def _work(self, backoff: Backoff) -> None:
        """Note devices until something goes wrong or a stop is asked for."""
        connection = self._connection = connect.connect(
            self._database_url, process="ingest", role="tonne_ingest", autocommit=True
        )
        while not notes.try_lock(connection):
            # another ingest does it
            self._now("elsewhere")
            if self._stopping.wait(_WRITE_EVERY_S):
                return
        self._notebook.begin(self._devices(connection))
        self._quarantine_id = self._notebook.last_quarantine_id
        while not self._stopping.is_set():
            self._hear()
            if time.monotonic() >= self._write_at:
                self._write(connection)
                backoff.reset()
        self._write(connection)

    def _devices(self, connection: psycopg.Connection[Any]) -> list[CandidateNote]:
        """Read what is noted; what was taken for devices and is the broker's own is forgotten."""
        listed = notes.load(connection)
        no_devices = {
            note.key
            for note in listed
            if note.state == "open"
            and note.learned.topics
            and all(topic.startswith(_OF_BROKER) for topic in note.learned.topics)
        }
        notes.forget(connection, no_devices)
        return [note for note in listed if note.key not in no_devices]

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("discovery waits", reason=trouble)
        self._now("waits")

    def _now(self, stage: Stage) -> None:
        if self._ear is not None:
            self.stage = stage

    def _close(self) -> None:
        if self._ear is not None:
            self._ear.close()
        self._is_open = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- hearing ---------------------------------------------------------------------------------

    def _hear(self) -> None:
        if self._ear is None:
            self._stopping.wait(_TURN_S)
            return
        if self._budget.rests:
            if self._is_open:
                self._ear.close()
                self._is_open = False
                _log.debug("discovery rests: the broker is busy")
            self._stopping.wait(_TURN_S)
            metrics.discovery_rested_seconds.inc(_TURN_S)
            return
        if not self._is_open:
            self._ear.open()
            self._is_open = True
        heard = self._ear.listen(_TURN_S)
        if self._ear.is_granted:
            self._trouble, self.stage = "", "listens"
        self._budget.spend(len(heard))
        for message in heard:
            metrics.discovery_messages.labels(self._take(message)).inc()

    def _take(self, heard: Heard) -> str:
        """Learn from a message; return what became of it, as the metric tells it."""
        topic = heard.topic
        if topic.startswith(_PASSED_OVER):
            return "taken"
        if self._is_taken(topic) and not self._still_needs(topic):
            return "taken"
        received_at = heard.received_at
        address = parse(topic)
        if address is not None and self._is_taken(handed_topic(address)):
            return "taken"
        if address is not None:
            observed = observe_birth(address, heard.payload)
        else:
            observed = observe(topic, heard.payload, received_at.timestamp())
        listed = [] if observed is None else [observed]
        if address is None and needs_family(observed, topic):
            fits = self._recogniser.fits(
                topic, heard.payload, received_at, is_learned=observed is not None
            )
            listed = [fitted(observed, fit) for fit in fits] or listed
        if not listed:
            return "without_numbers"
        message = None
        # an edge node is asked for its births again once it is adopted
        if listed[0].has_values and not heard.is_retained and address is None:
            message = CandidateMessage(topic=topic, payload=heard.payload, received_at=received_at)
        taken = [self._notebook.take(one, topic, received_at, message=message) for one in listed]
        return "learned" if any(taken) else "no_room"

    def _still_needs(self, topic: str) -> bool:
        """Whether a topic became ingest's so short ago that ingest may not yet listen to it.

        What both hear is stored once: a reading's key is its channel and time, and one that tells
        no time repeats its value a moment later.
        """
        page = self._notebook.owner(topic)
        if page is None:
            self._taken_since.pop(topic, None)
            return False
        now = time.monotonic()
        if now - self._taken_since.setdefault(topic, now) <= _OVERLAP_S:
            return True
        if page.note.state == "open" and not page.shares_topic:
            # somebody registered it without adopting it
            self._notebook.drop(page.note.key)
            del self._taken_since[topic]
        return False

    # -- writing ---------------------------------------------------------------------------------

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        self._learn_from_quarantine(connection)
        with connection.transaction():
            evicted, self._notebook.evicted = self._notebook.evicted, set()
            notes.forget(connection, evicted)
            for page in self._notebook.unsaved():
                metrics.discovery_let_go.inc(notes.note(connection, page.note, page.waiting))
                self._notebook.saved(page)
        with connection.transaction():
            replayed = notes.hand_over(connection)
        if replayed:
            _log.info("replaying what was heard of an adopted device", messages=replayed)
        if time.monotonic() >= self._forget_at:
            self._notebook.forget(notes.forget_silent(connection))
            self._forget_at = time.monotonic() + _FORGET_EVERY_S
        metrics.discovery_candidates.set(len(self._notebook.open_pages))
        self._write_at = time.monotonic() + _WRITE_EVERY_S

    def _learn_from_quarantine(self, connection: psycopg.Connection[Any]) -> None:
        """Learn from what the pipeline refused for want of a device or channel; it is stored."""
        newest = notes.newest_refusal(connection)
        refusals = notes.new_refusals(connection, self._quarantine_id, limit=_MAX_REFUSALS)
        for refused in refusals:
            self._quarantine_id = refused.id
            for observed in self._refused(connection, refused):
                self._notebook.take(
                    observed,
                    refused.topic,
                    refused.received_at,
                    names=None if refused.facility is None else (refused.facility, refused.device),
                    quarantine_id=refused.id,
                )
        if len(refusals) < _MAX_REFUSALS:
            # what was refused for other reasons is not gone through again and again
            self._quarantine_id = max(self._quarantine_id, newest - _LATE_ENTRIES)

    def _refused(
        self, connection: psycopg.Connection[Any], refused: RefusedMessage
    ) -> list[Observed]:
        """Return what a message says that was refused for want of its devices."""
        if refused.facility is None:
            fits = self._recogniser.fits(
                refused.topic, refused.payload, refused.received_at, is_learned=False
            )
            return [fitted(None, fit) for fit in fits]
        if refused.device is not None:
            observed = observe_native(
                refused.facility, refused.device, refused.payload, _seconds(refused.received_at)
            )
            return [] if observed is None else [observed]
        if self._registry is None or time.monotonic() >= self._registry_at:
            self._registry = read.devices(connection)
            self._registry_at = time.monotonic() + _REGISTRY_EVERY_S
        registry = self._registry
        listed = (member(registry, refused, name) for name in refused.unknown_ids[:_MAX_IDS])
        return [observed for observed in listed if observed is not None]


def _seconds(instant: datetime) -> float:
    return to_us(instant) / 1e6


def filters(stated: str) -> Sequence[str]:
    """Return the topic filters of a setting; none: nothing is listened to."""
    if stated.strip() == "off":
        return ()
    return tuple(dict.fromkeys(part.strip() for part in stated.split(",") if part.strip()))
