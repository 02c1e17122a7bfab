"""What stands around payloads: topics, the frame of a question by HTTP, gzip; unknown devices."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import datetime, timedelta
from typing import Final

from services.core.accounting.units import UnitError
from services.core.facility.discovery import pieces
from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.observing import (
    Observed,
    fitted,
    needs_family,
    observe,
    observe_native,
)
from services.core.facility.discovery.pieces import ChosenChannel
from services.core.facility.discovery.proposals import channels, device_id, worth
from services.core.facility.editing.document import EditError
from services.core.facility.editing.edits import edited
from services.core.facility.file import parse as parse_file
from services.core.runtime.reading_door import Question, read_question
from services.core.store.candidates.notes import CandidateNote
from services.core.timeline.instants import from_us
from services.ingest import route
from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError
from services.ingest.bodies.unpacking import unpacked
from services.ingest.discovery.births import observe_birth
from services.ingest.discovery.notebook import Notebook
from services.ingest.discovery.recogniser import Recogniser
from services.ingest.sources.jetstream import subjects
from services.ingest.sparkplug import topics as sparkplug_topics
from tests.fuzz.answers import RECEIVED_US, tells

_ARRIVED_AT: Final = from_us(RECEIVED_US)

_MOST_BYTES: Final = 1 << 16


def topics(data: bytes) -> set[str]:
    """Topics: understood or not, and the same after their way through NATS."""
    topic = data.decode(errors="replace")
    address = route.parse(topic)
    assert (address.kind is route.Kind.BAD) == bool(address.detail)
    sparkplug = sparkplug_topics.parse(topic)
    if sparkplug is not None:
        assert sparkplug.topic == topic
        assert sparkplug_topics.is_handed(sparkplug_topics.handed_topic(sparkplug))
    # what a client may publish at: no wildcard, and nothing that NATS refuses itself
    if topic and not {"+", "#"} & set(topic) and not subjects.refused([topic]):
        (subject,) = subjects.subjects([topic])
        assert subjects.topic(subject) == topic
    return set()


def questions(data: bytes) -> set[str]:
    """What stands before a body at the socket between API and ingest."""

    async def read() -> Question | None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        try:
            return await read_question(reader)
        except (EOFError, ValueError):
            return None

    asked = asyncio.run(read())
    assert asked is None or isinstance(asked.body_bytes, int)
    return set()


def gzip_bodies(data: bytes) -> set[str]:
    """Bodies by HTTP that say they are gzip, within their bound."""
    for body in (data, gzip.compress(data, 1, mtime=0)):
        try:
            assert len(unpacked(body, _MOST_BYTES)) <= _MOST_BYTES
        except (TooLargeBodyError, UnusableBodyError) as error:
            tells(str(error))
    return set()


def unknown_devices(data: bytes) -> set[str]:
    """Messages of devices that nobody registered: lines of a topic, a space, and a payload."""
    notebook, recogniser = Notebook(limit=3), Recogniser()
    for number, line in enumerate(data.split(b"\n")[:20]):
        text, _, payload = line.partition(b" ")
        topic = text.decode(errors="replace")
        received_at = _ARRIVED_AT + timedelta(seconds=number)
        for observed in _observed(recogniser, topic, payload, received_at):
            assert observed.place.key
            notebook.take(observed, topic, received_at)
    for page in notebook.open_pages:
        note = page.note
        assert Learned.from_json(json.loads(json.dumps(note.learned.as_json()))) == note.learned
        assert worth(note.family, note.learned) in range(3)
        _adopted(note)
    return {"discovery"} if notebook.open_pages else set()


def _observed(
    recogniser: Recogniser, topic: str, payload: bytes, received_at: datetime
) -> list[Observed]:
    observe_native("f", "d", payload, received_at.timestamp())
    address = sparkplug_topics.parse(topic)
    if address is not None:
        birth = observe_birth(address, payload)
        return [] if birth is None else [birth]
    observed = observe(topic, payload, received_at.timestamp())
    if needs_family(observed, topic):
        is_learned = observed is not None
        fits = recogniser.fits(topic, payload, received_at, is_learned=is_learned)
        if fits:
            return [fitted(observed, fit) for fit in fits]
    return [] if observed is None else [observed]


def _adopted(note: CandidateNote) -> None:
    """What is proposed can be adopted as it is: the facility file is one."""
    chosen = [
        ChosenChannel(
            topic=one.topic,
            path=one.path,
            id=one.id,
            unit=one.unit,
            kind=one.kind,
            interval_s=one.interval_s,
            example=one.example,
        )
        for one in channels(note.family, note.learned)
        if one.included and one.unit is not None
    ]
    if not chosen:
        return
    text = "facility: {id: f, name: F, timezone: UTC}\n"
    name = device_id(note.label, note.key)
    piece = pieces.device(note.family, name, chosen, note.learned, timezone="Europe/Vienna")
    try:
        after = edited(text, pieces.edits({}, piece, None), max_bytes=1 << 20).text
    except (UnitError, EditError) as error:
        tells(str(error))
        return
    parse_file(after)
