"""The records of a body, put into native payloads by device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from services.core.runtime.reading_door import Question, Verdict
from services.ingest.decode import json_document
from services.ingest.decode.observation import MAX_VALUES, UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import ADVICE, Reason
from services.ingest.route import SLUG

#: Records of one body.
MAX_RECORDS: Final = 100_000

#: What one message holds at most, well below what a message may.
_PAYLOAD_BYTES: Final = 256 * 1024
_PAYLOAD_RECORDS: Final = 2000

#: A broker delivers a message once more with the time at which it came first; a client that sends
#: a body once more would bring other readings.
NO_TIME_TOLD: Final = "it says no time of its own, and by HTTP the arrival is none"

#: What to do about a record that names no place.
_NAME_PLACE: Final = (
    "name facility and device by their ids in each record, or in the address: ?facility=...&device="
)


#: Longer texts of a body are cut where they are told.
_LONGEST: Final = 400
_LONGEST_NAME: Final = 128


class UnusableBodyError(ValueError):
    """Nothing of a body can be taken: it is not of its form; the text says why and what to do."""

    def __init__(self, text: str) -> None:
        # names of a body that it repeats are as long as a body makes them
        super().__init__(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


class TooLargeBodyError(ValueError):
    """A body holds more than one may; nothing of it is taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Records of one device: a native payload, and where in the body each of them stood."""

    facility: str
    device: str
    payload: bytes
    #: by number of the record in the payload
    indices: Sequence[int]
    #: lines of a text, likewise; None: the body is none
    lines: Sequence[int] | None


@dataclass(slots=True)
class _Group:
    """Records of one device."""

    raw: list[bytes] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


class Records:
    """Takes the records of a body, one after the other."""

    def __init__(self, question: Question) -> None:
        self._facility = question.facility
        self._device = question.device
        self._allowed = None if question.facilities is None else frozenset(question.facilities)
        self._only = None if question.only is None else frozenset(question.only)
        self._elsewhere = frozenset(question.elsewhere)
        #: facilities that were named; empty: a record named none
        self.named: set[str] = set()
        self._groups: dict[tuple[str, str], _Group] = {}
        #: places that were looked at, and what is wrong with them
        self._places: dict[tuple[str | None, str | None], tuple[Reason, str, str] | None] = {}
        self._number = 0
        #: of records that no device can have sent, or that the sender may not send
        self.verdicts: list[Verdict] = []

    def add(
        self,
        record: bytes,
        *,
        index: int,
        line: int | None = None,
        facility: str | None = None,
        device: str | None = None,
    ) -> None:
        """Take a record in the form of native payloads.

        :raises TooLargeBodyError: there are too many.
        """
        self._count()
        place = facility or self._facility, device or self._device
        problem = self._places.get(place, _UNSEEN)
        if problem is _UNSEEN:
            problem = self._places[place] = self._problem_at_first(*place)
        if problem is _LEFT:
            return
        if problem is not None:
            reason, detail, advice = problem
            self._refused(reason, detail, advice, index, line, *place)
            return
        group = self._groups.get(place)  # type: ignore[arg-type]  # a place without problems has both
        if group is None:
            group = self._groups[place] = _Group()  # type: ignore[index]  # likewise
        group.raw.append(record)
        group.indices.append(index)
        if line is not None:
            group.lines.append(line)

    def refuse(
        self,
        reason: Reason,
        detail: str,
        *,
        index: int,
        line: int | None = None,
        advice: str | None = None,
    ) -> None:
        """Note a record that no device can have sent.

        :raises TooLargeBodyError: there are too many.
        """
        self._count()
        self.named.add("")
        if not self._is_left_to_others(None):
            self._refused(reason, detail, advice or ADVICE[reason], index, line, None, None)

    def parts(self) -> Iterator[Part]:
        """Return what was taken, as messages."""
        for (facility, device), group in self._groups.items():
            for begin, end in _pieces(group.raw):
                yield Part(
                    facility=facility,
                    device=device,
                    payload=_payload(group.raw[begin:end]),
                    indices=group.indices[begin:end],
                    lines=group.lines[begin:end] or None,
                )

    def _problem_at_first(
        self, facility: str | None, device: str | None
    ) -> tuple[Reason, str, str] | None:
        """Note a place, and return what is wrong with it; ``_LEFT``: that is another's to say."""
        self.named.add(facility or "")
        left: tuple[Reason, str, str] = _LEFT
        return left if self._is_left_to_others(facility) else self._problem_of(facility, device)

    def _is_left_to_others(self, facility: str | None) -> bool:
        """Whether another ingest takes a record, or says what is wrong with it."""
        return facility in self._elsewhere or (
            self._only is not None and facility not in self._only
        )

    def _count(self) -> None:
        self._number += 1
        if self._number > MAX_RECORDS:
            raise TooLargeBodyError(
                f"the body has more than {MAX_RECORDS} records; send fewer at once"
            )

    def _problem_of(
        self, facility: str | None, device: str | None
    ) -> tuple[Reason, str, str] | None:
        for name, slug in (("facility", facility), ("device", device)):
            if slug is None:
                return Reason.BAD_TOPIC, f"it names no {name}", _NAME_PLACE
            if not SLUG.match(slug):
                return Reason.BAD_TOPIC, f"{shown(slug)} cannot be a {name}'s id", _NAME_PLACE
        if self._allowed is not None and facility not in self._allowed:
            # whether there is one makes no difference: an answer tells nothing of others
            return (
                Reason.UNKNOWN_FACILITY,
                f"there is no facility {facility!r}",
                "name a facility that this key may send readings of",
            )
        return None

    def _refused(
        self,
        reason: Reason,
        detail: str,
        advice: str,
        index: int,
        line: int | None,
        facility: str | None,
        device: str | None,
    ) -> None:
        self.verdicts.append(
            Verdict(
                index=index,
                line=line,
                facility=facility and facility[:_LONGEST_NAME],
                device=device and device[:_LONGEST_NAME],
                reason=reason,
                detail=detail,
                advice=advice,
                quarantined=False,
            )
        )


#: Stands for what was not looked at yet.
_UNSEEN: Final[Any] = object()
_LEFT: Final[Any] = object()

_ENCODER: Final = msgspec.json.Encoder()


def record(
    ts: Any, channel: str, value: Any, *, unit: str | None = None, quality: str | None = None
) -> bytes:
    """Return one reading as a record of a native payload; ``ts`` MISSING: it says no time."""
    sent: Any = value
    if unit or quality:
        sent = {"v": value}
        if unit:
            sent["u"] = unit
        if quality:
            sent["q"] = quality
    return _ENCODER.encode({"ts": ts, "values": {channel: sent}})


def _pieces(raw: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Cut records into messages: from and to, the end exclusive."""
    begin = size = 0
    for end, one in enumerate(raw):
        if end > begin and (size + len(one) > _PAYLOAD_BYTES or end - begin >= _PAYLOAD_RECORDS):
            yield from _sound(raw, begin, end)
            begin, size = end, 0
        size += len(one)
    if begin < len(raw):
        yield from _sound(raw, begin, len(raw))


def _sound(raw: Sequence[bytes], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a piece where one of its records would have all of them refused."""
    if end - begin == 1 or _is_sound(raw[begin:end]):
        yield begin, end
    else:
        middle = (begin + end) // 2
        yield from _sound(raw, begin, middle)
        yield from _sound(raw, middle, end)


def _is_sound(raw: Sequence[bytes]) -> bool:
    """Whether a message of these is read as such, and not refused as a whole."""
    try:
        document = json_document.read(_payload(raw))
    except UndecodableError:
        return False
    return sum(map(_values, document)) <= MAX_VALUES


def _values(one: Any) -> int:
    values = one.get("values") if isinstance(one, dict) else None
    return max(1, len(values)) if isinstance(values, dict) else 1


def _payload(raw: Sequence[bytes]) -> bytes:
    return raw[0] if len(raw) == 1 else b"[%b]" % b",".join(raw)
