"""What is needed to add up the sources of a facility: which count, and how well each is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.factor_calendar import FactorAge
from services.core.accounting.uncertainty import Component, FactorUncertainty
from services.core.facility import model
from services.core.facility.evidence import evidence_of
from services.core.facility.removals import MeasuredRemoval
from services.core.facility.sources import Evidence
from services.core.store.answers import meter_uncertainty
from services.core.store.answers.answer_states import LiveState
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.factor_ages import ages, ages_then, counting, versions
from services.core.store.packing import opened
from services.core.store.readings import history

_SOURCE: TypeAdapter[model.StoredSource] = TypeAdapter(model.StoredSource)

# The newest usable reading tells at which point an equation's sensitivities are taken.
_INPUTS = text(
    """
SELECT s.id, s.slug, s.scope, s.active, s.spec, i.role, c.id AS channel_id,
       c.spec AS channel, CAST(c.spec ->> 'uncertainty' AS float8) AS percent,
       newest.value, newest.ts,
       s.method = 'stack' AND EXISTS (
           SELECT FROM packing_horizon h
           WHERE minute_start(1440 * CAST(h.upto_day AS int8)) > now() - interval '31 days'
       ) AS some_are_packed
FROM facility f
JOIN source s ON s.facility_id = f.id
JOIN source_input i ON i.source_id = s.id
JOIN channel c ON c.id = i.channel_id
LEFT JOIN LATERAL (
    SELECT r.value, r.ts FROM reading r
    WHERE s.method = 'stack' AND r.channel_id = c.id AND r.value IS NOT NULL AND r.quality <= 1
      AND r.ts > now() - interval '31 days'
    ORDER BY r.ts DESC LIMIT 1) newest ON true
WHERE f.slug = :facility
ORDER BY s.id
"""
)

#: The channels that this is asked of, and when it is.
_MEASURING = text(
    """
SELECT now() AS now, array_agg(DISTINCT i.channel_id) AS channels
FROM facility f JOIN source s ON s.facility_id = f.id JOIN source_input i ON i.source_id = s.id
WHERE f.slug = :facility AND s.method = 'stack'
"""
)
_NEWEST: Final = timedelta(days=31)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAccount:
    """How one source enters a facility's totals."""

    slug: str
    scope: int
    #: the source that measures the same emission and does not count
    check: str | None
    #: False: it is another source's check, or it removes
    counts: bool
    #: another source names it as its check
    is_check: bool = False
    #: None: it emits
    removal: MeasuredRemoval | None = None
    evidence: Evidence = "metered"
    #: of scope 3
    category: int | None = None
    #: its meters; empty: not every channel states its uncertainty
    meters: tuple[Component, ...]
    factor: FactorUncertainty | None
    #: the factor that it counts by, if that is or was a series
    series: str | None = None
    #: of the versions of its factors that hold until further notice
    factor_ages: tuple[FactorAge, ...] = ()

    def components(self, first: date, last: date) -> tuple[Component, ...] | None:
        """Return what makes a mass of these days uncertain; None: a part of it is not stated."""
        if not self.meters:
            return None
        if self.factor is None:
            return self.meters
        factor = self.factor.component(first, last)
        return None if factor is None else (*self.meters, factor)

    @property
    def removes(self) -> bool:
        """Whether it is in the sum of removals."""
        return self.removal is not None and not self.is_check


async def source_accounts(
    connection: AsyncConnection, facility: str, as_of: datetime | None = None
) -> dict[str, SourceAccount]:
    """Read the accounts of a facility's sources, past ones too, by source.

    ``as_of``: how old their factors are is told by what was known then. How they are banded and
    checked is today's.
    """
    rows: Sequence[Mapping[Any, Any]]
    rows = (await connection.execute(_INPUTS, {"facility": facility})).mappings().all()
    if any(row["some_are_packed"] for row in rows):
        rows = await _inputs_unpacked(connection, facility)
    inputs: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        inputs.setdefault(row["slug"], []).append(dict(row))
    specs = {slug: _SOURCE.validate_python(rows[0]["spec"]) for slug, rows in inputs.items()}
    named = {
        slug: spec.factors if isinstance(spec, model.ActivitySource) else ()
        for slug, spec in specs.items()
    }
    used = {name for names in named.values() for name in names}
    by_name = (await versions(connection, [facility], used))[facility]
    factors = {name: _uncertainty(name, rows) for name, rows in by_name.items()}
    if as_of is None:
        factor_ages = {slug: ages(names, by_name) for slug, names in named.items()}
    else:
        factor_ages = (await ages_then(connection, [facility], as_of))[facility]
    followed = [c for s, spec in specs.items() for c in meter_uncertainty.followed(spec, inputs[s])]
    rates = await meter_uncertainty.rates(connection, followed)
    checks = {
        spec.check
        for spec in specs.values()
        if spec.check is not None and any(row["active"] for row in inputs.get(spec.id, ()))
    }
    return {
        slug: SourceAccount(
            slug=slug,
            scope=spec.scope,
            check=spec.check,
            counts=slug not in checks and spec.removal is None,
            is_check=slug in checks,
            removal=spec.removal,
            evidence=evidence_of(spec, (row["channel"] for row in inputs[slug])),
            category=spec.scope3_category,
            meters=meter_uncertainty.components(spec, inputs[slug], rates),
            factor=factors.get(spec.factor) if isinstance(spec, model.ActivitySource) else None,
            series=_series(spec, by_name),
            factor_ages=factor_ages.get(slug, ()),
        )
        for slug, spec in specs.items()
    }


def _series(spec: model.StoredSource, by_name: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the factor of a source, if one of its versions is a series."""
    if not isinstance(spec, model.ActivitySource):
        return None
    is_any = any(row.is_series for row in counting(by_name.get(spec.factor, ())))
    return spec.factor if is_any else None


async def _inputs_unpacked(
    connection: AsyncConnection, facility: str
) -> Sequence[Mapping[Any, Any]]:
    async with opened.snapshot_async(connection):
        asked = (await connection.execute(_MEASURING, {"facility": facility})).one()
        await connection.run_sync(
            lambda same: history.open_newest(
                same, asked.channels or [], asked.now, oldest=asked.now - _NEWEST
            )
        )
        return (await connection.execute(_INPUTS, {"facility": facility})).mappings().all()


class KnownAccounts:
    """Accounts that are read again only where they may differ from those read before.

    They follow from the registry; some bands from newest readings too, see ``answer_states``.
    """

    def __init__(self) -> None:
        #: by facility, with the registry's revision
        self._known: dict[str, tuple[int, dict[str, SourceAccount]]] = {}

    async def read(
        self, connection: AsyncConnection, facility: str, state: LiveState
    ) -> dict[str, SourceAccount]:
        """Do as :func:`source_accounts` does; ``state``: read before on this connection."""
        return await self._read(
            connection,
            facility,
            state.answer.revision,
            by_readings=state.bands_follow_readings,
        )

    async def read_several(
        self, connection: AsyncConnection, facilities: Sequence[FacilityRow], *, revision: int
    ) -> dict[str, dict[str, SourceAccount]]:
        """Do as :func:`source_accounts` does for each of the facilities, by slug.

        ``revision``: of the registry, read before the facilities.
        """
        return {
            facility.slug: await self._read(
                connection, facility.slug, revision, by_readings=facility.bands_follow_readings
            )
            for facility in facilities
        }

    async def _read(
        self, connection: AsyncConnection, facility: str, revision: int, *, by_readings: bool
    ) -> dict[str, SourceAccount]:
        of_revision, accounts = self._known.get(facility, (None, None))
        if accounts is None or by_readings or of_revision != revision:
            accounts = await source_accounts(connection, facility)
            # what changed meanwhile has raised the revision, and is read next time
            self._known[facility] = revision, accounts
        return accounts


def _uncertainty(slug: str, rows: Sequence[Any]) -> FactorUncertainty:
    return FactorUncertainty(
        id=f"factor {slug}",
        versions=tuple(
            (row.valid_from, row.valid_to, row.uncertainty_percent) for row in counting(rows)
        ),
    )
