"""Hours of sources as columns: what every answer that is made of hours reads.

From the database they come packed into one value, to be taken apart by NumPy; see
:mod:`..database.arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from services.core.store.answers.buckets import Integers
from services.core.store.database.arrays import PackedRows, binary_row
from services.core.store.emissions import hours_as_known
from services.core.store.emissions.hour_quality import QUALITIES, VALUELESS
from services.core.store.emissions.hours_as_known import HourFigures
from services.core.store.schema.figures import IN_HOURS, METHODS_MS, OF_COVERED, names
from services.core.timeline.instants import HOUR_MS

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Booleans = NDArray[np.bool_]

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
#: Codes are packed beside the rest, those that there are; no code has a line break in it.
_AGGREGATES: LiteralString = (
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
_PACK: LiteralString = "SELECT " + _AGGREGATES + " FROM ({hours}) k"  # noqa: S608 - constants
_IN_FORCE: LiteralString = _PACK.replace("{hours}", hours_as_known.HOURS_IN_FORCE)
_AS_KNOWN: LiteralString = _PACK.replace("{hours}", hours_as_known.HOURS_AS_KNOWN)

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
        return np.isin(self.quality, [_QUALITY[word] for word in words])

    @property
    def has_no_value(self) -> Booleans:
        """Whether a rule closed the hour without a value."""
        return (self.code >= 0) & self.is_quality(*VALUELESS)

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
    parameters = {
        "sources": np.array(source_ids, dtype=np.int32),
        "first": first,
        "last": last,
        "minute": now.replace(second=0, microsecond=0),
    }
    if then is None:
        row = await binary_row(connection, _IN_FORCE, parameters)
    else:
        as_known = hours_as_known.parameters(now, then)
        row = await binary_row(connection, _AS_KNOWN, {**parameters, **as_known})
    return _columns(*row)


def _columns(packed: bytes | None, codes: str | None) -> HourColumns:
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
