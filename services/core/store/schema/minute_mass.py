"""The mass of a minute in SQL, for statements and for the view of minutes in force."""

from __future__ import annotations

from typing import LiteralString


def minute_mass(kg_per_unit: LiteralString) -> LiteralString:
    """Return the SQL of a minute's mass in micrograms, ``m`` the minute, from its amount.

    The rule is :func:`services.core.accounting.minute_rounding.billionths`; this takes the same
    floating-point steps in the same order, so that both give the same mass.
    """
    kg = f"m.activity * {kg_per_unit} * 1e9"
    k = "(date_part('epoch', m.minute)::int8 / 60 % 60)"
    return f"(floor({kg} * ({k} + 1) + 0.5) - floor({kg} * {k} + 0.5))::int8"
