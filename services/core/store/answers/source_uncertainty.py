"""What is needed to add up the sources of a facility: which count, and how well each is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.factor_calendar import FactorAge
from services.core.accounting.uncertainty import Component, FactorUncertainty
from services.core.facility import assemble, model

_SOURCE: TypeAdapter[model.Source] = TypeAdapter(model.Source)

# The newest usable reading tells at which point an equation's sensitivities are taken.
_INPUTS = text(
    """
SELECT s.id, s.slug, s.scope, s.active, s.spec, i.role, c.id AS channel_id,
       c.spec AS channel, CAST(c.spec ->> 'uncertainty' AS float8) AS percent, newest.value
FROM facility f
JOIN source s ON s.facility_id = f.id
JOIN source_input i ON i.source_id = s.id
JOIN channel c ON c.id = i.channel_id
LEFT JOIN LATERAL (
    SELECT r.value FROM reading r
    WHERE s.method = 'stack' AND r.channel_id = c.id AND r.value IS NOT NULL AND r.quality <= 1
      AND r.ts > now() - interval '31 days'
    ORDER BY r.ts DESC LIMIT 1) newest ON true
WHERE f.slug = :facility
ORDER BY s.id
"""
)

_FACTORS = text(
    """
SELECT x.slug, x.facility_id IS NOT NULL AS own, x.valid_from, x.valid_to, x.uncertainty_percent,
       x.data_year, x.successor_expected
FROM factor x JOIN facility f ON f.slug = :facility
WHERE x.slug = ANY(:slugs) AND x.known_to IS NULL
  AND (x.facility_id = f.id OR x.facility_id IS NULL)
"""
)

_VALIDITY = text(
    """
SELECT r.revision, EXISTS (
    SELECT FROM source s JOIN facility f ON f.id = s.facility_id
    WHERE f.slug = :facility AND s.method = 'stack') AS by_readings
FROM registry_revision r
"""
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAccount:
    """How one source enters a facility's totals."""

    slug: str
    scope: int
    #: the source that measures the same emission and does not count
    check: str | None
    #: False: it is another source's check
    counts: bool
    #: its meters; empty: not every channel states its uncertainty
    meters: tuple[Component, ...]
    factor: FactorUncertainty | None
    #: of the factor's version that holds until further notice
    factor_age: FactorAge | None = None

    def components(self, first: date, last: date) -> tuple[Component, ...] | None:
        """Return what makes a mass of these days uncertain; None: a part of it is not stated."""
        if not self.meters:
            return None
        if self.factor is None:
            return self.meters
        factor = self.factor.component(first, last)
        return None if factor is None else (*self.meters, factor)


async def source_accounts(connection: AsyncConnection, facility: str) -> dict[str, SourceAccount]:
    """Read the accounts of a facility's sources, past ones too, by source."""
    rows = (await connection.execute(_INPUTS, {"facility": facility})).mappings().all()
    inputs: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        inputs.setdefault(row["slug"], []).append(dict(row))
    specs = {slug: _SOURCE.validate_python(rows[0]["spec"]) for slug, rows in inputs.items()}
    versions = await _versions(
        connection,
        facility,
        {spec.factor for spec in specs.values() if isinstance(spec, model.ActivitySource)},
    )
    factors = {slug: _uncertainty(slug, rows) for slug, rows in versions.items()}
    ages = {slug: _age(rows) for slug, rows in versions.items()}
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
            counts=slug not in checks,
            meters=_meters(spec, inputs[slug]),
            factor=factors.get(spec.factor) if isinstance(spec, model.ActivitySource) else None,
            factor_age=ages.get(spec.factor) if isinstance(spec, model.ActivitySource) else None,
        )
        for slug, spec in specs.items()
    }


class KnownAccounts:
    """Accounts that are read again only where they may differ from those read before.

    They follow from the registry; those of a facility with a stack from its newest readings too.
    """

    def __init__(self) -> None:
        #: by facility, with the registry's revision
        self._known: dict[str, tuple[int, dict[str, SourceAccount]]] = {}

    async def read(self, connection: AsyncConnection, facility: str) -> dict[str, SourceAccount]:
        """Do as :func:`source_accounts` does."""
        valid = (await connection.execute(_VALIDITY, {"facility": facility})).one()
        revision, accounts = self._known.get(facility, (None, None))
        if accounts is None or valid.by_readings or revision != valid.revision:
            accounts = await source_accounts(connection, facility)
            # what changed meanwhile has raised the revision, and is read next time
            self._known[facility] = valid.revision, accounts
        return accounts


async def _versions(
    connection: AsyncConnection, facility: str, slugs: set[str]
) -> dict[str, list[Any]]:
    rows = await connection.execute(_FACTORS, {"facility": facility, "slugs": sorted(slugs)})
    versions: dict[str, list[Any]] = {}
    for row in rows:
        versions.setdefault(row.slug, []).append(row)
    return versions


def _counting(rows: Sequence[Any]) -> list[Any]:
    """Return the versions that count: a facility's own hide the built-in ones of the same name."""
    return [row for row in rows if row.own or not any(version.own for version in rows)]


def _uncertainty(slug: str, rows: Sequence[Any]) -> FactorUncertainty:
    return FactorUncertainty(
        id=f"factor {slug}",
        versions=tuple(
            (row.valid_from, row.valid_to, row.uncertainty_percent) for row in _counting(rows)
        ),
    )


def _age(rows: Sequence[Any]) -> FactorAge | None:
    newest = max((row.data_year or 0 for row in rows if not row.own), default=None)
    for row in _counting(rows):
        if row.valid_to is None:
            return FactorAge(
                data_year=row.data_year,
                newest_year=newest,
                successor_expected=row.successor_expected,
            )
    return None


def _meters(spec: model.Source, rows: Sequence[Mapping[str, Any]]) -> tuple[Component, ...]:
    """Return each meter's percentage times the rate's sensitivity to it; empty: one says none."""
    if isinstance(spec, model.ActivitySource) and spec.derived is not None:
        percent = spec.derived.uncertainty
        named = f"channel {spec.derived.channel}"
        return () if percent is None else (Component(id=named, percent=percent),)
    entering = {row["role"]: row for row in rows if row["role"] not in model.TELLING}
    if any(row["percent"] is None for row in entering.values()):
        return ()
    sensitivities: dict[str, float] = {}
    if isinstance(spec, model.StackSource):
        method = assemble.stack_method(
            spec, {row["role"]: model.Channel.model_validate(row["channel"]) for row in rows}
        )
        sensitivities = method.sensitivities(
            {row["role"]: _in_unit(row) for row in rows if row["value"] is not None}
        )
    return tuple(
        Component(
            id=f"channel {row['channel_id']}",
            percent=row["percent"] * _known_or_one(sensitivities.get(role)),
        )
        for role, row in entering.items()
    )


def _in_unit(row: Mapping[str, Any]) -> float:
    sent = assemble.sent_unit(model.Channel.model_validate(row["channel"]))
    value = float(row["value"])
    return value if sent is None else sent(value)


def _known_or_one(sensitivity: float | None) -> float:
    return 1.0 if sensitivity is None or not np.isfinite(sensitivity) else sensitivity
