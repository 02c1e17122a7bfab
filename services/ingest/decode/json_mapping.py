"""Foreign JSON: the facility file says where in it each channel's value stands, and its time.

A message is one record, or as many as the device's ``records`` finds: see :mod:`.json_record`. A
bare number is a record too, and so are numbers parted by commas, as an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from services.core.facility.beside import Beside
from services.core.facility.mapping_expression import MAX_STEPS, Budget
from services.ingest.decode import json_document
from services.ingest.decode.cells import COMMA, selected
from services.ingest.decode.json_record import Channel, Columns, Taker
from services.ingest.decode.observation import Decoded, Decoder, Part, UndecodableError
from services.ingest.decode.packed_number import packed_number
from services.ingest.decode.record_source import RecordSource, Where, chosen, record_source
from services.ingest.decode.selection import (
    Selection,
    SelectionCostError,
    is_beside,
    is_path,
)
from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import READERS, Reader, decimal, plain
from services.ingest.decode.timestamp import ARRIVAL, time_rule
from services.ingest.decode.wording import quality_rule, unit_rule
from services.ingest.quarantine.reasons import Reason

#: Longer texts are not looked through for numbers.
_LONGEST_LIST_BYTES: Final = 64 * 1024

_CONTAINERS: Final = (dict, list)

#: Ways of reading a number that JSON has not.
_NOT_OF_JSON: Final = frozenset({"comma", "point", "hex"})


#: Bytes -> a document as dicts, lists, texts, numbers, booleans and None. Raises UndecodableError
#: and nothing else.
Read = Callable[[bytes], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mapping:
    """What is known of the messages at one topic."""

    records: RecordSource | None
    channels: tuple[Channel, ...]
    #: whether any message can be of use that is neither an object nor an array
    takes_scalars: bool
    #: from the bytes
    read: Read
    #: of all expressions together, for one message
    budget: Budget
    #: whether anything is taken from it
    costs: bool


def decoder(
    device: Part,
    channels: Sequence[Part],
    *,
    max_steps: int = MAX_STEPS,
    read: Read | None = None,
    beside: Beside | None = None,
) -> Decoder:
    """Build the decoder of a device at one topic; see :data:`.observation.DecoderFactory`.

    ``max_steps``: what one message may cost, in steps of ``facility.mapping_expression``. ``read``:
    how its bytes are read; None: as JSON, or as a number in text. ``beside``: what stands beside
    the payload of the message that is decoded next.
    """
    budget = Budget(max_steps, beside)
    whole = [channel.get("from", "@") == "@" for channel in channels]
    records = record_source(device, budget, channels=channels)
    taken = mapped(device, channels, budget)
    # every message is one text, in a way of writing that JSON has not
    is_text = (
        bool(whole)
        and all(whole)
        and all(map(_reads_text, channels))
        # else it holds texts
        and "records" not in device
    )
    mapping = _Mapping(
        records=records,
        channels=taken,
        takes_scalars=any(whole) or any(is_beside(channel.select) for channel in taken),
        read=read or (read_text if is_text else read_json),
        budget=budget,
        costs=(records is not None and records.costs) or costs(taken),
    )
    return partial(_decode, mapping)


def mapped(device: Part, channels: Sequence[Part], budget: Budget) -> tuple[Channel, ...]:
    """Return where the values of channels stand in a record.

    :raises ValueError, KeyError, TypeError: the parts cannot be used.
    """
    delimiter = device.get("delimiter", COMMA)
    # made once, for what a record tells by one rule is looked up once
    device_time = (
        time_rule(device["timestamp"], budget, delimiter) if "timestamp" in device else ARRIVAL
    )
    device_quality = (
        quality_rule(device["quality"], budget, delimiter) if "quality" in device else None
    )
    return tuple(
        Channel(
            id=channel["id"],
            select=_selected(channel, budget, delimiter),
            no_value=frozenset(t for t in channel.get("invalid", ()) if isinstance(t, str)),
            time=(
                time_rule(channel["timestamp"], budget, delimiter)
                if "timestamp" in channel
                else device_time
            ),
            quality=(
                quality_rule(channel["quality"], budget, delimiter)
                if "quality" in channel
                else device_quality
            ),
            unit=unit_rule(channel["unit_from"], budget, delimiter)
            if "unit_from" in channel
            else None,
            read=_reader(channel),
            is_of_registers=channel.get("bytes", {}).get("written") == "registers",
            needs_time=channel.get("kind") in {"interval", "event"},
        )
        for channel in channels
    )


def costs(channels: Sequence[Channel]) -> bool:
    """Whether what channels select takes anything from the budget of a message."""
    return not all(map(is_path, _selections(channels)))


def _selected(channel: Part, budget: Budget, delimiter: str) -> Selection:
    select = selected(channel, budget, delimiter)
    return (
        chosen(select, Where(channel["where"], budget, delimiter)) if "where" in channel else select
    )


def _reader(channel: Part) -> Reader:
    return packed_number(channel["bytes"]) if "bytes" in channel else READERS[channel.get("number")]


def _reads_text(channel: Part) -> bool:
    """Whether what a channel reads is a text that need not be JSON."""
    return (
        channel.get("number") in _NOT_OF_JSON
        or "cell" in channel
        or channel.get("bytes", {}).get("written") in {"base64", "hex"}
        or channel.get("unit_from", {}).get("suffix", False)
    )


def _selections(channels: Sequence[Channel]) -> Iterator[Selection]:
    """All that a record is put through."""
    for channel in channels:
        yield channel.select
        yield from (
            rule.select
            for rule in (channel.time, channel.quality, channel.unit)
            if rule is not None
        )


def _decode(mapping: _Mapping, payload: bytes, received_us: int) -> Decoded:
    document = mapping.read(payload)
    if not (mapping.takes_scalars or isinstance(document, _CONTAINERS)):
        refuse_scalar(document)
    if mapping.costs:
        mapping.budget.renew(len(payload))
    try:
        if mapping.records is None:
            taker = Taker(mapping.channels, received_us, document)
            taker.take(document)
        else:
            records = mapping.records.records(document, len(mapping.channels))
            taker = Taker(mapping.channels, received_us, document, number=len(records))
            for position, record in enumerate(records):
                taker.take(record, position)
    except SelectionCostError as error:
        raise UndecodableError(Reason.TOO_COSTLY, str(error)) from None
    return taker.finish()


def refuse_scalar(document: Any) -> None:
    """Refuse what is neither an object nor an array.

    :raises UndecodableError: it is not.
    """
    if not isinstance(document, _CONTAINERS):
        raise UndecodableError(
            Reason.NOT_A_READING, f"the payload is {shown(document)}, not an object or array"
        )


def read_text(payload: bytes) -> str:
    """Return a text as it is, or as JSON writes it.

    :raises UndecodableError: it is not in UTF-8.
    """
    if payload.lstrip()[:1] == b'"':
        document = json_document.read(payload)
        if isinstance(document, str):
            return document
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UndecodableError(Reason.BAD_VALUE, "the payload is not text in UTF-8") from None


def read_json(payload: bytes) -> Any:
    """Read JSON, or numbers in plain text.

    :raises UndecodableError: it is neither.
    """
    try:
        return json_document.read(payload)
    except UndecodableError:
        numbers = _numbers(payload)
        if numbers is None:
            raise
        return numbers


def _numbers(payload: bytes) -> str | Columns | None:
    """Return what plain text says that JSON cannot: ``10,11,12``, ``+5``, ``007.5``."""
    if len(payload) > _LONGEST_LIST_BYTES:
        return None
    try:
        texts = payload.decode("ascii").split(",")
    except UnicodeDecodeError:
        return None
    if not all(map(plain, texts)):
        return None
    # several side by side are plainly decimal
    return texts[0] if len(texts) == 1 else Columns(map(decimal, texts))
