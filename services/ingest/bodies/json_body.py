"""Bodies in JSON: readings as devices send them, or rows as ``GET /v1/readings`` gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from services.ingest.bodies.records import Records, UnusableBodyError
from services.ingest.decode import json_document
from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.files.row_messages import quality_name
from services.ingest.quarantine.reasons import Reason

_UNSET: Final = msgspec.Raw(b"")

_FORM: Final = (
    'send objects such as {"facility": ..., "device": ..., "ts": ..., "values": {"channel": number}'
    '} or {"time": ..., "facility": ..., "device": ..., "channel": ..., "value": number}'
)


_NAME_CHANNEL: Final = "name the channel in each row, or in the address: ?channel=..."

#: Members of a record that are texts, or left out.
_TEXTS: Final = ("facility", "device", "channel", "unit", "quality")


class _Head(msgspec.Struct, gc=False):
    """What is looked at of a record before it is known whose it is."""

    facility: str | None = None
    device: str | None = None
    channel: str | None = None
    time: msgspec.Raw = _UNSET
    ts: msgspec.Raw = _UNSET
    value: msgspec.Raw = _UNSET
    values: msgspec.Raw = _UNSET
    unit: str | None = None
    quality: str | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read(body: bytes, records: Records, channel: str | None) -> None:
    """Take the records of one JSON document.

    ``channel``: of rows that name none.

    :raises UnusableBodyError: it is no JSON.
    """
    for index, raw in enumerate(_documents(body)):
        _take(raw, records, channel, index=index, line=None)


def read_lines(body: bytes, records: Records, channel: str | None) -> None:
    """Take records that each have a line."""
    index = 0
    for number, line in enumerate(body.split(b"\n"), 1):
        if line.strip():
            _take(line.strip(), records, channel, index=index, line=number)
            index += 1


def _documents(body: bytes) -> Iterator[bytes]:
    """Return the bytes of each record.

    :raises UnusableBodyError: it is no JSON.
    """
    if body.lstrip()[:1] != b"[":
        _checked(body)
        yield body.strip()
        return
    try:
        listed: Sequence[msgspec.Raw] = _LIST.decode(body)
    except (ValueError, RecursionError):
        # Python writes NaN and Infinity, which are not JSON: only their own values are refused
        for one in _checked(body):
            yield json.dumps(one).encode()
        return
    for raw in listed:
        yield bytes(raw)


def _checked(body: bytes) -> Any:
    if not body.strip():
        raise UnusableBodyError(f"the body is empty, which is not JSON; {_FORM}")
    try:
        return json_document.read(body)
    except UndecodableError as error:
        detail = error.detail.replace("the payload", "the body")
        raise UnusableBodyError(f"{detail}; {_FORM}") from None


def _take(
    raw: bytes, records: Records, channel: str | None, *, index: int, line: int | None
) -> None:
    head = _head(raw)
    if isinstance(head, str):
        detail = f"it is no reading ({head})"
        records.refuse(Reason.NOT_A_READING, detail, index=index, line=line, advice=_FORM)
        return
    if head.value is not _UNSET:
        named = head.channel or channel
        if named:
            raw = _row(head, named)
        elif head.values is _UNSET:
            detail = "it has a value, and names no channel"
            records.refuse(
                Reason.NOT_A_READING, detail, index=index, line=line, advice=_NAME_CHANNEL
            )
            return
    records.add(raw, index=index, line=line, facility=head.facility, device=head.device)


def _head(raw: bytes) -> _Head | str:
    """Return the head of a record, or why it has none."""
    try:
        return _HEAD.decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        # NaN and infinity are no JSON, and spoil their own values only
        document = json_document.read(raw)
    except UndecodableError as error:
        return error.detail.replace("the payload", "it")
    if isinstance(document, list):
        # as a device may publish them; the address says whose they are
        return _Head()
    if not isinstance(document, dict):
        return f"{shown(document)} is no object"
    for name in _TEXTS:
        if not isinstance(document.get(name), str | None):
            return f"{name} is {shown(document[name])}, and must be a text"
    members: dict[str, Any] = {name: document.get(name) for name in _TEXTS}
    for name in ("time", "ts", "value", "values"):
        if name in document:
            members[name] = msgspec.Raw(json.dumps(document[name]).encode())
    return _Head(**members)


def _row(head: _Head, channel: str) -> bytes:
    """Return a row as a record of a native payload."""
    members = [b'"v":%b' % bytes(head.value)]
    if head.unit:
        members.append(b'"u":%b' % msgspec.json.encode(head.unit))
    if head.quality:
        members.append(b'"q":%b' % msgspec.json.encode(quality_name(head.quality)))
    time = head.ts if head.time is _UNSET else head.time
    stated = b"" if time is _UNSET else b'"ts":%b,' % bytes(time)
    return b'{%b"values":{%b:{%b}}}' % (stated, msgspec.json.encode(channel), b",".join(members))
