"""Hours of one source and month as one row of packed columns, and the way back.

With each hour goes every version of it that was replaced, so that its ledger is in one place.

- :mod:`.columns`: hours, or versions of them, as arrays.
- :mod:`.codec`: arrays to bytes and back, every bit kept; damage is told.
- :mod:`.months`: months packed and opened again, in the transaction of whoever holds the facility.
- :mod:`.candidates`: which source and month comes next.

Readers ask :mod:`services.core.store.emissions.hour_history`.
"""
