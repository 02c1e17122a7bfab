"""What everything that is packed by day has in common: readings, and minutes of sources.

- :mod:`.blobs`: columns to bytes and back, every bit kept; damage is told.
- :mod:`.opened`: packed days unpacked into tables of the session, which the views of both kinds of
  days in the schema ``history`` show.
- :mod:`.opening`: packed days made rows again.
- :mod:`.walk`: what of a hypertable is old, one owner and day after the other.
- :mod:`.days`: days since the epoch.

A day of one owner (a channel, a source) is either rows or one packed row. Each kind of history has
its own columns and its own rules of when a day goes: :mod:`services.core.store.readings.packing`,
:mod:`services.core.store.emissions.packing`.
"""
