r"""Line protocol of InfluxDB -> a list of records, one a line.

``meter,site=hall energy=18234.5,ok=t 1780300800000000000`` is ``{"measurement": "meter", "tags":
{"site": "hall"}, "fields": {"energy": 18234.5, "ok": true}, "time": 1780300800000000000}``. Source:
docs.influxdata.com, line protocol reference: ``\`` stands before a comma, equals sign or space of a
name, and before a quotation mark or ``\`` of a text in quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.ingest.decode.observation import MAX_VALUES, UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

#: What a device's part says where its file says nothing else.
DEFAULTS: Final[Mapping[str, Any]] = {
    "records": "@",
    "timestamp": {"from": "time", "unit": "ns"},
}

_BETWEEN: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_MEASUREMENT: Final = re.compile(r"(?:[^\\, \n]|\\.)+")
_TAG: Final = re.compile(r",((?:[^\\,= \n]|\\.)+)=((?:[^\\,= \n]|\\.)+)")
_FIELD: Final = re.compile(
    r'((?:[^\\,= \n]|\\.)+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))(,?)', re.DOTALL
)
_SPACES: Final = re.compile(r" +")
_END: Final = re.compile(r"(?: +(-?\d{1,19}))? *(?:\r?\n|\Z)", re.ASCII)

_ESCAPED: Final = re.compile(r"\\([,= ])")
_ESCAPED_IN_TEXT: Final = re.compile(r'\\(["\\])')

_INTEGER: Final = re.compile(r"(?:[+-]?\d{1,20}i|\d{1,20}u)\Z", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
_LONGEST_NUMBER: Final = 400
#: Measurements with their tags that are remembered.
_MAX_HEADS: Final = 10_000
_TIME: Final = re.compile(r"\d{1,19}\Z", re.ASCII)
_NUMERIC: Final = frozenset("0123456789.+-iutfTF")
_BOOLEANS: Final = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}


def read(payload: bytes) -> list[dict[str, Any]]:
    """Return the records of the lines.

    :raises UndecodableError: the bytes are no line protocol, or a line names a tag or field twice.
    """
    records: list[dict[str, Any]] = []
    for _, record in lines(payload):
        if len(records) == MAX_VALUES:
            raise UndecodableError(
                Reason.TOO_MANY_VALUES, f"the message has more than {MAX_VALUES} lines"
            )
        records.append(record)
    return records


def lines(payload: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of the lines, any number of them, each with its line's number from 1.

    :raises UndecodableError: as :func:`read`.
    """
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD, f"the payload is not UTF-8 (byte {error.start})"
        ) from None
    if "\\" in text or '"' in text:
        yield from _any_lines(text)
        return
    # without texts and escapes every line stands for itself
    split, heads = text.split("\n"), _Heads()
    for number, line in enumerate(split, 1):
        record = _plain_line(line, heads)
        if record is not None:
            yield number, record
        elif line.strip(" \t\r") and not line.lstrip(" \t\r").startswith("#"):
            whole = line if number == len(split) else f"{line}\n"
            for _, record in _any_lines(whole, number):
                yield number, record


def _plain_line(line: str, heads: _Heads) -> dict[str, Any] | None:
    """Return the record of a line as nearly all are; None: it needs a closer look."""
    parts = line.split(" ")
    if len(parts) != 3 or not _TIME.match(parts[2]) or "\t" in parts[1]:
        return None
    head = heads[parts[0]]
    name, _, written = parts[1].partition("=")
    # nearly all lines have one field
    is_one = name and written and "=" not in written and "," not in parts[1]
    fields = {name: written} if is_one else _plain_pairs(parts[1].split(","))
    if head is None or not fields:
        return None
    values: dict[str, Any] = {}
    for name, written in fields.items():
        # what float() reads beside numbers of line protocol begins or ends otherwise
        if not (written[0] in _NUMERIC and written[-1] in _NUMERIC and written.isascii()):
            return None
        value = _value(written)
        if value is None:
            return None
        values[name] = value
    return {"measurement": head[0], "tags": head[1], "fields": values, "time": int(parts[2])}


class _Heads(dict[str, tuple[str, dict[str, str]] | None]):
    """Measurement and tags by their text, which stands in many lines; None: it is not plain."""

    def __missing__(self, text: str) -> tuple[str, dict[str, str]] | None:
        if len(self) >= _MAX_HEADS:
            self.clear()
        measurement, *tagged = text.split(",")
        tags = _plain_pairs(tagged)
        is_plain = measurement and measurement[0] != "#" and "\t" not in text
        head = self[text] = (measurement, tags) if is_plain and tags is not None else None
        return head


def _plain_pairs(texts: Sequence[str]) -> dict[str, str] | None:
    pairs = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value or "=" in value:
            return None
        pairs[name] = value
    # a name that stands twice is a mistake that is told
    return pairs if len(pairs) == len(texts) else None


def _any_lines(text: str, first: int = 1) -> Iterator[tuple[int, dict[str, Any]]]:
    counted, number = 0, first
    position = _past(_BETWEEN, text, 0)
    while position < len(text):
        number += text.count("\n", counted, position)
        counted = position
        record, position = _line(text, position, first)
        yield number, record
        position = _past(_BETWEEN, text, position)


def _line(text: str, begin: int, first: int) -> tuple[dict[str, Any], int]:
    measurement = _MEASUREMENT.match(text, begin)
    if measurement is None:
        raise _malformed(text, begin, first, "a line begins with the name of a measurement")
    position = measurement.end()
    tags: dict[str, str] = {}
    while (tag := _TAG.match(text, position)) is not None:
        _add(tags, _name(tag[1]), _name(tag[2]))
        position = tag.end()
    spaces = _SPACES.match(text, position)
    if spaces is None:
        raise _malformed(
            text, position, first, "fields follow behind tags such as ,site=hall and a space"
        )
    fields, position = _fields(text, spaces.end(), first)
    end = _END.match(text, position)
    if end is None:
        raise _malformed(
            text, position, first, "behind its fields stands a time in digits, or nothing"
        )
    record: dict[str, Any] = {"measurement": _name(measurement[0]), "tags": tags, "fields": fields}
    if end[1] is not None:
        record["time"] = int(end[1])
    return record, end.end()


def _fields(text: str, position: int, first: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    while True:
        field = _FIELD.match(text, position)
        if field is None:
            raise _malformed(text, position, first, "a field is written as name=value")
        if field[2] is not None:
            value: Any = _ESCAPED_IN_TEXT.sub(r"\1", field[2])
        else:
            value = _value(field[3])
            if value is None:
                mistake = (
                    f"{shown(field[3])} is neither a number, t, f nor a text in quotation marks"
                )
                raise _malformed(text, position, first, mistake)
        _add(fields, _name(field[1]), value)
        position = field.end()
        if not field[4]:
            return fields, position


def _value(text: str) -> float | bool | None:
    if text[-1] in "iu" and _INTEGER.match(text):
        return int(text[:-1])
    if len(text) <= _LONGEST_NUMBER and _FLOAT.match(text):
        return float(text)
    return _BOOLEANS.get(text)


def _add(members: dict[str, Any], key: str, value: Any) -> None:
    if key in members:
        raise UndecodableError(Reason.REPEATED_KEY, f"the key {shown(key)} stands twice in a line")
    members[key] = value


def _name(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _past(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _malformed(text: str, position: int, first: int, why: str) -> UndecodableError:
    line = text.count("\n", 0, position) + first
    return UndecodableError(
        Reason.MALFORMED_PAYLOAD, f"line {line} of the payload is no line protocol: {why}"
    )
