"""What is longer than a frame, and what is shorter: parts of a message, frames in a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from services.core.accounting.hj212.frames import (
    HEADER,
    MAX_REGION,
    TAIL,
    Edition,
    Frame,
    FrameError,
    is_check_code,
)

#: PNUM and PNO of the edition of 2025 have one digit; those of 2017 have four.
_MOST_PARTS: Final = {Edition.E2017: 9999, Edition.E2025: 9}
#: An encrypted frame is some five times as long as the 1024 characters that it holds; its length
#: has four digits.
_LONGEST_FRAME: Final = 10_240
_LENGTH_DIGITS: Final = 4
_CHECK_DIGITS: Final = 4


def split(frame: Frame, groups: Sequence[str]) -> list[Frame]:
    """Return the frames that carry ``groups`` (``code-Field=value,...``), the first one leading.

    The first group, such as ``DataTime=...``, begins each part, so that each can be read alone.
    ``frame`` is what they have in common. :raises FrameError: they are too many for an edition.
    """
    regions = list(_regions(groups))
    if frame.flag is None:
        raise FrameError("a frame that may be split has a Flag")
    if len(regions) == 1:
        return [replace(frame, region=regions[0])]
    limit = _MOST_PARTS.get(frame.flag.edition, 0)
    if len(regions) > limit:
        raise FrameError(f"{len(regions)} parts are too many: this edition counts to {limit}")
    flag = replace(frame.flag, has_parts=True)
    return [
        replace(frame, flag=flag, part=(number, len(regions)), region=region)
        for number, region in enumerate(regions, start=1)
    ]


def _regions(groups: Sequence[str]) -> Iterator[str]:
    lead, region = groups[0], groups[0]
    for group in groups[1:]:
        if len(f"{region};{group}") <= MAX_REGION:
            region = f"{region};{group}"
            continue
        yield region
        region = f"{lead};{group}"
    yield region


def joined(frames: Iterable[Frame]) -> Frame:
    """Return the message that parts carry together, in whatever order they came.

    :raises FrameError: they are not all the parts of one message.
    """
    parts = sorted(frames, key=lambda frame: frame.part or (0, 0))
    first = parts[0]
    if first.part is None and len(parts) == 1:
        return first
    wanted = [(number, len(parts)) for number in range(1, len(parts) + 1)]
    same = {(part.request, part.station, part.command) for part in parts}
    if [part.part for part in parts] != wanted or len(same) != 1:
        raise FrameError("these are not all the parts of one message")
    flag = None if first.flag is None else replace(first.flag, has_parts=False)
    groups = [group for part in parts for group in part.region.split(";") if group]
    region = ";".join(dict.fromkeys(groups))
    return replace(first, flag=flag, part=None, region=region)


class FrameCutter:
    """Cuts a stream of bytes, as TCP brings them, into frames; however it was chopped, the same.

    A frame ends where its length and its check code say so; else, being wrong or encrypted, at CR
    LF or where another one begins: :func:`.frames.read` tells what it is. What is of no frame is
    dropped. It holds one frame at most, and never more than some kilobytes.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._rest = b""
        #: bytes that belonged to no frame, the ends of lines left out
        self.dropped = 0

    @property
    def waiting(self) -> bool:
        """Whether a frame has begun that is not complete."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now, each from ``##`` to CR LF."""
        rest, position = self._rest + data, 0
        frames: list[bytes] = []
        while True:
            begins = rest.find(HEADER, position)
            if begins < 0:
                # a # at the end may be the first half of ##
                begins = len(rest) - rest.endswith(b"#")
            self._drop(rest[position:begins])
            position = begins
            ends = _end(rest, position)
            if ends is None:
                self._rest = rest[position:]
                return frames
            if ends == position:
                self._drop(rest[position : position + 1])
                position += 1
                continue
            frames.append(rest[position:ends].removesuffix(TAIL) + TAIL)
            position = ends

    def _drop(self, garbage: bytes) -> None:
        self.dropped += len(garbage.translate(None, TAIL))


def _end(rest: bytes, begins: int) -> int | None:
    """Return where a frame ends; None: it is not complete, ``begins``: it is none."""
    segment = begins + len(HEADER) + _LENGTH_DIGITS
    if len(rest) < segment:
        return None
    digits = rest[segment - _LENGTH_DIGITS : segment]
    if not digits.isdigit():
        return begins
    code = segment + int(digits)
    ends = code + _CHECK_DIGITS
    # no frame has either in it, so that no byte is summed up for two of them
    limit = begins + _LONGEST_FRAME
    marks = (rest.find(mark, segment, limit) for mark in (TAIL, HEADER))
    stops = [place for place in marks if place >= 0]
    stop = min(stops, default=limit)
    if stop >= ends:
        if len(rest) < ends:
            return None
        if is_check_code(rest[segment:code], rest[code:ends]):
            return ends
    if not stops:
        return None if len(rest) < limit else begins
    return stop + len(TAIL) if rest.startswith(TAIL, stop) else stop
