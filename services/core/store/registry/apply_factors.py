"""Write a facility file's factors: a version that is replaced stays known, with its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, update

from services.core.accounting.factors import Factor
from services.core.facility import model
from services.core.facility.checks import factor_record
from services.core.store.database import database_time
from services.core.store.factor_series import names
from services.core.store.registry.factors import figures, notes, stored_figures, to_row
from services.core.store.schema import tables as t

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


def apply_factors(
    connection: Connection, file: model.FacilityFile, facility_id: int, changes: list[str]
) -> dict[str, FactorChange]:
    """Write the factors of ``file``; add a line to ``changes`` for each version that comes or goes.

    Returns what happened to each factor that changed, by its id.
    """
    in_force = {
        (row.slug, *stored_figures(row)): row
        for row in connection.execute(
            select(t.factor).where(
                and_(t.factor.c.facility_id == facility_id, t.factor.c.known_to.is_(None))
            )
        )
    }
    before = list(in_force.values())
    unchanged: list[Row[Any]] = []
    added: list[Row[Any]] = []
    for record in map(factor_record, file.factors):
        row = to_row(record)
        same = in_force.pop((record.id, *figures(record)), None)
        if same is not None:
            unchanged.append(same)
            continue
        added.append(
            connection.execute(
                insert(t.factor)
                .values(
                    slug=record.id,
                    facility_id=facility_id,
                    known_from=database_time.NOW,
                    series_id=series_id(connection, record, facility_id),
                    **row,
                )
                .returning(t.factor)
            ).one()
        )
        changes.append(f"+ factor {record.id} from {record.valid_from or 'always'}")
    for old in in_force.values():
        connection.execute(
            update(t.factor).where(t.factor.c.id == old.id).values(known_to=database_time.NOW)
        )
        changes.append(f"- factor {old.slug} from {old.valid_from or 'always'}, superseded")
    return {
        slug: change_of(
            slug,
            gone=[row for row in in_force.values() if row.slug == slug],
            came=[row for row in added if row.slug == slug],
            before=[row for row in before if row.slug == slug],
            after=[row for row in (*unchanged, *added) if row.slug == slug],
        )
        for slug in {row.slug for row in (*added, *in_force.values())}
    }


def series_id(connection: Connection, record: Factor, facility_id: int | None) -> int | None:
    """Return where a factor's values by the hour are; None: it has figures.

    :raises ApplyError: its values are per another unit.
    """
    if not record.is_series:
        return None
    return names.keep(connection, facility_id, record.id, record.unit)


def with_fallbacks(
    altered: Mapping[str, FactorChange], series: Mapping[str, Iterable[str]]
) -> dict[str, FactorChange]:
    """Return what happened to factors, a series with what happened to what it falls back to.

    ``series``: by name, what each falls back to.
    """
    changes = dict(altered)
    for slug, fallback in series.items():
        parts = [altered[name] for name in (slug, *fallback) if name in altered]
        if parts:
            firsts, ends = [p.first_day for p in parts], [p.end_day for p in parts]
            changes[slug] = FactorChange(
                cause="; ".join(part.cause for part in parts),
                first_day=None if None in firsts else min(filter(None, firsts)),
                end_day=None if None in ends else max(filter(None, ends)),
                same_days=all(part.same_days for part in parts),
            )
    return changes


def annotate(connection: Connection, stored: Row[Any], factor: Factor) -> None:
    """Note what is said of a stored version now, beside its figures."""
    current = notes(factor)
    if any(getattr(stored, name) != value for name, value in current.items()):
        connection.execute(update(t.factor).where(t.factor.c.id == stored.id).values(**current))


def change_of(
    slug: str,
    *,
    gone: Sequence[Row[Any]],
    came: Sequence[Row[Any]],
    before: Sequence[Row[Any]],
    after: Sequence[Row[Any]],
) -> FactorChange:
    """Return what became of a factor's versions in force: gone, come, all before and after."""
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
        # a series may be known for other hours than its days say
        same_days=_union(map(_days, before)) == _union(map(_days, after))
        and all(row.fallback is None for row in (*gone, *came)),
    )


def _in_words(row: Row[Any]) -> str:
    if row.fallback is not None:
        figure = f"by the hour, else {row.fallback or 'unknown'}, "
    elif row.co2_kg is not None:
        figure = f"{row.co2_kg!r} kg CO2"
    else:
        figure = f"{row.co2e_kg!r} kg CO2e"
    if row.co2_biogenic_kg:
        figure += f" and {row.co2_biogenic_kg!r} kg of biomass"
    figure += f"/{row.unit}"
    until = f" to {row.valid_to}" if row.valid_to else ""
    return f"row {row.id} ({figure} from {row.valid_from or 'always'}{until}; {row.citation})"


def _days(row: Row[Any]) -> _DaySpan:
    return row.valid_from or date.min, row.valid_to or date.max


def _union(intervals: Iterable[_DaySpan]) -> list[_DaySpan]:
    joined: list[_DaySpan] = []
    for first, end in sorted(intervals):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined
