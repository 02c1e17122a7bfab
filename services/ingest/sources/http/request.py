"""One body on its way through the pipeline: its messages, and what became of each reading."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.core.facility.topics import readings_topic
from services.core.runtime.reading_door import Verdict, Verdicts
from services.core.timeline.instants import from_us, rfc3339
from services.ingest.bodies.records import Part, Records
from services.ingest.decode import native_forgiving
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import UndecodableError
from services.ingest.quarantine.reasons import ADVICE
from services.ingest.sources.receipt import Receipt, Refusal
from services.ingest.sources.source import Message

#: Refusals that an answer lists; the others are counted.
MAX_LISTED: Final = 1000

#: Of a channel that nobody knows.
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class DoorToken:
    """Which of a body's messages one is."""

    request: Request
    part: Part
    receipt: Receipt


@dataclass(kw_only=True, slots=True, eq=False)
class Request:
    """A body whose messages are in the pipeline, or wait for it."""

    #: messages that were not handed on
    waiting: deque[Message]
    verdicts: Sequence[Verdict]
    #: to be called by the pipeline's thread when all of it is durable
    answer: Callable[[Verdicts], None]
    tokens: list[DoorToken] = field(default_factory=list)
    not_durable: int = 0
    #: in which of it was stored, by their ids in log lines
    batches: list[str] = field(default_factory=list)
    #: nobody waits for the answer any more
    is_abandoned: bool = False

    @property
    def is_untouched(self) -> bool:
        """Whether none of it was handed on."""
        return len(self.waiting) == len(self.tokens)

    @property
    def payload_bytes(self) -> int:
        """What waits of it."""
        return sum(len(message.payload) for message in self.waiting)

    def durable(self, batch: str | None = None) -> None:
        """Note that one of its messages is durable with a batch; answers with the last."""
        if batch is not None and batch not in self.batches[-1:]:
            self.batches.append(batch)
        self.not_durable -= 1
        if not self.not_durable:
            self.answer(_verdicts(self.verdicts, self.tokens))


def request(records: Records, received_at: datetime, answer: Callable[[Verdicts], None]) -> Request:
    """Return the messages of a body, as if a broker had delivered them now.

    They may have come before: what is refused once more is one entry in quarantine.
    """
    made = Request(waiting=deque(), verdicts=records.verdicts, answer=answer)
    for part in records.parts():
        token = DoorToken(request=made, part=part, receipt=Receipt())
        made.tokens.append(token)
        made.waiting.append(
            Message(
                topic=readings_topic(part.facility, part.device),
                payload=part.payload,
                received_at=received_at,
                token=token,
                redelivered=True,
                receipt=token.receipt,
            )
        )
    made.not_durable = len(made.waiting)
    return made


def _verdicts(at_the_door: Sequence[Verdict], tokens: Sequence[DoorToken]) -> Verdicts:
    refusals = list(at_the_door)
    for token in tokens:
        refusals += _of_part(token.part, token.receipt)
    refusals.sort(key=lambda verdict: verdict.index)
    return Verdicts(
        new=sum(token.receipt.new for token in tokens),
        repeated=sum(token.receipt.repeated for token in tokens),
        replaced=sum(token.receipt.replaced for token in tokens),
        refused=len(refusals),
        refusals=refusals[:MAX_LISTED],
    )


def _of_part(part: Part, receipt: Receipt) -> Iterator[Verdict]:
    if not receipt.refusals:
        return
    places: dict[tuple[str, int], list[int]] | None = None
    for refusal, is_quarantined in receipt.refusals:
        if len(part.indices) == 1:
            numbers: Sequence[int] = (0,)
        elif refusal.record is not None:
            numbers = (refusal.record,)
        elif refusal.channel is not None and refusal.ts_us is not None:
            places = _places(part.payload) if places is None else places
            # of those with one time the first was stored, or is as bad as the others
            same = places.get((refusal.channel, refusal.ts_us), [0])
            numbers = (same.pop() if len(same) > 1 else same[0],)
        else:
            numbers = range(len(part.indices))
        for number in numbers:
            yield _verdict(part, number, refusal, is_quarantined)


def _places(payload: bytes) -> dict[tuple[str, int], list[int]]:
    """Return which records of a payload name a channel and a time."""
    places: dict[tuple[str, int], list[int]] = {}
    try:
        for number, channel, ts_us in native_forgiving.places(payload):
            places.setdefault((channel, ts_us), []).append(number)
    except UndecodableError:
        return {}
    return places


def _verdict(part: Part, number: int, refusal: Refusal, is_quarantined: bool) -> Verdict:
    ts_us = refusal.ts_us
    is_time = ts_us is not None and OLDEST_US <= ts_us <= NEWEST_US
    return Verdict(
        index=part.indices[number],
        line=None if part.lines is None else part.lines[number],
        facility=part.facility,
        device=part.device,
        channel=refusal.channel and refusal.channel[:_LONGEST_NAME],
        time=rfc3339(from_us(ts_us)) if is_time and ts_us is not None else None,
        value=refusal.value,
        reason=refusal.reason,
        detail=refusal.detail,
        advice=ADVICE[refusal.reason],
        quarantined=is_quarantined,
    )
