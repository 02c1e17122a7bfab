"""Frames of HJ 212: header, length, data segment, check code; written and read.

``##`` + four digits of length + data segment + four hexadecimal digits of the check code + CR LF.
The editions of 2005, 2017 and 2025 share this; ``Flag`` says which one it is. The vectors of both
newer editions (annex A of each) are in the tests. That the texts themselves were not at hand, and
what was read in their place, is in the documentation's page on rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from services.core.accounting.hj212 import encryption
from services.core.accounting.hj212.encryption import KeyOf

HEADER: Final = b"##"
TAIL: Final = b"\r\n"
#: HJ 212-2017 and -2025: what a data segment holds at most, and its ``CP=&&...&&``.
MAX_SEGMENT: Final = 1024
MAX_REGION: Final = 950 - len("CP=&&&&")

_LENGTH_DIGITS: Final = 4
_CHECK_DIGITS: Final = 4
#: The edition of 2025 encrypts regions as ``{0xE4,0x3E,...}``.
_ENCRYPTED: Final = b"{0x"
_REQUEST: Final = re.compile(r"\d{17}")
_STATION: Final = re.compile(r"[0-9A-F]{24}")
_PASSWORD: Final = re.compile(r"[0-9A-Za-z]{1,6}")
_PASSWORD_FIELD: Final = re.compile(rb"(?<![^;])PW=[^;]*;?")
_CODE: Final = re.compile(rb"[0-9A-Fa-f]{4}")

#: Which way the check code was formed: as the standard says, or CRC-16/MODBUS with its bytes
#: swapped, which devices in the field send as well.
CheckCode = Literal["hj212", "modbus-swapped"]


class FrameError(ValueError):
    """Bytes are no frame of HJ 212, or a frame cannot be written; the message says why."""


class SealedError(FrameError):
    """The region of a frame is encrypted, and no key that is there opens it."""

    def __init__(self, why: str, frame: Frame) -> None:
        super().__init__(why)
        #: whose region is as it came; nothing of it is checked
        self.frame = frame


class Edition(IntEnum):
    """The edition of the standard, as the version bits of ``Flag`` have it."""

    E2005 = 0
    E2017 = 1
    E2025 = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """``Flag``: the edition in bits 2 to 7, whether parts are numbered, whether to answer."""

    edition: Edition
    has_parts: bool = False
    wants_answer: bool = False

    @staticmethod
    def read(number: int) -> Flag:
        """Take the number apart.

        :raises FrameError: no edition that is known has this version.
        """
        try:
            edition = Edition(number >> 2)
        except ValueError:
            raise FrameError(f"Flag={number} names version {number >> 2}; 0 to 2 exist") from None
        return Flag(edition=edition, has_parts=bool(number & 2), wants_answer=bool(number & 1))

    def __int__(self) -> int:
        """Return the number that frames carry."""
        return self.edition << 2 | self.has_parts << 1 | self.wants_answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame. Times in it are Beijing time, without a zone."""

    #: QN, YYYYMMDDhhmmsszzz; None: the edition of 2005 may leave it out
    request: str | None
    #: ST: 31 is a stationary source of air pollution
    system: str
    #: CN: 2011 now, 2051 minutes, 2061 hours, 2031 days
    command: str
    password: str
    #: MN, 24 hexadecimal digits
    station: str
    #: None: the edition of 2005 may leave it out
    flag: Flag | None
    #: PNO and PNUM: which part of how many; None: the frame is whole
    part: tuple[int, int] | None = None
    #: RF=1, edition of 2025: it is sent again, later
    resent: bool = False
    #: what stands within ``CP=&&`` and ``&&``
    region: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadFrame:
    """A frame as it came, and how its check code was formed."""

    frame: Frame
    check_code: CheckCode


def _shifted(register: int) -> int:
    for _ in range(8):
        register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return register


#: What eight shifts make of each byte.
_SHIFTED: Final = tuple(map(_shifted, range(256)))


def check_code(segment: bytes) -> int:
    """Return the 16 bits of HJ 212 annex A over a data segment.

    Unlike CRC-16/MODBUS, whose polynomial it has, each byte meets the register's high byte only.
    """
    register = 0xFFFF
    for byte in segment:
        register = _SHIFTED[register >> 8 ^ byte]
    return register


def modbus_check_code(segment: bytes) -> int:
    """Return CRC-16/MODBUS with its bytes swapped, as some devices send it."""
    register = 0xFFFF
    for byte in segment:
        register = register >> 8 ^ _SHIFTED[(register ^ byte) & 0xFF]
    return (register & 0xFF) << 8 | register >> 8


def write(frame: Frame) -> bytes:
    """Write a frame of the edition of 2017 or 2025.

    :raises FrameError: a field is not of its form, or the frame is too long for one.
    """
    if frame.flag is None or frame.flag.edition is Edition.E2005:
        raise FrameError("frames are written in the editions of 2017 and 2025: choose one of them")
    _check(frame)
    fields = {
        "QN": frame.request,
        "ST": frame.system,
        "CN": frame.command,
        "PW": frame.password,
        "MN": frame.station,
        "Flag": str(int(frame.flag)),
    }
    if frame.part is not None:
        number, parts = frame.part
        fields |= {"PNUM": str(parts), "PNO": str(number)}
    if frame.resent:
        fields["RF"] = "1"
    head = "".join(f"{name}={value};" for name, value in fields.items())
    segment = f"{head}CP=&&{frame.region}&&".encode("ascii", "replace")
    if len(segment) > MAX_SEGMENT:
        raise FrameError(f"a data segment has {MAX_SEGMENT} characters at most: split it")
    return HEADER + b"%04d" % len(segment) + segment + b"%04X" % check_code(segment) + TAIL


def _check(frame: Frame) -> None:
    for name, value, form, words in (
        ("QN", frame.request, _REQUEST, "17 digits, a time to the millisecond"),
        ("ST", frame.system, re.compile(r"\d\d"), "two digits, such as 31"),
        ("CN", frame.command, re.compile(r"\d{4}"), "four digits, such as 2061"),
        ("PW", frame.password, _PASSWORD, "1 to 6 letters and digits"),
        ("MN", frame.station, _STATION, "24 digits of 0-9 and A-F"),
    ):
        if value is None or not form.fullmatch(value):
            raise FrameError(f"{name} takes {words}")
    if not frame.region.isascii() or "&&" in frame.region or len(frame.region) > MAX_REGION:
        raise FrameError(f"CP takes {MAX_REGION} ASCII characters at most, and no &&: split it")
    if (frame.part is not None) != (frame.flag is not None and frame.flag.has_parts):
        raise FrameError("PNUM and PNO stand in a frame whose Flag says so, and in no other")
    if frame.resent and frame.flag is not None and frame.flag.edition is not Edition.E2025:
        raise FrameError("RF=1 is of the edition of 2025")


def _no_key(_station: str) -> None:
    return None


def read(data: bytes, key_of: KeyOf = _no_key) -> ReadFrame:
    """Read one frame, from ``##`` to CR LF; fields that are longer than the standard's are taken.

    :raises FrameError: length or check code differ, or a field is missing.
    :raises SealedError: it is encrypted, and ``key_of`` has no key of its station, or another's.
    """
    segment, code = _taken_apart(data)
    if not encryption.is_encrypted(segment):
        return ReadFrame(frame=_segment(segment), check_code=_check_code(segment, code))
    if not _CODE.fullmatch(code):
        raise FrameError(f"the check code is no four hexadecimal digits, but {_printed(code)}")
    sealed = _segment(segment)
    key = key_of(sealed.station)
    if key is None:
        station = sealed.station
        raise SealedError(
            f"the region is encrypted (SM4), and there is no key of station {station}", sealed
        )
    opened = encryption.opened(segment, key)
    known = _known_code(opened, code)
    if known is None:
        station = sealed.station
        raise SealedError(
            f"the region is encrypted (SM4), and the key of station {station} does not open it, or"
            " bytes were changed on the way",
            sealed,
        )
    return ReadFrame(frame=_segment(opened), check_code=known)


def sealed_without_password(data: bytes) -> bytes:
    """Return a frame that :class:`SealedError` told of as it can be stored: without its password.

    Its check code becomes that of annex A without the password, for which the region need not be
    known: a difference in the register passes through each byte as if that were 0.
    """
    segment, code = _taken_apart(data)
    head, region = segment[: segment.index(b"CP=&&")], segment[segment.index(b"CP=&&") :]
    bare = _PASSWORD_FIELD.sub(b"", head)
    difference = check_code(head) ^ check_code(bare)
    for _ in range(encryption.plain_length(region)):
        difference = _SHIFTED[difference >> 8]
    length = encryption.plain_length(bare + region)
    return b"%b%04d%b%04X%b" % (HEADER, length, bare + region, int(code, 16) ^ difference, TAIL)


def _taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """Return data segment and check code; an encrypted segment's length may be either one."""
    if not data.startswith(HEADER) or not data.endswith(TAIL):
        raise FrameError("a frame begins with ## and ends with CR LF")
    length, body = data[2 : 2 + _LENGTH_DIGITS], data[2 + _LENGTH_DIGITS : -len(TAIL)]
    segment, code = body[:-_CHECK_DIGITS], body[-_CHECK_DIGITS:]
    if _ENCRYPTED in segment and not encryption.is_encrypted(segment):
        raise FrameError("the region is encrypted (SM4), and not in blocks of 16 bytes")
    # the standard's example counts before it encrypts; there are programs that count after
    lengths = {len(segment), encryption.plain_length(segment)}
    if not length.isdigit() or int(length) not in lengths:
        raise FrameError(f"the length is {min(lengths)} and the frame says {_printed(length)}")
    return segment, code


def is_check_code(segment: bytes, code: bytes) -> bool:
    """Whether a code is that of a data segment, in either way that devices form it."""
    return _known_code(segment, code) is not None


def _known_code(segment: bytes, code: bytes) -> CheckCode | None:
    given = code.upper()
    if given == b"%04X" % check_code(segment):
        return "hj212"
    return "modbus-swapped" if given == b"%04X" % modbus_check_code(segment) else None


def _check_code(segment: bytes, code: bytes) -> CheckCode:
    known = _known_code(segment, code)
    if known is not None:
        return known
    raise FrameError(
        f"the check code is {check_code(segment):04X} and the frame says {_printed(code)}"
    )


def _printed(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")


def _segment(segment: bytes) -> Frame:
    try:
        text = segment.decode("utf-8")
    except UnicodeDecodeError:
        raise FrameError("the data segment is no text") from None
    head, opened, rest = text.partition("CP=&&")
    if not opened or not rest.endswith("&&"):
        raise FrameError("a data segment ends with CP=&&...&&")
    fields = dict(item.split("=", 1) for item in head.split(";") if "=" in item)
    missing = [name for name in ("ST", "CN", "MN") if not fields.get(name)]
    if missing:
        raise FrameError(f"{missing[0]} is missing")
    flag = Flag.read(_number(fields, "Flag")) if "Flag" in fields else None
    part = None
    if flag is not None and flag.has_parts:
        part = _number(fields, "PNO"), _number(fields, "PNUM")
        if not 1 <= part[0] <= part[1]:
            raise FrameError(f"there is no part {part[0]} of {part[1]}")
    return Frame(
        request=fields.get("QN"),
        system=fields["ST"],
        command=fields["CN"],
        password=fields.get("PW", ""),
        station=fields["MN"],
        flag=flag,
        part=part,
        resent=fields.get("RF") == "1",
        region=rest[:-2],
    )


def _number(fields: dict[str, str], name: str) -> int:
    value = fields.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS):
        raise FrameError(f"{name} takes a number")
    return int(value)
