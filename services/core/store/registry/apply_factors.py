"""Write a facility file's factors: a version that is replaced stays known, with its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, select, update

from services.core.accounting.builtin_factors import BUILTIN
from services.core.accounting.factors import Factor, overlaps
from services.core.store import tables as t
from services.core.store.registry import facility_model as model
from services.core.store.registry.computable import factor_record
from services.core.store.registry.factors import FIGURES, from_row, to_row

#: Built-in factors that do not say since when they could be known.
_ALWAYS_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)

_DaySpan = tuple[date, date]


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorChange:
    """What became of the versions of one factor."""

    #: old and new rows in words
    cause: str
    #: the days (end exclusive) of the versions that came or went; None: without end
    first_day: date | None
    end_day: date | None
    #: figures alone changed: the same days have a version as before
    same_days: bool


def load_builtin_factors(connection: Connection) -> None:
    """Bring the built-in factors into the registry; those of an older release stay known.

    One that an imported factor has ended stays ended, and none comes into force beside an imported
    one that is valid on the same days.
    """
    rows = connection.execute(select(t.factor).where(t.factor.c.facility_id.is_(None))).all()
    present = {(*_version(row), row.known_to) for row in rows}
    ended = {_version(row) for row in rows if row.known_to is not None}
    shipped = {_shipped(factor) for factor in BUILTIN}
    imported = {row.id for row in rows if row.known_to is None and _version(row) not in shipped}
    in_force = [factor for row_id, factor in _shared(connection) if row_id in imported]
    for factor in BUILTIN:
        if (*_shipped(factor), factor.known_to) in present:
            continue
        if factor.known_to is None and (
            _shipped(factor) in ended or any(overlaps([factor, other]) for other in in_force)
        ):
            continue
        connection.execute(
            insert(t.factor).values(
                slug=factor.id,
                known_from=factor.known_from or _ALWAYS_KNOWN,
                known_to=factor.known_to,
                **to_row(factor),
            )
        )


def shared_factors(connection: Connection) -> list[Factor]:
    """The versions in force of the factors that every facility may use."""
    return [factor for _, factor in _shared(connection)]


def _shared(connection: Connection) -> list[tuple[int, Factor]]:
    rows = connection.execute(
        select(t.factor)
        .where(t.factor.c.facility_id.is_(None), t.factor.c.known_to.is_(None))
        .order_by(t.factor.c.slug, t.factor.c.valid_from.nulls_first())
    ).mappings()
    return [(row["id"], from_row({str(key): value for key, value in row.items()})) for row in rows]


def _version(row: Row[Any]) -> tuple[Any, ...]:
    return (row.slug, *(getattr(row, name) for name in FIGURES))


def _shipped(factor: Factor) -> tuple[Any, ...]:
    row = to_row(factor)
    return (factor.id, *(row[name] for name in FIGURES))


def apply_factors(
    connection: Connection, file: model.FacilityFile, facility_id: int, changes: list[str]
) -> dict[str, FactorChange]:
    """Write the factors of ``file``; add a line to ``changes`` for each version that comes or goes.

    Returns what happened to each factor that changed, by its id.
    """
    in_force = {
        (row.slug, *(getattr(row, name) for name in FIGURES)): row
        for row in connection.execute(
            select(t.factor).where(
                and_(t.factor.c.facility_id == facility_id, t.factor.c.known_to.is_(None))
            )
        )
    }
    before = list(in_force.values())
    kept: list[Row[Any]] = []
    added: list[Row[Any]] = []
    for record in map(factor_record, file.factors):
        row = to_row(record)
        same = in_force.pop((record.id, *(row[name] for name in FIGURES)), None)
        if same is not None:
            kept.append(same)
            continue
        added.append(
            connection.execute(
                insert(t.factor)
                .values(slug=record.id, facility_id=facility_id, **row)
                .returning(t.factor)
            ).one()
        )
        changes.append(f"+ factor {record.id} from {record.valid_from or 'always'}")
    for old in in_force.values():
        connection.execute(
            update(t.factor).where(t.factor.c.id == old.id).values(known_to=func.now())
        )
        changes.append(f"- factor {old.slug} from {old.valid_from or 'always'}, superseded")
    return {
        slug: change_of(
            slug,
            gone=[row for row in in_force.values() if row.slug == slug],
            came=[row for row in added if row.slug == slug],
            before=[row for row in before if row.slug == slug],
            after=[row for row in (*kept, *added) if row.slug == slug],
        )
        for slug in {row.slug for row in (*added, *in_force.values())}
    }


def change_of(
    slug: str,
    *,
    gone: Sequence[Row[Any]],
    came: Sequence[Row[Any]],
    before: Sequence[Row[Any]],
    after: Sequence[Row[Any]],
) -> FactorChange:
    """What became of a factor's versions in force: which went and came, all before and after."""
    old, new = (", ".join(map(_in_words, rows)) for rows in (gone, came))
    if gone and came:
        cause = f"{slug}, {old} replaced by {new}"
    else:
        cause = f"{slug}, {new} added" if came else f"{slug}, {old} withdrawn"
    days = [_days(row) for row in (*gone, *came)]
    # a facility's first version hides a built-in factor of the same name, its last uncovers it
    everything = not before or not after
    first = min(first for first, _ in days)
    end = max(end for _, end in days)
    return FactorChange(
        cause=cause,
        first_day=None if everything or first == date.min else first,
        end_day=None if everything or end == date.max else end,
        same_days=_union(map(_days, before)) == _union(map(_days, after)),
    )


def _in_words(row: Row[Any]) -> str:
    figure = (
        f"{row.co2_kg!r} kg CO2" if row.co2_kg is not None else f"{row.co2e_kg!r} kg CO2e"
    ) + f"/{row.unit}"
    until = f" to {row.valid_to}" if row.valid_to else ""
    return f"row {row.id} ({figure} from {row.valid_from or 'always'}{until}; {row.citation})"


def _days(row: Row[Any]) -> _DaySpan:
    return row.valid_from or date.min, row.valid_to or date.max


def _union(spans: Iterable[_DaySpan]) -> list[_DaySpan]:
    joined: list[_DaySpan] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined
