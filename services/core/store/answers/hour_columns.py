"""Hours of sources as columns: what every answer that is made of hours reads.

From the database they come packed into one value, to be taken apart by NumPy; see
:mod:`..database.arrays`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np

from services.core.store.answers.buckets import Integers
from services.core.store.answers.grouping import Booleans
from services.core.store.database.arrays import PackedRows, binary_row
from services.core.store.emissions import hours_as_known
from services.core.store.emissions.hour_packing import columns as hour_packing
from services.core.store.emissions.hour_packing.months import unpacked
from services.core.store.emissions.hour_quality import QUALITIES, VALUELESS
from services.core.store.emissions.hours_as_known import HourFigures
from services.core.store.schema.figures import IN_HOURS, METHODS_MS, OF_COVERED, names
from services.core.timeline.instants import HOUR_MS, HOUR_US, to_us

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_PACKED: Final = PackedRows(
    source_id="int4",
    hour="timestamptz",
    **{figure.name: figure.type for figure in IN_HOURS},
    has_activity="bool",
    version="int4",
    final="bool",
    quality="int2",
    has_code="bool",
)
_WORDS: LiteralString = " ".join(f"WHEN '{word}' THEN {n}" for n, word in enumerate(QUALITIES))
#: SQL that packs hours, for :func:`received`.
#: Codes are packed beside the rest, those that there are; no code has a line break in it.
AGGREGATES: LiteralString = (
    _PACKED.sql(
        "source_id",
        "hour",
        *(f"coalesce({figure}, 0)" if figure.nullable else figure.name for figure in IN_HOURS),
        "activity_n IS NOT NULL",
        "version",
        "final",
        f"(CASE quality {_WORDS} END)::int2",
        "code IS NOT NULL",
    )
    + r", string_agg(code, E'\n')"
)
#: Rows and packed months by one statement: it sees each hour once.
_PACK: LiteralString = (
    "SELECT * FROM (SELECT " + AGGREGATES + " FROM ({hours}) k) h"  # noqa: S608 - constants
    " CROSS JOIN (SELECT array_agg(p.source_id), array_agg(p.month), array_agg(p.in_force),"
    " {superseded} FROM packed_hours p WHERE p.source_id = ANY(%(sources)s)"
    " AND p.last_hour >= %(first)s AND p.first_hour < %(last)s) m"
)
_IN_FORCE: LiteralString = _PACK.replace("{hours}", hours_as_known.HOURS_IN_FORCE).replace(
    "{superseded}", "NULL::bytea[]"
)
_AS_KNOWN: LiteralString = _PACK.replace("{hours}", hours_as_known.HOURS_AS_KNOWN).replace(
    "{superseded}", "array_agg(p.superseded)"
)

_QUALITY: Final = {word: index for index, word in enumerate(QUALITIES)}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HourColumns:
    """Hours of sources in any order, an hour of a source once."""

    source_id: Integers
    hour_us: Integers
    #: by name, all of ``IN_HOURS``
    figures: Mapping[str, Integers]
    #: without it ``activity_n`` is not known
    has_activity: Booleans
    version: Integers
    final: Booleans
    #: index into ``QUALITIES``
    quality: Integers
    #: index into ``codes``; -1: its hour is under no rule, or open
    code: Integers
    codes: Sequence[str]

    def __len__(self) -> int:
        return self.source_id.size

    def where(self, chosen: Booleans) -> HourColumns:
        """Return some of the hours."""
        return HourColumns(
            source_id=self.source_id[chosen],
            hour_us=self.hour_us[chosen],
            figures={name: column[chosen] for name, column in self.figures.items()},
            has_activity=self.has_activity[chosen],
            version=self.version[chosen],
            final=self.final[chosen],
            quality=self.quality[chosen],
            code=self.code[chosen],
            codes=self.codes,
        )

    def is_quality(self, *words: str) -> Booleans:
        """Return which hours have one of these qualities."""
        is_any: Booleans = self.quality == _QUALITY[words[0]]
        for word in words[1:]:
            is_any |= self.quality == _QUALITY[word]
        return is_any

    @property
    def has_no_value(self) -> Booleans:
        """Whether a rule closed the hour without a value."""
        return (self.code >= 0) & self.is_quality(*VALUELESS)

    @staticmethod
    def joined(parts: Sequence[HourColumns]) -> HourColumns:
        """Return the hours of all parts, of which there is one at least."""
        if len(parts) == 1:
            return parts[0]
        codes: dict[str, int] = {}
        code = [
            # no code is at the end, where -1 finds it
            np.array([*(codes.setdefault(w, len(codes)) for w in part.codes), -1])[part.code]
            for part in parts
        ]
        return HourColumns(
            source_id=np.concatenate([part.source_id for part in parts]),
            hour_us=np.concatenate([part.hour_us for part in parts]),
            figures={
                name: np.concatenate([part.figures[name] for part in parts])
                for name in names(IN_HOURS)
            },
            has_activity=np.concatenate([part.has_activity for part in parts]),
            version=np.concatenate([part.version for part in parts]),
            final=np.concatenate([part.final for part in parts]),
            quality=np.concatenate([part.quality for part in parts]),
            code=np.concatenate(code),
            codes=tuple(codes),
        )

    @property
    def methods_ms(self) -> dict[str, Integers]:
        """By what method the time of each hour came to its figure.

        A rule judges an hour as a whole. None of the time of an hour that it closed without a value
        has a method. :mod:`..emissions.hours_as_known` says the same in SQL.
        """
        no_value, substituted = self.has_no_value, self.is_quality("substituted")
        covered = self.figures["covered_ms"] - sum(self.figures[f.name] for f in OF_COVERED)
        measured = np.where(substituted, 0, covered)
        measured[self.is_quality("measured") & (self.code >= 0)] = HOUR_MS
        of_covered = {f.name: np.where(no_value, 0, self.figures[f.name]) for f in OF_COVERED}
        by_method = {
            "measured_ms": np.where(no_value, 0, measured),
            "substituted_ms": np.where(substituted, HOUR_MS, 0),
            **of_covered,
        }
        return {name: by_method[name] for name in METHODS_MS}


async def hour_columns(
    connection: AsyncConnection,
    source_ids: Sequence[int],
    first: datetime,
    last: datetime,
    *,
    now: datetime,
    then: Mapping[tuple[int, int], HourFigures] | None = None,
) -> HourColumns:
    """Read the hours that begin from ``first`` to before ``last``, and none after ``now``.

    ``then``: as they were known at ``now``, with what hours that were open had come to, by
    source and hour (since the epoch). None: as they are known.
    """
    minute = now.replace(second=0, microsecond=0)
    parameters = {
        "sources": np.array(source_ids, dtype=np.int32),
        "first": first,
        "last": last,
        "minute": minute,
    }
    if then is None:
        row = await binary_row(connection, _IN_FORCE, parameters)
    else:
        as_known = hours_as_known.parameters(now, then)
        row = await binary_row(connection, _AS_KNOWN, {**parameters, **as_known})
    packed, codes, *months = row
    asked = _Asked(
        first_us=to_us(first),
        # none begins after the minute
        stop_us=min(to_us(last), to_us(minute) + 1),
        as_of_us=None if then is None else to_us(now),
    )
    return HourColumns.joined([received(packed, codes), *_packed(months, asked)])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """Which of packed hours are asked for, ``stop_us`` exclusive."""

    first_us: int
    stop_us: int
    #: None: those in force
    as_of_us: int | None


def _packed(months: Sequence[Sequence[Any] | None], asked: _Asked) -> Iterator[HourColumns]:
    """Yield what is asked for of packed months: columns of sources, months and both blobs."""
    sources, numbers, in_force, superseded = (column or () for column in months)
    for index, (source_id, month, blob) in enumerate(zip(sources, numbers, in_force, strict=True)):
        hours = unpacked(source_id, month, bytes(blob), dated=asked.as_of_us is not None)
        if asked.as_of_us is None:
            yield _chosen(source_id, hours, asked, np.ones(len(hours), dtype=np.bool_))
            continue
        yield _chosen(source_id, hours, asked, hours.known_us <= asked.as_of_us)
        versions = unpacked(source_id, month, bytes(superseded[index]))
        was_in_force = (versions.known_us <= asked.as_of_us) & (versions.last_us > asked.as_of_us)
        yield _chosen(source_id, versions, asked, was_in_force)


def _chosen(
    source_id: int, hours: hour_packing.HourColumns, asked: _Asked, chosen: Booleans
) -> HourColumns:
    hour_us = hours.hour * HOUR_US
    quality = np.array([_QUALITY[word] for word in hours.quality.words], dtype=np.int64)
    return HourColumns(
        source_id=np.full(hour_us.size, source_id, dtype=np.int64),
        hour_us=hour_us,
        figures=hours.figures,
        has_activity=~hours.unknown["activity_n"],
        version=hours.version,
        final=hours.final,
        quality=quality[hours.quality.places],
        code=hours.code.places,
        codes=hours.code.words,
    ).where(chosen & (hour_us >= asked.first_us) & (hour_us < asked.stop_us))


def received(packed: bytes | None, codes: str | None) -> HourColumns:
    """Return the hours that :data:`AGGREGATES` packed."""
    columns = _PACKED.columns(packed)
    code = np.full(columns["source_id"].size, -1)
    words: dict[str, int] = {}
    if codes is not None:
        code[columns["has_code"]] = [
            words.setdefault(word, len(words)) for word in codes.split("\n")
        ]
    return HourColumns(
        source_id=columns["source_id"].astype(np.int64),
        hour_us=columns["hour"],
        figures={name: columns[name].astype(np.int64) for name in names(IN_HOURS)},
        has_activity=columns["has_activity"],
        version=columns["version"].astype(np.int64),
        final=columns["final"],
        quality=columns["quality"].astype(np.int64),
        code=code,
        codes=tuple(words),
    )
