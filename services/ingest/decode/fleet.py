"""A message of many devices -> what each of them says, by the id in each record.

The message is read and split once, however many devices share its topic, and each of its records
goes to those alone that are known by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from services.core.facility.beside import Properties
from services.core.facility.cell_names import cell_of
from services.core.facility.fleets import BY_KEY
from services.core.facility.mapping_expression import Budget
from services.core.facility.mapping_model import word
from services.ingest.decode import json_mapping
from services.ingest.decode.cells import COMMA, of_record
from services.ingest.decode.compression import gunzip
from services.ingest.decode.json_record import Channel, Taker
from services.ingest.decode.mapped_formats import (
    MAPPED,
    channels_with_defaults,
    with_defaults,
)
from services.ingest.decode.observation import (
    MAX_VALUES,
    Decoded,
    Part,
    Problem,
    UndecodableError,
)
from services.ingest.decode.record_source import RecordSource, pay, record_source
from services.ingest.decode.selection import SelectionCostError, SelectionError
from services.ingest.quarantine.reasons import Reason

Owner = TypeVar("Owner")

#: Of records that tell no id.
NO_ID: Final = ""

#: What all devices of a fleet say alike.
_SHAPE: Final = ("compression", "records", "columns", "where", "device_from", "delimiter")


def shape(wire_format: str, device: Part) -> str:
    """Return what tells fleets at one topic apart: how a message is split into records."""
    return repr((wire_format, *(device.get(key) for key in _SHAPE)))


class Fleet(Generic[Owner]):
    """Devices whose records come in the same messages."""

    def __init__(self, wire_format: str, device: Part, *, max_steps: int) -> None:
        """``device``: the part of any of them. ``max_steps``: what a message may cost.

        :raises ValueError, KeyError, TypeError: the part cannot be used.
        """
        device = with_defaults(wire_format, device)
        self._format = wire_format
        self._budget = Budget(max_steps)
        stated = device["device_from"]
        self._is_text = cell_of(stated) is not None and "records" not in device
        read = json_mapping.read_text if self._is_text else json_mapping.read_json
        self._read = MAPPED[wire_format] or read
        self._is_packed = device.get("compression") == "gzip"
        self._source: RecordSource | None = record_source(device, self._budget)
        self._is_split = "records" in device or "columns" in device
        self.device_from: str = stated
        delimiter = device.get("delimiter", COMMA)
        self._select = (
            None if stated == BY_KEY else of_record(stated, self._budget, delimiter, lists=False)
        )
        #: by id the places of those who are known by it
        self._known: dict[str, list[int]] = {}
        self._members: list[tuple[Owner, tuple[Channel, ...] | Problem]] = []
        self._looks = 1

    @property
    def ids(self) -> frozenset[str]:
        """The ids that somebody is known by."""
        return frozenset(self._known)

    def add(self, owner: Owner, device: Part, channels: Sequence[Part]) -> None:
        """Add a device; where its part cannot be used, its records are refused, and no others."""
        device = with_defaults(self._format, device)
        mapped: tuple[Channel, ...] | Problem
        try:
            mapped = json_mapping.mapped(
                device, channels_with_defaults(self._format, channels), self._budget
            )
            self._looks = max(self._looks, len(mapped))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            detail = " ".join(str(error).split())[:200]
            mistake = f"what the facility file says cannot be used: {detail}"
            mapped = Problem(reason=Reason.UNSUPPORTED_FORMAT, detail=mistake)
        for known_as in device["known_as"]:
            self._known.setdefault(word(known_as) or known_as, []).append(len(self._members))
        self._members.append((owner, mapped))

    def decode(
        self,
        payload: bytes,
        received_us: int,
        *,
        only: frozenset[str] | None = None,
        topic: str = "",
        properties: Properties | None = None,
    ) -> tuple[list[tuple[Owner, Decoded]], set[str]]:
        """Return what each device says that the message names, and the ids that nobody is known by.

        ``only``: ids that are meant, the rest of the message is left alone; None: all.
        ``NO_ID`` stands for records without one. ``topic``, ``properties``: of the message.

        :raises UndecodableError: nothing of the message can be used.
        """
        if self._is_packed:
            payload = gunzip(payload)
        document = self._read(payload)
        if not self._is_text:
            json_mapping.refuse_scalar(document)
        self._budget.renew(len(payload))
        self._budget.beside.take(topic, properties)
        try:
            by_id = self._by_id(document)
            if only is not None:
                by_id = {known_as: by_id[known_as] for known_as in by_id if known_as in only}
            return self._decoded(document, by_id, received_us), by_id.keys() - self._known.keys()
        except SelectionCostError as error:
            raise UndecodableError(Reason.TOO_COSTLY, str(error)) from None

    def _by_id(self, document: Any) -> Mapping[str, list[Any]]:
        records = self._records(document)
        by_id: dict[str, list[Any]] = {}
        if self._select is not None:
            for record in records:
                try:
                    known_as = word(self._select(record)) or NO_ID
                except SelectionError as error:
                    raise UndecodableError(Reason.BAD_MAPPING, f"device_from: {error}") from None
                by_id.setdefault(known_as, []).append(record)
            return by_id
        for record in records:
            if not isinstance(record, dict):
                by_id.setdefault(NO_ID, []).append(record)
                continue
            pay(self._budget, len(record) * self._looks, f"{len(record)} ids looked through")
            for name, values in record.items():
                listed = values if isinstance(values, list) else [values]
                by_id.setdefault(word(name) or NO_ID, []).extend(listed)
        return by_id

    def _records(self, document: Any) -> Sequence[Any]:
        if isinstance(document, list) and not self._is_split:
            # what else could carry an id is one of them
            pay(self._budget, len(document) * self._looks, f"{len(document)} records")
            where = None if self._source is None else self._source.where
            return document if where is None else list(filter(where, document))
        return [document] if self._source is None else self._source.records(document, self._looks)

    def _decoded(
        self, document: Any, by_id: Mapping[str, list[Any]], received_us: int
    ) -> list[tuple[Owner, Decoded]]:
        by_place: dict[int, list[Any]] = {}
        for known_as, records in by_id.items():
            for place in self._known.get(known_as, ()):
                by_place.setdefault(place, []).extend(records)
        parts: list[tuple[Owner, Decoded]] = []
        number = 0
        for place, records in by_place.items():
            owner, mapped = self._members[place]
            if isinstance(mapped, Problem):
                parts.append((owner, Decoded(observations=[], problems=[mapped])))
                continue
            taker = Taker(mapped, received_us, document, number=len(records))
            for position, record in enumerate(records):
                taker.take(record, position)
            decoded = taker.finish()
            number += len(decoded.observations) + len(decoded.problems)
            if number > MAX_VALUES:
                raise UndecodableError(
                    Reason.TOO_MANY_VALUES, f"the message has more than {MAX_VALUES} values"
                )
            parts.append((owner, decoded))
        return parts
