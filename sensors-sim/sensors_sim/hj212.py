"""A data logger that speaks HJ 212, as the standard wants it; it has no network.

It keeps each frame until the host has answered it by its QN, and sends what was not answered again.
HJ 212-2017, tables 2 to 4, annex A and C; the edition of 2025 differs in ``Flag`` and ``RF``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Final, Literal

#: Times in frames are Beijing time.
BEIJING: Final = timezone(timedelta(hours=8))

_VERSIONS: Final = {"2017": 1, "2025": 2}

#: Factor to its fields, such as ``{"a05001": {"Rtd": "12.5", "Flag": "N"}}``.
Factors = Mapping[str, Mapping[str, str]]


def check_code(segment: bytes) -> int:
    """Return the check code of annex A."""
    register = 0xFFFF
    for byte in segment:
        register = (register >> 8) ^ byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register


def framed(segment: str) -> bytes:
    """Return a data segment as a frame."""
    data = segment.encode("ascii")
    return b"##%04d%s%04X\r\n" % (len(data), data, check_code(data))


@dataclass(kw_only=True, slots=True)
class DataLogger:
    """A station with what it has measured and the host has not answered."""

    mn: str
    password: str = "123456"  # noqa: S105 - what loggers are delivered with
    edition: Literal["2017", "2025"] = "2017"
    #: frames by QN, in the order of their measurement
    unanswered: dict[str, bytes] = field(default_factory=dict)
    #: QN that were answered, with the command
    answers: list[tuple[str, str]] = field(default_factory=list)
    _last_qn: int = 0
    _heard: bytes = b""

    def measure(self, at: datetime, factors: Factors, *, command: str = "2011") -> bytes:
        """Return the frame of data, which waits from now on for its answer.

        ``at``: of the measurement, or the beginning of the period that ``command`` is of.
        """
        groups = [
            ",".join(f"{code}-{name}={value}" for name, value in fields.items())
            for code, fields in factors.items()
        ]
        region = ";".join([f"DataTime={at.astimezone(BEIJING):%Y%m%d%H%M%S}", *groups])
        qn = self._next_qn(at)
        self.unanswered[qn] = self._frame(qn, "31", command, region)
        return self.unanswered[qn]

    def heartbeat(self, at: datetime) -> bytes:
        """Return a heartbeat, which the edition of 2025 has."""
        return self._frame(self._next_qn(at), "91", "9015", "")

    def connect(self) -> None:
        """Forget the half of an answer that a connection ended with."""
        self._heard = b""

    def hear(self, data: bytes) -> None:
        """Take what the host sent."""
        self._heard += data
        while b"\r\n" in self._heard:
            frame, _, self._heard = self._heard.partition(b"\r\n")
            segment, code = frame[6:-4], frame[-4:]
            if not frame.startswith(b"##%04d" % len(segment)) or int(code, 16) != check_code(
                segment
            ):
                raise ValueError(f"the host sent no frame: {frame!r}")
            fields = dict(item.split("=", 1) for item in segment.decode().split(";") if item)
            self.answers.append((fields["QN"], fields["CN"]))
            if fields["CN"] == "9014":
                self.unanswered.pop(fields["QN"], None)

    def _frame(self, qn: str, system: str, command: str, region: str) -> bytes:
        flag = _VERSIONS[self.edition] << 2 | 1
        head = f"QN={qn};ST={system};CN={command};PW={self.password};MN={self.mn};Flag={flag}"
        return framed(f"{head};CP=&&{region}&&")

    def _next_qn(self, at: datetime) -> str:
        """Return a time to the millisecond that no frame before has had."""
        local = at.astimezone(BEIJING)
        stated = int(f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}")
        self._last_qn = max(stated, self._last_qn + 1)
        return str(self._last_qn)
