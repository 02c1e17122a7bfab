"""Readings become totals; owns time: minutes, hours, windows, late data.

One tick is one transaction for one facility, in the order of these modules:

1. :mod:`.claim` takes the (channel, minute) pairs whose readings changed.
2. :mod:`.expand` finds every minute that they may speak of, per source.
3. :mod:`.compute` takes the readings around those minutes, those that :mod:`.recent` remembers
   among them, and computes the sources' masses.
4. :mod:`services.core.store.emissions.minutes_and_hours` writes what differs: minutes, hours, rolling totals.
5. :mod:`.turn` says what a new minute brings: what still holds, leaves a window, or closes.
6. :mod:`.judge` holds every value that changed against its limits: transitions, alerts (in
   :mod:`.raise_alerts`), and the outbox's rows that tell of them.

Before these, :mod:`.restate_factor` restates a part of the hours that a corrected factor changes.

A crash repeats a tick; none is half done. Late, duplicate and out-of-order readings are the same
path: minutes are always computed from all their readings.
"""
