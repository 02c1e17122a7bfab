"""Messages as bodies of ``POST /v1/readings``, in every form that it takes."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from services.core.runtime.reading_door import MEDIA_TYPES
from tests.faults.books import Entry
from tests.faults.facility import FACILITY


def written(entries: Sequence[Entry], dice: random.Random) -> tuple[dict[str, str], bytes]:
    """Headers and body, in a form by the dice."""
    media_type = dice.choice([name for name in MEDIA_TYPES if name != "application/senml+cbor"])
    body = _FORMS[MEDIA_TYPES[media_type]](entries)
    # as a browser of the API's own pages sends it: no key is asked for here
    headers = {"Content-Type": media_type, "X-Tonne-Request": "1"}
    if dice.random() < 0.5:
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return headers, body


def rows(entries: Sequence[Entry]) -> Iterator[tuple[str, str, str, str, float]]:
    """Each reading: time (RFC 3339), facility, device, channel, value."""
    for entry in entries:
        time = datetime.fromtimestamp(entry.ts_ms / 1000, UTC).isoformat()
        for channel, value in entry.values.items():
            yield time, FACILITY, entry.device, channel, value


def csv(entries: Sequence[Entry]) -> bytes:
    """A table with tonne's own columns."""
    lines = ["time,facility,device,channel,value"]
    lines += [",".join(map(str, row)) for row in rows(entries)]
    return "\n".join(lines).encode()


def lines(entries: Sequence[Entry]) -> bytes:
    """Line protocol, in milliseconds."""
    return "\n".join(
        f"m,facility={FACILITY},device={entry.device}"
        f" {','.join(f'{channel}={value}' for channel, value in entry.values.items())}"
        f" {entry.ts_ms}"
        for entry in entries
    ).encode()


def _records(entries: Sequence[Entry]) -> list[bytes]:
    return [
        json.dumps(
            {
                "facility": FACILITY,
                "device": entry.device,
                "ts": entry.ts_ms,
                "values": entry.values,
            }
        ).encode()
        for entry in entries
    ]


def _json(entries: Sequence[Entry]) -> bytes:
    return b"[" + b",".join(_records(entries)) + b"]"


def _ndjson(entries: Sequence[Entry]) -> bytes:
    return b"\n".join(_records(entries))


def _senml(entries: Sequence[Entry]) -> bytes:
    return json.dumps(
        [
            {
                "bn": f"{FACILITY}/{entry.device}/",
                "bt": entry.ts_ms / 1000,
                "n": channel,
                "v": value,
            }
            for entry in entries
            for channel, value in entry.values.items()
        ]
    ).encode()


def _arrow(entries: Sequence[Entry]) -> bytes:
    names = ("time", "facility", "device", "channel", "value")
    table = pa.table(dict(zip(names, map(list, zip(*rows(entries), strict=True)), strict=True)))
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return out.getvalue()


_FORMS: dict[str, Callable[[Sequence[Entry]], bytes]] = {
    "json": _json,
    "ndjson": _ndjson,
    "senml": _senml,
    "csv": csv,
    "line-protocol": lines,
    "arrow": _arrow,
}
