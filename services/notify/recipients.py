"""The recipients that facility files name now, by facility and target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import structlog
from pydantic import ValidationError

from services.core.facility import plain_words
from services.core.facility.model import Notify
from services.core.facility.recipients import MQTT, is_recipient, target_of
from services.core.store.registry import recipients
from services.notify.languages import ENGLISH

_log: Final = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Heartbeat:
    """How often a recipient gets a heartbeat for a facility."""

    facility: str
    every_s: float
    #: of a mail
    language: str = ENGLISH


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipients:
    """Every entry of ``notify``, in force now."""

    #: by facility and target
    entries: dict[tuple[str, str], Notify] = field(default_factory=dict)
    #: by facility: the secrets that an admin granted to it
    secrets: dict[str, frozenset[str]] = field(default_factory=dict)
    #: facilities that raise no new alerts; the ends of their old ones are still sent
    retired: frozenset[str] = frozenset()
    #: facilities whose totals Home Assistant gets
    announced: frozenset[str] = frozenset()

    def may_sign(self, facility: str, variable: str | None) -> bool:
        """Return whether a facility's messages may be signed with a secret."""
        return variable in self.secrets.get(facility, ())

    def entry(self, facility: str, target: str) -> Notify | None:
        """Return the entry by which a facility names a target, None if it does not."""
        return self.entries.get((facility, target))

    def of_facility(self, facility: str) -> dict[str, Notify]:
        """Return a facility's recipients, by target."""
        return {target: entry for (slug, target), entry in self.entries.items() if slug == facility}

    def heartbeats(self) -> dict[str, list[Heartbeat]]:
        """Return the heartbeats that each target asked for."""
        heartbeats: dict[str, list[Heartbeat]] = defaultdict(list)
        for (facility, target), entry in self.entries.items():
            if entry.heartbeat is not None and facility not in self.retired:
                heartbeats[target].append(
                    Heartbeat(
                        facility=facility,
                        every_s=entry.heartbeat,
                        language=entry.language or ENGLISH,
                    )
                )
        return heartbeats

    def targets(self) -> set[str]:
        """Return every target that a facility names."""
        return {target for _, target in self.entries}


async def listed(connection: psycopg.AsyncConnection[Any]) -> Recipients:
    """Read the recipients of every facility."""
    rows = await recipients.read(connection)
    return recipients_of(
        (row[:3] for row in rows), retired=frozenset(slug for slug, *_, retired in rows if retired)
    )


def recipients_of(
    facilities: Iterable[tuple[str, list[dict[str, Any]], Iterable[str]]],
    *,
    retired: frozenset[str] = frozenset(),
) -> Recipients:
    """Return the recipients, from each facility's id, stored entries and granted secrets."""
    entries: dict[tuple[str, str], Notify] = {}
    secrets: dict[str, frozenset[str]] = {}
    announced: set[str] = set()
    for facility, specs, granted in facilities:
        secrets[facility] = frozenset(granted)
        entries[facility, MQTT] = Notify(mqtt=True)
        for spec in specs if isinstance(specs, list) else []:
            try:
                entry = Notify.model_validate(spec)
            except ValidationError as error:
                _log.error(
                    "an entry of notify is invalid and skipped; apply the facility file again",
                    facility=facility,
                    reason=plain_words.first(error, spec, Notify),
                )
                continue
            if is_recipient(entry):
                entries[facility, target_of(entry)] = entry
            elif entry.mqtt is False:
                entries.pop((facility, MQTT), None)
            elif entry.homeassistant:
                announced.add(facility)
    return Recipients(
        entries=entries,
        secrets=secrets,
        retired=retired,
        announced=frozenset(announced - retired),
    )
