"""What is wrong with a message -> its entries in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from services.core.store.readings.quarantine import QuarantineEntry
from services.core.timeline.instants import from_us
from services.ingest import shared_topics
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import Observation, Problem, UndecodableError
from services.ingest.quarantine.reasons import Reason, explain
from services.ingest.resolve import Destination, Publisher
from services.ingest.shared_topics import Unregistered
from services.ingest.sources.receipt import Refusal
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

#: Whose a refusal is.
Owner = Publisher | Destination | Unregistered

#: Problems named one by one in the detail of a quarantined message.
_MAX_NAMED: Final = 10


def entries(message: Message, problems: Sequence[tuple[Owner, Problem]]) -> list[QuarantineEntry]:
    """Return one entry for each facility and reason: bytes are not kept a thousand times."""
    grouped: dict[tuple[str | None, Reason], list[tuple[str | None, Problem]]] = {}
    for owner, refused in problems:
        key = (owner.facility, refused.reason)
        grouped.setdefault(key, []).append((owner.device, refused))
    return [
        _entry(message, facility, reason, group) for (facility, reason), group in grouped.items()
    ]


def _entry(
    message: Message,
    facility: str | None,
    reason: Reason,
    group: Sequence[tuple[str | None, Problem]],
) -> QuarantineEntry:
    only = group[0][1] if len(group) == 1 else None
    devices = {device for device, _ in group}
    ids = tuple(name for _, refused in group for name in refused.unknown_ids)
    return QuarantineEntry(
        received_at=message.arrived_at,
        reason=reason,
        detail=explain(reason, _summary(group, named=len(devices) > 1)),
        topic=message.topic,
        payload=message.payload,
        facility=facility,
        device=devices.pop() if len(devices) == 1 else None,
        channel=only.channel if only else None,
        ts=_datetime(only.ts_us) if only else None,
        value=only.value if only else None,
        unknown_ids=ids or None,
        properties=message.properties,
        repeated=message.redelivered or message.retained,
        whole_message=message.retained,
        hear=None
        if message.receipt is None
        else message.receipt.awaiting([_refusal(refused) for _, refused in group]),
    )


def _refusal(refused: Problem) -> Refusal:
    return Refusal(
        reason=refused.reason,
        detail=refused.detail,
        channel=refused.channel,
        ts_us=refused.ts_us,
        value=refused.value,
        record=refused.record,
    )


def unknown_ids(ids: tuple[str, ...], topic: str, why: str = "") -> Problem:
    """Say that a message names devices that nobody registered; ``why``: it names none at all."""
    return Problem(
        reason=Reason.UNKNOWN_DEVICE,
        detail=shared_topics.detail(ids, topic) + (f": {why}" if why else ""),
        unknown_ids=ids,
    )


def undecodable(error: Exception, *, facility: str, device: str | None) -> Problem:
    """Return what a decoder says is wrong with a message, or what is wrong with the decoder."""
    if isinstance(error, UndecodableError):
        return Problem(reason=error.reason, detail=error.detail)
    _log.error("decoder_failed", facility=facility, device=device, exc_info=error)
    whose = "of the topic" if device is None else f"of device {device!r}"
    detail = f"the decoder {whose} failed ({type(error).__name__})"
    return Problem(reason=Reason.DECODER_FAILED, detail=detail)


def unknown_channel(publisher: Publisher, observation: Observation) -> list[Problem]:
    """Say that a device has no such channel, unless another one at the topic answers for it."""
    if observation.channel in publisher.others:
        return []
    detail = f"device {publisher.device!r} has no such channel"
    return [problem(Reason.UNKNOWN_CHANNEL, detail, observation)]


def problem(reason: Reason, detail: str, observation: Observation) -> Problem:
    """Say what is wrong with one value of a message."""
    return Problem(
        reason=reason,
        detail=detail,
        channel=observation.channel,
        ts_us=observation.ts_us,
        value=observation.value,
    )


def _summary(problems: Sequence[tuple[str | None, Problem]], *, named: bool) -> str:
    """Say what is wrong, ``named`` by device where it is not the same for all of them."""
    by_text: dict[str, list[str]] = {}
    for device, refused in problems:
        place = f"{refused.channel[:80]}: " if refused.channel else ""
        by_text.setdefault(f"{place}{refused.detail}", []).append(device or "")
    texts = [
        f"{text} (devices {_list(devices)})" if named else text
        for text, devices in islice(by_text.items(), _MAX_NAMED)
    ]
    more = len(by_text) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def _list(devices: Sequence[str]) -> str:
    more = len(devices) - _MAX_NAMED
    return ", ".join(devices[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _datetime(ts_us: int | None) -> datetime | None:
    return from_us(ts_us) if ts_us is not None and OLDEST_US <= ts_us <= NEWEST_US else None
