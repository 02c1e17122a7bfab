"""Rows of a file as columns, one reading each, whatever the format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Stands for a time that is none.
NO_TIME: Final = np.iinfo(np.int64).min

#: Characters of a header that are shown.
_SHOWN: Final = 40

#: Facility, device and channel as a file names them.
Place = tuple[str, str, str]

#: What the quality and the unit are of where a file states none.
UNSTATED: Final = ""


class UnusableFileError(ValueError):
    """A file cannot be read as rows of readings; the text says where and what to do."""


class Numbers(dict[Any, int]):
    """Numbers words in the order in which they come; a word that is new gets the next number."""

    def __init__(self) -> None:
        super().__init__()
        #: by number
        self.words: list[Any] = []

    def __missing__(self, word: Any) -> int:
        number = self[word] = len(self.words)
        self.words.append(word)
        return number


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What the rows of all files of an import name; columns hold the numbers."""

    places: Numbers = field(default_factory=Numbers)
    qualities: Numbers = field(default_factory=Numbers)
    units: Numbers = field(default_factory=Numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRows:
    """Some rows of a file, each column of one length."""

    #: line of a text, number of a row elsewhere; from 1
    line: Integers
    #: numbers of :class:`Names`
    place: Integers
    quality: Integers
    unit: Integers
    #: microseconds since the epoch, UTC; ``NO_TIME`` where the file tells none
    ts_us: Integers
    #: as sent; NaN where it is no number
    value: Floats
    #: it says that there is no value
    missing: Bools
    #: time and value of a row as they stand in the file
    raw: Callable[[int], tuple[Any, Any]]

    def where(self, chosen: Integers) -> FileRows:
        """Return the rows with these numbers."""
        return FileRows(
            line=self.line[chosen],
            place=self.place[chosen],
            quality=self.quality[chosen],
            unit=self.unit[chosen],
            ts_us=self.ts_us[chosen],
            value=self.value[chosen],
            missing=self.missing[chosen],
            raw=lambda i: self.raw(int(chosen[i])),
        )


#: What a row is that is none; it is counted, and there is nothing to put into quarantine.
MISSHAPEN: Final = "misshapen"
#: A row is of a facility that who brings the file may not bring readings of; nothing is kept of it.
OTHER_FACILITY: Final = "other_facility"


@dataclass(frozen=True, kw_only=True, slots=True)
class Misshapen:
    """A row that is counted, and no more."""

    line: int
    detail: str
    reason: str = MISSHAPEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """What an administrator states of a file beside it."""

    facility: str | None = None
    device: str | None = None
    channel: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which of a file's columns hold what."""

    time: str
    value: str | None
    facility: str | None
    device: str | None
    channel: str | None
    unit: str | None
    quality: str | None
    #: of a wide file: columns that hold a channel's values each
    channels: tuple[str, ...] = ()


#: Columns of tonne's own files that say nothing of what was measured.
_BESIDE: Final = frozenset(
    {"time_source", "received_at", "known_at", "over_full_scale", "derived", "thinned"}
)
_NAMED: Final = ("facility", "device", "channel", "unit", "quality")

_FORM: Final = (
    "rows have a time, a channel and a value (time, facility, device, channel, value, unit,"
    " quality), or a time and a column for each channel (time, DEVICE.CHANNEL, ...)"
)


def columns(names: list[str], stated: Stated) -> Columns:
    """Understand a header.

    :raises UnusableFileError: something is missing, or there is a column that means nothing.
    """
    twice = {name for name, count in Counter(names).items() if count > 1}
    if twice:
        raise UnusableFileError(f"column {min(twice)[:_SHOWN]!r} is there twice")
    times = [name for name in ("time", "ts") if name in names]
    if len(times) != 1:
        raise UnusableFileError(f"no column is called time: {_FORM}")
    others = [name for name in names if name not in {times[0], "value", *_NAMED, *_BESIDE}]
    is_wide = "value" not in names
    if is_wide and not others:
        raise UnusableFileError(f"no column is called value: {_FORM}")
    if is_wide and ("channel" in names or stated.channel is not None):
        raise UnusableFileError(f"it names a channel, and no column is called value: {_FORM}")
    if not is_wide and others:
        raise UnusableFileError(
            f"column {others[0][:_SHOWN]!r} means nothing: leave it out; {_FORM}"
        )
    if not (is_wide or "channel" in names or stated.channel):
        raise UnusableFileError("no column is called channel: add one, or give --channel")
    if not ("facility" in names or stated.facility):
        raise UnusableFileError("no column is called facility: add one, or give --facility")
    return Columns(
        time=times[0],
        value=None if is_wide else "value",
        channels=tuple(others) if is_wide else (),
        **{name: name if name in names else None for name in _NAMED},
    )


def place(facility: str, device: str | None, channel: str) -> Place:
    """Return the place that names stand for; without a device the channel names it too."""
    if device is None:
        device, _, channel = channel.rpartition(".")
    return facility.strip(), device.strip(), channel.strip()
