"""Two readings of one channel for one time: which of them stands, by the channel's own rule. Pure.

- ``better-quality`` (the default): a reading that is measured takes the place of an estimate, an
  estimate that of one that does not count, anything that of a gap. In whichever order they come,
  the same one stands.
- ``newest``: the one that came last. One that was replaced before does not come back when a broker
  delivers it again.
- ``by-hand``: the first one, until somebody accepts the other (``tonne quarantine replay``).

Under each of them a gap that stands for a refused value gives way to a value, and what a person
corrected (:mod:`.amend`) gives way to none: a person decides about the conflict.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Final

from services.core.store.readings.writer import Conflict, ReadingRow
from services.core.store.schema import restatement_reasons as why
from services.ingest.decode.observation import QUALITY

_NAMES: Final = {code: name for name, code in QUALITY.items()}

BAD: Final = QUALITY["bad"]
#: Quality of the gap that stands for a refused value a little above the channel's range; no device
#: says it. Closing an hour counts it as more than the scale.
ABOVE_RANGE: Final = 5
_GOOD: Final = QUALITY["good"]
_UNCERTAIN: Final = QUALITY["uncertain"]

#: Ranks beside those two: what does not count, and no value.
_NOT_COUNTED: Final = 2
_GAP: Final = 3


class Rule(StrEnum):
    """What a channel's ``corrections`` may say."""

    BETTER_QUALITY = "better-quality"
    NEWEST = "newest"
    BY_HAND = "by-hand"


class Verdict(Enum):
    """What becomes of the reading that came second."""

    #: it takes the place of the stored one, which is kept beside it
    REPLACES = auto()
    #: the stored one stays, and this one is kept beside it
    YIELDS = auto()
    #: it says nothing new
    DUPLICATE = auto()
    #: nobody but a person can tell
    CONFLICT = auto()


def verdict(rule: Rule, sent: ReadingRow, stored: Conflict, *, for_refused: bool) -> Verdict:
    """Judge ``sent`` against what is stored under its key.

    ``for_refused``: it is the gap that stands for a value that was refused.
    """
    if for_refused:
        return Verdict.DUPLICATE
    if stored.by_person:
        is_gap_again = sent.value is None and stored.stored_value is None
        return Verdict.DUPLICATE if stored.replaced_before or is_gap_again else Verdict.CONFLICT
    is_refused = stored.stored_value is None and stored.stored_quality in (BAD, ABOVE_RANGE)
    if is_refused and sent.value is not None:
        return Verdict.REPLACES
    if rule is Rule.BY_HAND:
        return Verdict.CONFLICT
    # what was replaced, be it by a person, does not come back by a second delivery
    if stored.replaced_before or (sent.value is None and stored.stored_value is None):
        return Verdict.DUPLICATE
    return _by_arrival(sent, stored) if rule is Rule.NEWEST else _by_quality(sent, stored)


def reason(rule: Rule, sent: ReadingRow, stored: Conflict) -> str:
    """Why hours are restated when ``sent`` replaces what is stored, or the other way round."""
    if rule is Rule.NEWEST:
        return why.reason(why.NEWER_READING, "the one that came last")
    qualities = sorted((_rank(sent.value, sent.quality), _rank(*_stored(stored))))
    if qualities == [_GOOD, _UNCERTAIN]:
        return why.reason(why.BETTER_READING, "estimated, then actual")
    if None in (sent.value, stored.stored_value):
        return why.reason(why.BETTER_READING, "a value for a gap")
    names = {_rank(*pair): _NAMES[pair[1]] for pair in (_sent(sent), _stored(stored))}
    return why.reason(why.BETTER_READING, f"{names[qualities[0]]} for {names[qualities[1]]}")


def _by_arrival(sent: ReadingRow, stored: Conflict) -> Verdict:
    came_later = sent.received_us >= stored.stored_received_us
    return Verdict.REPLACES if came_later else Verdict.YIELDS


def _by_quality(sent: ReadingRow, stored: Conflict) -> Verdict:
    new, old = _rank(*_sent(sent)), _rank(*_stored(stored))
    if new < old:
        return Verdict.REPLACES
    if new == old:
        return Verdict.CONFLICT
    # an estimate after the actual value is late news; that a value does not count is not
    return Verdict.YIELDS if sent.quality == _UNCERTAIN and new < _GAP else Verdict.CONFLICT


def _rank(value: float | None, quality: int) -> int:
    """Rank a quality, the lower the better: measured, estimated, not counted, no value."""
    return _GAP if value is None else min(quality, _NOT_COUNTED)


def _sent(row: ReadingRow) -> tuple[float | None, int]:
    return row.value, row.quality


def _stored(conflict: Conflict) -> tuple[float | None, int]:
    return conflict.stored_value, conflict.stored_quality
