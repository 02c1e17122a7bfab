"""Readings of one channel and day as one row of packed columns, and the way back.

- :mod:`.columns`: the readings as arrays, and as the bytes that their digest is taken of.
- :mod:`.codec`: arrays to bytes and back, every bit kept; damage is told.
- :mod:`.days`: days packed and opened again, in the caller's transaction.
- :mod:`.candidates`: which channel and day comes next.
- :mod:`.joining`: short rows of a month made one.
- :mod:`.added_days`: history from files, packed as it is stored.

Readers ask :mod:`services.core.store.readings.history`.
"""
