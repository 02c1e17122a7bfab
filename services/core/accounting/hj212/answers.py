"""What a host says to a station: that it has its data, or its notice. Source: HJ 212-2017, annex C.

Fields are those of the frame that is answered, of whatever form: a station understands its own.
"""

from __future__ import annotations

from typing import Final

from services.core.accounting.hj212.frames import (
    HEADER,
    TAIL,
    CheckCode,
    Flag,
    Frame,
    check_code,
    modbus_check_code,
)

DATA_TAKEN: Final = "9014"
NOTICE_TAKEN: Final = "9013"
_INTERACTION: Final = "91"


def answer(frame: Frame, command: str, kind: CheckCode = "hj212") -> bytes:
    """Return the answer to a frame, with its QN, in its edition and by its check code."""
    fields = {
        "QN": frame.request,
        "ST": _INTERACTION,
        "CN": command,
        "PW": frame.password,
        "MN": frame.station,
        "Flag": None if frame.flag is None else str(int(Flag(edition=frame.flag.edition))),
    }
    return _framed(fields, "", kind)


def without_password(frame: Frame) -> bytes:
    """Return a frame as it can be stored: whole, but for its password."""
    fields = {
        "QN": frame.request,
        "ST": frame.system,
        "CN": frame.command,
        "MN": frame.station,
        "Flag": None if frame.flag is None else str(int(frame.flag)),
    }
    if frame.part is not None:
        number, parts = frame.part
        fields |= {"PNUM": str(parts), "PNO": str(number)}
    if frame.resent:
        fields["RF"] = "1"
    return _framed(fields, frame.region, "hj212")


def _framed(fields: dict[str, str | None], region: str, kind: CheckCode) -> bytes:
    head = "".join(f"{name}={value};" for name, value in fields.items() if value is not None)
    segment = f"{head}CP=&&{region}&&".encode()
    code = check_code(segment) if kind == "hj212" else modbus_check_code(segment)
    return HEADER + b"%04d" % len(segment) + segment + b"%04X" % code + TAIL
