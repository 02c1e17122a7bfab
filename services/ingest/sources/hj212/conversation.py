"""What a station says on one connection, and what is to be done about it: pure.

Data become a message, as if a gateway had published the frame at ``hj212/{MN}``; the answer to it
waits until that is durable. Heartbeats, notices and what tonne has no use for are answered at once.
Frames that are wrong become messages that say why they are refused. One that is encrypted, and
whose key is not there, becomes a message that is read when it is; its station is not answered, as
nobody knows whether all of it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from services.core.accounting.hj212 import frames
from services.core.accounting.hj212.answers import (
    DATA_TAKEN,
    NOTICE_TAKEN,
    answer,
    without_password,
)
from services.core.accounting.hj212.encryption import KeyOf
from services.core.accounting.hj212.frames import Frame, FrameError, ReadFrame, SealedError
from services.core.accounting.hj212.packets import FrameCutter
from services.core.facility.hj212_mapping import INSTANTS, PERIODS
from services.ingest import station_keys
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.hj212.passwords import Passwords
from services.ingest.sources.source import RefusedAtDoor

#: Where frames of a station come, by TCP as by MQTT; facility files name it.
ROOT: Final = "hj212"
#: Where a frame lies in quarantine that was refused here; no file can name it.
REFUSED: Final = "$hj212"

#: What is answered at once, and how. Notices: a clock is to be set (1013), the heartbeat of the
#: edition of 2025 (9015). Reports: what a station tells of itself, of which nothing is a reading.
_AT_ONCE: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("1013", "9015"), NOTICE_TAKEN)
    | dict.fromkeys(
        ("1001", "1011", "1061", "1063", "2081", "3015", "3017", "3018", "3019", "3020"), DATA_TAKEN
    )
)

_MN: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PASSWORD: Final = re.compile(rb"PW=[^;&]*")
_DATA_TIME: Final = re.compile(r"(?:^|;)\s*(DataTime=\d{14})")

Outcome = Literal["taken", "answered", "ignored", "malformed", "wrong-password", "sealed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reception:
    """One frame, and what is to be done about it."""

    outcome: Outcome
    #: topic and payload of a message; None: there is none
    message: tuple[str, bytes] | None = None
    #: MN, where the message is of a station that may speak
    station: str | None = None
    refused: RefusedAtDoor | None = None
    #: why the message cannot be read yet, and what to do
    sealed: str | None = None
    #: with a message: to be sent when it is durable, else at once; None: no answer is wanted
    answer: bytes | None = None


class Conversation:
    """One connection, from its begin on."""

    def __init__(self, passwords: Passwords, key_of: KeyOf = station_keys.key_of) -> None:
        self._passwords = passwords
        self._key_of = key_of
        self._cutter = FrameCutter()
        #: of the newest part of a message that was split: station, command, parts, and its time
        self._part_time: tuple[tuple[str, str, int], str] | None = None

    @property
    def dropped(self) -> int:
        """Bytes that belonged to no frame."""
        return self._cutter.dropped

    def feed(self, data: bytes) -> list[Reception]:
        """Return what is said in frames that are complete now."""
        return [self._take(frame) for frame in self._cutter.feed(data)]

    def _take(self, data: bytes) -> Reception:
        try:
            read = frames.read(data, self._key_of)
        except SealedError as error:
            return self._let_in(data, error.frame) or _sealed(data, error)
        except FrameError as error:
            return _malformed(data, str(error))
        frame = read.frame
        not_let_in = self._let_in(data, frame)
        if not_let_in is not None:
            return not_let_in
        if _has_data(frame):
            return Reception(
                outcome="taken",
                message=(f"{ROOT}/{frame.station}", without_password(self._timed(frame))),
                station=frame.station,
                answer=_wanted(read, DATA_TAKEN),
            )
        command = _AT_ONCE.get(frame.command)
        if command is None:
            return Reception(outcome="ignored")
        return Reception(outcome="answered", answer=_wanted(read, command))

    def _let_in(self, data: bytes, frame: Frame) -> Reception | None:
        """Return why a station may not speak; None: it may."""
        if not _MN.fullmatch(frame.station):
            return _malformed(data, "MN is not of letters, digits, - and _")
        if not self._passwords.accept(frame.station, frame.password):
            return _wrong_password(frame)
        return None

    def _timed(self, frame: Frame) -> Frame:
        """Give a part that tells no time the one of the part before it."""
        if frame.part is None:
            return frame
        key = frame.station, frame.command, frame.part[1]
        stated = _DATA_TIME.search(frame.region)
        if stated is not None:
            self._part_time = key, stated[1]
        elif self._part_time is not None and self._part_time[0] == key:
            return replace(frame, region=f"{self._part_time[1]};{frame.region}")
        return frame


def _wanted(read: ReadFrame, command: str) -> bytes | None:
    flag = read.frame.flag
    wants = flag is not None and flag.wants_answer
    return answer(read.frame, command, read.check_code) if wants else None


def _has_data(frame: Frame) -> bool:
    """Whether a channel could take something of a frame."""
    return frame.command in PERIODS or frame.command in INSTANTS


def _sealed(data: bytes, error: SealedError) -> Reception:
    station = error.frame.station
    if not _has_data(error.frame):
        return Reception(outcome="ignored")
    return Reception(
        outcome="sealed",
        message=(f"{ROOT}/{station}", frames.sealed_without_password(data)),
        station=station,
        sealed=f"{error}: {station_keys.ADVICE}",
    )


def _malformed(data: bytes, detail: str) -> Reception:
    return Reception(
        outcome="malformed",
        message=(REFUSED, _PASSWORD.sub(b"PW=*", data)),
        refused=RefusedAtDoor(reason=Reason.MALFORMED_PAYLOAD, detail=detail),
    )


def _wrong_password(frame: Frame) -> Reception:
    return Reception(
        outcome="wrong-password",
        message=(f"{REFUSED}/{frame.station}", without_password(frame)),
        refused=RefusedAtDoor(
            reason=Reason.WRONG_PASSWORD,
            detail=f"PW is not the password of station {frame.station}",
            topic=f"{ROOT}/{frame.station}",
        ),
    )
