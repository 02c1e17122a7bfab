"""The columns of ``GET /v1/emissions``, of a time zone: integers of the store to answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Instants, Numbers, Words
from services.api.models.bands import band_columns, kg_column
from services.api.models.factor_levels import level_columns
from services.api.models.shares import quality_column, share_columns
from services.api.models.stale import StaleSource, share_stale_column
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.emissions import BY_METHODS, EmissionColumns
from services.core.store.answers.facility_queries import SourceRow
from services.core.store.answers.factor_levels import FactorLevels
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.emissions.hour_quality import QUALITIES
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import DAY_US, EPOCH, MICROSECOND, MINUTE_US, to_us

_EPOCH_ORDINAL: Final = EPOCH.toordinal()
STATES: Final = ("provisional", "final")


class ListedSource(NamedTuple):
    """A source, and what is known of it beside what it emitted; each answer makes thousands."""

    #: slug
    facility: str
    source: SourceRow
    account: SourceAccount | None
    #: None: it does not count by a factor that a newer figure is out or due for
    stale: StaleSource | None

    @property
    def counts(self) -> bool:
        """Whether it is in sums of emissions: it emits, and is no check nor replaced."""
        return (self.account is None or self.account.counts) and not self.source.replaced

    @property
    def removes(self) -> bool:
        """Whether it is in sums of removals."""
        return self.account is not None and self.account.removes and not self.source.replaced


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """The part of the answer that is of one time zone."""

    timezone: str
    sources: tuple[ListedSource, ...]


def emission_columns(
    part: Series,
    buckets: Buckets,
    rows: EmissionColumns,
    now: datetime,
    levels: FactorLevels | None = None,
) -> dict[str, Column]:
    """Return the columns by name; what is unknown is null, never zero.

    ``levels``: what rows of sources with factors by the hour counted by; None: there are none.
    """
    sources = [listed.source for listed in part.sources]
    length_ms = lengths_ms(buckets, rows, now)
    by_method = share_columns(length_ms, rows.methods_ms)
    masses_kg = {mass.answer: kg_column(rows.masses_ug[mass.name]) for mass in MASSES}
    low, high = _bands(part, buckets, rows, masses_kg["co2_kg"])
    has_export = np.array([source.has_export for source in sources])[rows.source]
    counts = np.array([listed.counts for listed in part.sources])

    accounts = [listed.account for listed in part.sources]
    categories = np.array([0 if a is None else a.category or 0 for a in accounts])[rows.source]
    why_stale, stale = stale_shares(part, buckets, rows, now)
    stale_of = np.where(stale > 0, rows.source, len(part.sources))

    def of_source(name: str) -> Words:
        return Words([getattr(source, name) for source in sources], rows.source)

    return {
        "time": Instants(buckets.begins_us, rows.bucket),
        "facility": Words([listed.facility for listed in part.sources], rows.source),
        "source": of_source("slug"),
        "scope": Numbers(np.array([source.scope for source in sources])[rows.source]),
        **{name: Numbers(column, rows.known) for name, column in masses_kg.items()},
        "coverage": Numbers(_coverage(rows, length_ms)),
        "quality": Words(
            QUALITIES, np.where(rows.quality == BY_METHODS, quality_column(by_method), rows.quality)
        ),
        "version": Numbers(rows.version, rows.version > 0),
        "activity": Numbers(rows.activity_n.astype(np.float64) / 1e9, rows.has_activity),
        "activity_unit": of_source("activity_unit"),
        "state": Words(STATES, rows.final.astype(np.int64)),
        "co2_low_kg": Numbers(low, ~np.isnan(low)),
        "co2_high_kg": Numbers(high, ~np.isnan(high)),
        "counts": Numbers(counts[rows.source]),
        **{f"share_{method}": Numbers(share) for method, share in by_method.items()},
        "source_name": of_source("name"),
        "code": Words((*rows.codes, None), rows.code),
        "exported": Numbers(rows.exported_n.astype(np.float64) / 1e9, rows.known & has_export),
        "reason": reasons(rows.voided_hours, rows.unknown),
        "stale_factor": Words(why_stale, stale_of),
        "stale_factor_share": Numbers(rounded(stale)),
        "removal": Words(
            [None if a is None or a.removal is None else a.removal.kind for a in accounts],
            rows.source,
        ),
        "evidence": Words([None if a is None else a.evidence for a in accounts], rows.source),
        "scope3_category": Numbers(categories, categories > 0),
        **level_columns(levels, rows.source.size),
    }


def _coverage(rows: EmissionColumns, length_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    # readings of an hour that its rule closed without a value cover nothing of the answer
    known_ms: Integers = np.sum(list(rows.methods_ms.values()), axis=0)
    return rounded(np.minimum(1.0, np.minimum(rows.covered_ms, known_ms) / length_ms))


def rounded(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round shares to six places as Python does; NumPy scales, which rounds once more."""
    result = shares.copy()
    is_part = (shares != 0) & (shares != 1)
    result[is_part] = [round(share, 6) for share in shares[is_part].tolist()]
    return result


def _bands(
    part: Series, buckets: Buckets, rows: EmissionColumns, co2_kg: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95 % interval of CO2, NaN where they are not known."""
    low, high = np.full(co2_kg.size, np.nan), np.full(co2_kg.size, np.nan)
    accounts = [listed.account for listed in part.sources]
    days = np.zeros((2, len(buckets)), dtype=np.int64)
    if any(account is not None and account.meters and account.factor for account in accounts):
        zone = ZoneInfo(part.timezone)
        days = np.array([local_days(buckets.begins_us, zone), local_days(buckets.ends_us, zone)])
    for index, account in enumerate(accounts):
        if account is None or not account.meters:
            continue
        of_source = np.flatnonzero((rows.source == index) & rows.known)
        first_days, last_days = days[:, rows.bucket[of_source]]
        low[of_source], high[of_source] = band_columns(
            co2_kg[of_source], account, first_days, last_days
        )
    return low, high


def local_days(instants_us: Integers, zone: ZoneInfo) -> Integers:
    """Return the ordinals of the local dates of ascending instants.

    Where a clock changes within a day of UTC, each instant is asked for by itself.
    """
    utc_days, day_of = np.unique(instants_us // DAY_US, return_inverse=True)
    midnights = np.unique(np.concatenate((utc_days, utc_days + 1)))
    offset_us = np.array([_offset_us(int(day) * DAY_US, zone) for day in midnights])
    begins_us = offset_us[np.searchsorted(midnights, utc_days)]
    ends_us = offset_us[np.searchsorted(midnights, utc_days + 1)]
    offsets_us = begins_us[day_of]
    for index in np.flatnonzero((begins_us != ends_us)[day_of]).tolist():
        offsets_us[index] = _offset_us(int(instants_us[index]), zone)
    days: Integers = (instants_us + offsets_us) // DAY_US
    return days + _EPOCH_ORDINAL


def _offset_us(instant_us: int, zone: ZoneInfo) -> int:
    local = (EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)
    return (local.utcoffset() or timedelta()) // MICROSECOND


def lengths_ms(buckets: Buckets, rows: EmissionColumns, now: datetime) -> NDArray[np.float64]:
    """Return the time of each row that can be known."""
    begins_us, until_us = _known_between(buckets, rows, now)
    return np.maximum(1.0, (until_us - begins_us) / 1000)


def _known_between(
    buckets: Buckets, rows: EmissionColumns, now: datetime
) -> tuple[Integers, Integers]:
    # the current minute counts, what lies after it cannot be known yet
    minute_ends_us = (to_us(now) // MINUTE_US + 1) * MINUTE_US
    until_us = np.minimum(buckets.ends_us, minute_ends_us)
    return buckets.begins_us[rows.bucket], until_us[rows.bucket]


def reasons(voided_hours: Integers, unknown: Mapping[int, str]) -> Words:
    """Say why time of an interval has no value though there may be readings of it.

    ``unknown``: of which rows nobody can tell any more what was known, and why.
    """
    counts, index = np.unique(voided_hours, return_inverse=True)
    words: list[str | None] = [_invalid(hours) for hours in counts.tolist()]
    for row, why in unknown.items():
        if why not in words:
            words.append(why)
        index[row] = words.index(why)
    return Words(words, index)


def _invalid(hours: int) -> str | None:
    if not hours:
        return None
    which = "an hour was" if hours == 1 else f"{hours} hours were"
    return f"{which} found invalid by the source's rule and not filled: GET /v1/explain says why"


def stale_shares(
    part: Series, buckets: Buckets, rows: EmissionColumns, now: datetime
) -> tuple[list[str | None], NDArray[np.float64]]:
    """Say why sources should count by a newer figure, and how much of each row counts by the stale.

    The first ends with a null, for rows that do not.
    """
    begins_us, until_us = _known_between(buckets, rows, now)
    share = np.zeros(rows.source.size)
    for number, listed in enumerate(part.sources):
        if listed.stale is not None:
            # what is unknown counts by none
            its = np.flatnonzero((rows.source == number) & rows.known)
            share[its] = share_stale_column(listed.stale.since, begins_us[its], until_us[its])
    why = [None if listed.stale is None else listed.stale.why for listed in part.sources]
    return [*why, None], share
