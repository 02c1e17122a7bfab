"""The candidates in memory: bounded, so that a flood of topics makes room for what counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.observing import Observed
from services.core.facility.discovery.proposals import worth
from services.core.runtime import metrics
from services.core.store.candidates.notes import (
    MAX_BYTES,
    MAX_MESSAGES,
    CandidateMessage,
    CandidateNote,
)

#: A candidate keeps its place against another of the same worth while it is heard.
_SILENT_AFTER: Final = timedelta(hours=1)
#: Messages that wait to be stored, of all candidates.
_MAX_WAITING_BYTES: Final = 8 << 20
#: Its worth is looked at again with every so many messages.
_LOOK_EVERY: Final = 10


@dataclass(kw_only=True, slots=True)
class Page:
    """A candidate, and what of it waits to be stored."""

    note: CandidateNote
    waiting: deque[CandidateMessage] = field(default_factory=deque)
    waiting_bytes: int = 0
    has_changed: bool = False
    #: whether the database has it
    is_stored: bool = False

    @property
    def shares_topic(self) -> bool:
        """Whether messages at its topic are of other devices, too."""
        known = self.note.learned.recognised
        return known is not None and known.shares_topic


class Notebook:
    """Learns from message to message; the database is somebody else's matter."""

    def __init__(self, *, limit: int) -> None:
        """``limit``: candidates that nobody has decided on."""
        self._limit = limit
        self._pages: dict[str, Page] = {}
        #: which candidate the messages at a topic are of
        self._owners: dict[str, str] = {}
        self._waiting_bytes = 0
        #: keys of those that made room
        self.evicted: set[str] = set()

    def begin(self, notes: Iterable[CandidateNote]) -> None:
        """Take over what was noted before."""
        self._pages = {note.key: Page(note=note, is_stored=True) for note in notes}
        self._owners = {
            topic: note.key
            for note in (page.note for page in self._pages.values())
            for topic in note.learned.topics
        }
        self.evicted.clear()
        self._waiting_bytes = 0

    @property
    def last_quarantine_id(self) -> int:
        """The last entry of quarantine that was learned from."""
        return max((page.note.quarantine_id or 0 for page in self._pages.values()), default=0)

    @property
    def open_pages(self) -> list[Page]:
        """Those that nobody has decided on."""
        return [page for page in self._pages.values() if page.note.state == "open"]

    def owner(self, topic: str) -> Page | None:
        """Return whose messages at a topic are, if that is known."""
        return self._pages.get(self._owners.get(topic, ""))

    def take(
        self,
        observed: Observed,
        topic: str,
        received_at: datetime,
        *,
        message: CandidateMessage | None = None,
        names: tuple[str, str | None] | None = None,
        quarantine_id: int | None = None,
    ) -> bool:
        """Take what a message says; return whether there was a place for its candidate.

        ``message``: None where it need not be stored. ``names``: facility and device that its topic
        is of.
        """
        key = observed.place.key
        if not observed.shares_topic:
            key = self._owners.get(topic, key)
        for sensor in observed.sensors:
            # its messages may have been heard before they were announced
            key = self._owners.get(sensor.topic, key)
        page = self._pages.get(key)
        if page is None:
            learned = Learned()
            _learn(learned, observed, topic, received_at)
            if not self._has_room(worth(observed.place.family, learned), received_at):
                return False
            page = self._pages[key] = Page(note=_note(key, observed, received_at, names))
        note = page.note
        note.quarantine_id = quarantine_id or note.quarantine_id
        note.last_seen = max(note.last_seen, received_at)
        page.has_changed = True
        if note.state == "open":
            self._take(page, observed, topic, received_at)
        if message is not None and (note.state == "open" or topic in note.topics):
            self._keep(page, message)
        return True

    def _take(self, page: Page, observed: Observed, topic: str, received_at: datetime) -> None:
        note = page.note
        _learn(note.learned, observed, topic, received_at)
        for name in {topic, *(sensor.topic for sensor in observed.sensors)}:
            if name in note.learned.topics:
                self._owners.setdefault(name, note.key)
        if note.learned.recognised is not None:
            note.family = note.learned.recognised.family
        if observed.has_values:
            note.messages += 1
        elif observed.place.key == note.key:
            note.label = observed.place.label
        if observed.sensors or note.messages <= _LOOK_EVERY or note.messages % _LOOK_EVERY == 0:
            note.worth = worth(note.family, note.learned)

    def _has_room(self, wanted_worth: int, now: datetime) -> bool:
        """Whether there is room; it may be made by letting go what is worth least."""
        pages = self.open_pages
        if len(pages) < self._limit:
            return True
        least = min(pages, key=lambda page: (page.note.worth, page.note.last_seen)).note
        is_silent = now - least.last_seen > _SILENT_AFTER
        if least.worth > wanted_worth or (least.worth == wanted_worth and not is_silent):
            return False
        self.drop(least.key)
        metrics.discovery_evicted.inc()
        return True

    def drop(self, key: str) -> None:
        """Let a candidate go, here and with the next writing."""
        self.forget([key])
        self.evicted.add(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Let candidates go that the database has let go."""
        for key in keys:
            page = self._pages.pop(key, None)
            if page is not None:
                self._waiting_bytes -= page.waiting_bytes
                for topic in page.note.learned.topics:
                    if self._owners.get(topic) == key:
                        del self._owners[topic]

    def _keep(self, page: Page, message: CandidateMessage) -> None:
        page.waiting.append(message)
        self._weigh(page, _size(message))
        while page.waiting and (
            len(page.waiting) > MAX_MESSAGES
            or page.waiting_bytes > MAX_BYTES
            or self._waiting_bytes > _MAX_WAITING_BYTES
        ):
            self._weigh(page, -_size(page.waiting.popleft()))
            metrics.discovery_let_go.inc()

    def _weigh(self, page: Page, size: int) -> None:
        page.waiting_bytes += size
        self._waiting_bytes += size

    # -- with the database -----------------------------------------------------------------------

    def unsaved(self) -> list[Page]:
        """Return what has changed and is worth to be stored."""
        return [
            page
            for page in self._pages.values()
            if page.has_changed and (page.is_stored or page.note.worth or not page.note.messages)
        ]

    def saved(self, page: Page) -> None:
        """Note that a page is stored with all that waited."""
        self._weigh(page, -page.waiting_bytes)
        page.waiting.clear()
        page.has_changed, page.is_stored = False, True


def _note(
    key: str, observed: Observed, received_at: datetime, names: tuple[str, str | None] | None
) -> CandidateNote:
    facility, device = names or (None, None)
    return CandidateNote(
        key=key,
        family=observed.place.family,
        label=observed.place.label,
        facility=facility,
        device=device,
        first_seen=received_at,
        last_seen=received_at,
        messages=0,
        learned=Learned(),
        worth=0,
    )


def _learn(learned: Learned, observed: Observed, topic: str, received_at: datetime) -> None:
    if observed.fit is not None:
        learned.fit(topic, observed.fit, received_at.timestamp())
    for sensor in observed.sensors:
        learned.announce(sensor)
    if observed.numbers:
        learned.take(
            topic,
            observed.numbers,
            received_at.timestamp(),
            time=observed.time,
            units=observed.units,
        )


def _size(message: CandidateMessage) -> int:
    return len(message.payload) + len(message.topic)
