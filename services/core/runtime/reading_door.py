"""How the API hands readings that came by HTTP to ingest, and hears what became of them.

People's corrections of readings (:mod:`.stated_readings`) and their files (:mod:`.uploads`) go the
same way.

Ingest listens at a Unix socket: who may open it is a matter of the file system, and nothing listens
at a network. One connection carries one question and its answer. A question is the length of its
head (four bytes, the highest first), the head as JSON, and the body as it came; an answer is its
length and its JSON.

Whoever may open the socket is believed: the sender has authenticated who sends readings, and names
the facilities that they may be of.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from services.core.runtime.stated_activities import (
    StatedActivities,
    TakenActivities,
    WithdrawnActivity,
)
from services.core.runtime.stated_readings import Corrected, StatedReadings
from services.core.runtime.uploads import Upload, UploadAsk

#: Of a Unix socket's address, less its end (unix(7)).
LONGEST_PATH: Final = 107

_LENGTH: Final = struct.Struct(">I")
_MAX_HEAD_BYTES: Final = 1 << 20
_MAX_ANSWER_BYTES: Final = 1 << 24

#: Media types of bodies, each with the form that it has.
Form = Literal["json", "ndjson", "senml", "csv", "line-protocol", "arrow"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
MEDIA_TYPES: Final[dict[str, Form]] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/senml+json": "senml",
    "application/senml+cbor": "senml",
    "text/csv": "csv",
    "text/plain": "line-protocol",
    "application/vnd.apache.arrow.stream": "arrow",
}

Precision = Literal["ns", "us", "ms", "s"]


class Question(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="readings"):
    """What stands before a body."""

    form: Form
    body_bytes: int
    is_gzip: bool = False
    #: that the sender may send readings of; None: all
    facilities: list[str] | None = None
    #: what rows that name none are of
    facility: str | None = None
    device: str | None = None
    channel: str | None = None
    #: of the times of line protocol
    precision: Precision = "ns"
    #: nothing is stored: the answer is which facilities the records name
    names_only: bool = False
    #: records of these alone are taken, and what is wrong with others is another ingest's to say;
    #: None: all records are
    only: list[str] | None = None
    #: records of these are another ingest's
    elsewhere: list[str] = []
    #: of the request that brought it, for log lines
    request_id: str | None = None


class MappingTrial(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="try"):
    """Stands before a facility file and, behind it, the payload of a message; nothing is stored."""

    body_bytes: int
    #: of the body, how much is the file
    file_bytes: int
    #: None: each topic of the file is tried
    topic: str | None = None
    #: what MQTT 5 says beside the payload, by the names that mappings have for it
    properties: dict[str, str | int | list[str]] | None = None
    request_id: str | None = None


#: What may stand before a body.
Head = Question | StatedReadings | MappingTrial | UploadAsk | StatedActivities | WithdrawnActivity


#: ``taken``: see ``verdicts``; nothing was taken with the others. ``unusable``: the body is not of
#: its form; ``too-large``: it holds too much; ``busy``: ingest has too much in hand; ``unable``:
#: ingest cannot store anything at present; ``failed``: reading it met a fault of tonne;
#: ``missing``: there is no such upload or activity; ``conflict``: it is not in a state for this.
Outcome = Literal[
    "taken", "unusable", "too-large", "busy", "unable", "failed", "missing", "conflict"
]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Why one reading, or one record without any, was not stored."""

    #: of the record in the body, from 0
    index: int
    #: of a text, from 1
    line: int | None = None
    facility: str | None = None
    device: str | None = None
    channel: str | None = None
    #: RFC 3339, UTC
    time: str | None = None
    value: float | None = None
    reason: str
    #: what is wrong
    detail: str
    #: what to do about it
    advice: str
    quarantined: bool


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the readings of a body."""

    new: int = 0
    #: stored already
    repeated: int = 0
    #: took the place of what was stored, by the channel's own rule
    replaced: int = 0
    refused: int = 0
    #: of what was refused, the first
    refusals: list[Verdict] = []


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What ingest says of a question."""

    outcome: Outcome
    detail: str = ""
    verdicts: Verdicts | None = None
    #: facilities that records name; empty: there are records that name none
    named: list[str] | None = None
    corrected: Corrected | None = None
    #: of a mapping's trial, as ``tonne map try --json`` prints them
    rows: list[dict[str, Any]] | None = None
    activities: TakenActivities | None = None
    #: readings that an activity counted which was withdrawn
    withdrawn: int | None = None
    #: those that were asked about; one, unless they were listed
    uploads: list[Upload] | None = None


class DoorClosedError(ConnectionError):
    """Nobody listens at the socket: nothing was taken."""


class DoorLostError(ConnectionError):
    """Ingest went away before it answered: whether anything was stored is not known."""


async def ask(path: Path, question: Head, body: Sequence[bytes]) -> Answer:
    """Hand over a body and wait for the answer, however long it takes.

    ``body``: its parts, together of ``question.body_bytes``.

    :raises DoorClosedError: nobody listens; nothing was taken.
    :raises DoorLostError: the connection ended without an answer.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise DoorClosedError(str(error)) from error
    try:
        try:
            head = msgspec.json.encode(question)
            writer.write(_LENGTH.pack(len(head)) + head)
            writer.writelines(body)
            await writer.drain()
        except ConnectionError:
            # it may have answered before it took all
            pass
        return msgspec.json.decode(await _framed(reader, _MAX_ANSWER_BYTES), type=Answer)
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise DoorLostError(str(error)) from error
    finally:
        writer.close()


async def read_question(reader: asyncio.StreamReader) -> Head:
    """Read the head of a question; its body follows.

    :raises EOFError: the other side went away.
    :raises ValueError: it is no question.
    """
    head: Head = msgspec.json.decode(await _framed(reader, _MAX_HEAD_BYTES), type=Head)
    return head


def answer_bytes(answer: Answer) -> bytes:
    """Return an answer as it is sent."""
    body = msgspec.json.encode(answer)
    return _LENGTH.pack(len(body)) + body


async def _framed(reader: asyncio.StreamReader, limit: int) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > limit:
        raise ValueError(f"{length} bytes are announced")
    return await reader.readexactly(length)
