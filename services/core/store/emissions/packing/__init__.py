"""Minutes of one source and day as one row of packed columns, and the way back.

- :mod:`.columns`: the minutes as arrays, and their digest.
- :mod:`.codec`: arrays to bytes and back, every bit kept; damage is told.
- :mod:`.days`: days packed and opened again, in the transaction of whoever holds the facility.
- :mod:`.candidates`: which source and day comes next, and which has to be opened.

Readers ask :mod:`services.core.store.emissions.minute_history`.
"""
