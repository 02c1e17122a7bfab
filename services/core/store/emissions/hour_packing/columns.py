"""Hours of one source as columns: all that ``emission_hour`` or its history holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.packing.days import Integers
from services.core.store.schema.figures import IN_HOURS, names
from services.core.store.schema.hour_packing import NULLABLE
from services.core.timeline.instants import HOUR_US

Bools = NDArray[np.bool_]

_UNKNOWN: Final = "unknown_{}"

#: What of an hour has one width, as the database sends it.
_ROW: Final = PackedRows(
    hour="timestamptz",
    **{figure.name: figure.type for figure in IN_HOURS},
    **{_UNKNOWN.format(figure): "bool" for figure in NULLABLE},
    version="int4",
    final="bool",
    known_at="timestamptz",
    last="timestamptz",
)

#: The words of an hour, each a column of text.
_TEXTS: Final[tuple[LiteralString, ...]] = ("quality", "code", "reason")


def sent(last: LiteralString) -> LiteralString:
    """Return the SQL of what :meth:`HourColumns.received` takes, of rows of one source.

    ``last``: their last column, ``opened_at`` or ``superseded_at``.
    """
    order: LiteralString = "hour, version"
    packed = _ROW.sql(
        "hour",
        *(f"coalesce({figure}, 0)::{figure.type}" for figure in IN_HOURS),
        *(f"{figure} IS NULL" for figure in NULLABLE),
        "version",
        "final",
        "known_at",
        last,
        order_by=order,
    )
    texts: LiteralString = ", ".join(f"array_agg({text} ORDER BY {order})" for text in _TEXTS)
    return f"{packed}, {texts}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A column of texts of which many are the same."""

    #: index into ``words``; -1: it is null
    places: Integers
    words: Sequence[str]

    def texts(self) -> list[str | None]:
        """Return the column itself."""
        known = (*self.words, None)
        return [known[place] for place in self.places.tolist()]

    def where(self, chosen: NDArray[Any]) -> Words:
        """Return the texts chosen."""
        return Words(places=self.places[chosen], words=self.words)

    def with_word(self, place: Integers, word: str) -> Words:
        """Return the column with one text at some places."""
        words = self.words if word in self.words else (*self.words, word)
        places = self.places.copy()
        places[place] = words.index(word)
        return Words(places=places, words=words)

    @classmethod
    def of_texts(cls, texts: Sequence[str | None] | None) -> Words:
        """Build it from the column itself."""
        words: dict[str, int] = {}
        places = [
            -1 if word is None else words.setdefault(word, len(words)) for word in texts or ()
        ]
        return cls(places=np.array(places, dtype=np.int64), words=tuple(words))

    @classmethod
    def joined(cls, parts: Sequence[Words]) -> Words:
        """Return several columns as one."""
        words: dict[str, int] = {}
        places = []
        for part in parts:
            known = [words.setdefault(word, len(words)) for word in part.words]
            # a null is at the end, where -1 finds it
            places.append(np.array([*known, -1], dtype=np.int64)[part.places])
        return cls(places=np.concatenate(places), words=tuple(words))


@dataclass(frozen=True, kw_only=True, slots=True)
class HourColumns:
    """Hours of a source (since the epoch) in order, or versions of them in theirs."""

    hour: Integers
    #: by name, those of ``IN_HOURS``; 0 where it is null
    figures: Mapping[str, Integers]
    #: where one is null, by name, of those that may be
    unknown: Mapping[str, Bools]
    version: Integers
    final: Bools
    quality: Words
    code: Words
    reason: Words
    known_us: Integers
    #: of hours in force when they were opened, of versions when they were superseded
    last_us: Integers

    def __len__(self) -> int:
        return self.hour.size

    def where(self, chosen: NDArray[Any]) -> HourColumns:
        """Return those chosen, by place or by whether each is."""
        return HourColumns(
            hour=self.hour[chosen],
            figures={name: column[chosen] for name, column in self.figures.items()},
            unknown={name: column[chosen] for name, column in self.unknown.items()},
            version=self.version[chosen],
            final=self.final[chosen],
            quality=self.quality.where(chosen),
            code=self.code.where(chosen),
            reason=self.reason.where(chosen),
            known_us=self.known_us[chosen],
            last_us=self.last_us[chosen],
        )

    def is_same(self, other: HourColumns) -> bool:
        """Whether the other is the same to the bit."""
        return (
            all(
                np.array_equal(column, same)
                for column, same in zip(self._arrays(), other._arrays(), strict=True)
            )
            and self.quality.texts() == other.quality.texts()
            and self.code.texts() == other.code.texts()
            and self.reason.texts() == other.reason.texts()
        )

    def _arrays(self) -> list[NDArray[Any]]:
        return [
            self.hour,
            *(self.figures[name] for name in names(IN_HOURS)),
            *(self.unknown[name] for name in names(NULLABLE)),
            self.version,
            self.final,
            self.known_us,
            self.last_us,
        ]

    @classmethod
    def received(cls, packed: bytes | None, *texts: Sequence[str | None] | None) -> HourColumns:
        """Build it from what the database sent as :func:`sent` has it."""
        columns: dict[str, NDArray[Any]] = _ROW.columns(packed)
        quality, code, reason = map(Words.of_texts, texts)
        return cls(
            hour=columns["hour"] // HOUR_US,
            figures={name: columns[name].astype(np.int64) for name in names(IN_HOURS)},
            unknown={name: columns[_UNKNOWN.format(name)] for name in names(NULLABLE)},
            version=columns["version"].astype(np.int64),
            final=columns["final"],
            quality=quality,
            code=code,
            reason=reason,
            known_us=columns["known_at"],
            last_us=columns["last"],
        )

    @classmethod
    def joined(cls, parts: Sequence[HourColumns]) -> HourColumns:
        """Return the hours of several, one after the other."""
        if not parts:
            return cls.received(None, None, None, None)
        return cls(
            hour=np.concatenate([part.hour for part in parts]),
            figures={
                name: np.concatenate([part.figures[name] for part in parts])
                for name in names(IN_HOURS)
            },
            unknown={
                name: np.concatenate([part.unknown[name] for part in parts])
                for name in names(NULLABLE)
            },
            version=np.concatenate([part.version for part in parts]),
            final=np.concatenate([part.final for part in parts]),
            quality=Words.joined([part.quality for part in parts]),
            code=Words.joined([part.code for part in parts]),
            reason=Words.joined([part.reason for part in parts]),
            known_us=np.concatenate([part.known_us for part in parts]),
            last_us=np.concatenate([part.last_us for part in parts]),
        )
