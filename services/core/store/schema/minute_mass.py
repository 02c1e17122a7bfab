"""The mass of a minute in SQL, for statements and for the view of minutes in force."""

from __future__ import annotations

from typing import LiteralString


def followed_factor(per_unit: LiteralString) -> LiteralString:
    """Return the SQL of the figure that a minute ``m`` is to follow.

    ``per_unit``: a column of ``f``, a row of ``following_minutes``, which has one figure for all
    minutes or one for each hour from that of the first minute on.
    """
    hour = "date_part('epoch', {})::int8 / 3600"
    place = f"1 + {hour.format('m.minute')} - {hour.format('f.begins')}"
    return f"f.{per_unit}[least(cardinality(f.{per_unit}), {place})]"


def minute_mass(kg_per_unit: LiteralString) -> LiteralString:
    """Return the SQL of a minute's mass in micrograms, ``m`` the minute, from its amount.

    The rule is :func:`services.core.accounting.minute_rounding.billionths`; this takes the same
    floating-point steps in the same order, so that both give the same mass.
    """
    kg = f"m.activity * {kg_per_unit} * 1e9"
    k = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
    return f"(floor({kg} * ({k} + 1) + 0.5) - floor({kg} * {k} + 0.5))::int8"
