"""Bring values from outside to the series that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import Connection

from services.core.facility import value_plausibility
from services.core.facility.value_file import FactorValues
from services.core.store.audit.record import record as record_deed
from services.core.store.factor_series import names
from services.core.store.factor_series.record import NewValues, Recorded, record


def bring(
    connection: Connection,
    values: Mapping[str, FactorValues],
    *,
    facility: str | None,
    by: str,
) -> Recorded:
    """Write values, by factor, in the caller's transaction.

    ``facility``: whose series these are; None: those of every facility.

    :raises UnknownSeriesError: a facility or a series is not there.
    :raises FutureValueError: a value is said to be known only in the future.
    :raises ImplausibleValueError: a value cannot be kilograms per unit.
    """
    owner = None if facility is None else names.facility_id(connection, facility)
    series = names.series(connection, owner, list(values))
    for name, of_factor in values.items():
        value_plausibility.check(name, series[name].unit, of_factor)
    batch = [
        NewValues(
            series=series[name],
            hours=of_factor.hours,
            kg=of_factor.kg,
            known_at_us=of_factor.known_at_us,
        )
        for name, of_factor in values.items()
    ]
    recorded = record(connection, batch, by=by)
    record_deed(
        connection,
        "factor.values",
        by=by,
        facility=facility,
        subject=", ".join(sorted(values)),
        after=asdict(recorded),
    )
    return recorded
