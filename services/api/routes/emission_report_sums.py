"""What the sources of a report emitted by month, and the figures that they come to together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.api.models.emission_table import ListedSource, Series, lengths_ms
from services.api.models.shares import quality, shares
from services.core.accounting.emission_report.record import Figures, Masses, Standing
from services.core.accounting.uncertainty import Part, band
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.schema.figures import MASSES, METHODS_COVER, kg, names


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMonth:
    """One source in one month, as ``GET /v1/emissions`` has it; masses in micrograms."""

    listed: ListedSource
    zone: ZoneInfo
    begins: datetime
    ends: datetime
    known: bool
    #: in the order of ``MASSES``
    masses_ug: tuple[int, ...]
    #: 1e-9 of the activity's unit; None: it has none, or nothing is known
    activity_n: int | None
    #: the time of the month that can be known, and of it what is
    length_ms: float
    covered_ms: float
    #: in the order of ``SHARES``
    methods_ms: tuple[float, ...]
    final: bool
    voided_hours: int
    #: why nobody can tell any more what was known; None: it is told
    unknown: str | None


def standing_of(listed: ListedSource) -> Standing:
    """Return how a source enters totals."""
    if listed.source.replaced:
        return "replaced"
    if listed.counts:
        return "counts"
    return "removes" if listed.removes else "check"


def source_months(
    series: Series, buckets: Buckets, rows: EmissionColumns, now: datetime
) -> Iterator[SourceMonth]:
    """Yield the months of the sources of a time zone."""
    zone = ZoneInfo(series.timezone)
    length_ms = lengths_ms(buckets, rows, now).tolist()
    masses = zip(*(rows.masses_ug[name].tolist() for name in names(MASSES)), strict=True)
    methods = zip(*(times.tolist() for times in rows.methods_ms.values()), strict=True)
    for row, (masses_ug, methods_ms) in enumerate(zip(masses, methods, strict=True)):
        bucket = buckets[int(rows.bucket[row])]
        length = length_ms[row]
        yield SourceMonth(
            listed=series.sources[int(rows.source[row])],
            zone=zone,
            begins=bucket.begins,
            ends=bucket.ends,
            known=bool(rows.known[row]),
            masses_ug=tuple(map(int, masses_ug)),
            activity_n=int(rows.activity_n[row]) if rows.has_activity[row] else None,
            length_ms=length,
            covered_ms=min(float(rows.covered_ms[row]), max(0, sum(methods_ms)), length),
            methods_ms=tuple(
                min(ms, length) if covers else ms
                for ms, covers in zip(methods_ms, METHODS_COVER, strict=True)
            ),
            final=bool(rows.final[row]),
            voided_hours=int(rows.voided_hours[row]),
            unknown=rows.unknown.get(row),
        )


def figures_of(
    months: Sequence[SourceMonth], begins: datetime, ends: datetime, *, is_over: bool
) -> Figures:
    """Add up months of sources; between the instants lies what bands are of.

    Where nobody can tell one of them any more, nothing is known of the sum.
    """
    is_told = all(month.unknown is None for month in months)
    known = [month for month in months if month.known] if is_told else []
    expected_ms = sum(month.length_ms for month in months)
    methods_ms = [0] * len(METHODS_COVER)
    if is_told and months:
        methods_ms = [
            round(sum(ms)) for ms in zip(*(month.methods_ms for month in months), strict=True)
        ]
    by_method = shares(expected_ms, methods_ms)
    covered_ms = sum(month.covered_ms for month in months) if is_told else 0
    low_kg, high_kg = _band(known, begins, ends)
    return Figures(
        masses=_masses(known) if known else None,
        low_kg=low_kg,
        high_kg=high_kg,
        coverage=round(covered_ms / max(1.0, expected_ms), 6),
        measured=by_method["measured"],
        substituted=by_method["substituted"],
        estimated=by_method["estimated"],
        missing=by_method["missing"],
        quality=quality(by_method),
        is_final=is_over and bool(months) and all(month.final for month in months),
    )


def _masses(months: Sequence[SourceMonth]) -> Masses:
    sums = [sum(ug) for ug in zip(*(month.masses_ug for month in months), strict=True)]
    co2_ug, co2e_ug, market_based_ug, biogenic_ug = sums
    return Masses(
        co2_ug=co2_ug, co2e_ug=co2e_ug, market_based_ug=market_based_ug, biogenic_ug=biogenic_ug
    )


def _band(
    months: Sequence[SourceMonth], begins: datetime, ends: datetime
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the CO2 in kg; None: a source does not state its uncertainty."""
    sums: dict[int, int] = {}
    first: dict[int, SourceMonth] = {}
    for month in months:
        source_id = month.listed.source.id
        sums[source_id] = sums.get(source_id, 0) + month.masses_ug[0]
        first.setdefault(source_id, month)
    parts = []
    for source_id, month in first.items():
        account = month.listed.account
        components = None
        if account is not None:
            days = (instant.astimezone(month.zone).date() for instant in (begins, ends))
            components = account.components(*days)
        if components is None:
            return None, None
        parts.append(Part(kg=kg(sums[source_id]), components=components))
    if not parts:
        return None, None
    limits = band(parts)
    return limits.low_kg, limits.high_kg
